"""What a person on a line of 50 kbit/s waits for: pages of the demo in Chromium, slowed down by its own throttling."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import BrowserContext, Page, ViewportSize, sync_playwright

from tests.browser.conftest import CHROMIUM_ARGUMENTS
from tests.support import programs
from tests.support.product import running_product

BITS_PER_SECOND, LATENCY_MS = 50_000, 300  # EDGE in a village
PHONE = ViewportSize(width=360, height=740)
OWN_PAGES = {"home": "/", "profile": "/profile/", "change password": "/password/change/", "devices": "/devices/"}
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
USABLE = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"


@dataclass(frozen=True)
class Wait:
    """Seconds from the click. usable: forms can be typed into and sent."""

    page: str
    painted: float
    usable: float


def measure() -> list[Wait]:
    """The sign-in page with an empty cache, then other pages in the same browser."""
    with running_product() as product, sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=programs.find_chromium(), args=CHROMIUM_ARGUMENTS)
        context = chromium.new_context(base_url=product.url, viewport=PHONE)
        page = context.new_page()
        page.set_default_timeout(60_000)
        _slow_down(context, page)
        found = [_waited(page, "sign-in, empty cache", "/sign-in/"), _waited(page, "recovery, form", "/recovery/")]
        page.goto("/sign-in/")
        login, password = next(iter(product.people.items()))
        page.fill("[name=user]", login)
        page.fill("[name=password]", password)
        page.press("[name=password]", "Enter")
        page.wait_for_url(product.url + "/")
        found += [_waited(page, name, path) for name, path in OWN_PAGES.items()]
        chromium.close()
    return found


def _slow_down(context: BrowserContext, page: Page) -> None:
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    limits = {"downloadThroughput": BITS_PER_SECOND / 8, "uploadThroughput": BITS_PER_SECOND / 8, "latency": LATENCY_MS}
    devtools.send("Network.emulateNetworkConditions", {"offline": False, **limits})


def _waited(page: Page, name: str, path: str) -> Wait:
    page.goto(
        path, wait_until="load"
    )  # fonts and all: the next page has the line for itself, as after a minute of reading
    page.wait_for_load_state("networkidle")
    return Wait(name, page.evaluate(PAINTED) / 1000, page.evaluate(USABLE) / 1000)


if __name__ == "__main__":
    for wait in measure():
        print(f"{wait.page:24} painted {wait.painted:5.2f} s, usable {wait.usable:5.2f} s")
