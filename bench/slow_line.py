"""What a person on a line of 50 kbit/s waits for: pages of the demo in Chromium, slowed down by its own throttling."""

from playwright.sync_api import Page, ViewportSize, sync_playwright

from bench import report
from tests.browser.conftest import CHROMIUM_ARGUMENTS
from tests.support import programs
from tests.support.product import running_product

BITS_PER_SECOND, LATENCY_MS = 50_000, 300  # EDGE in a village
PHONE = ViewportSize(width=360, height=740)
OWN_PAGES = {"home": "/", "profile": "/profile/", "change password": "/password/change/", "devices": "/devices/"}
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
USABLE = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"


def table() -> str:
    """The sign-in page with an empty cache, then other pages in the same browser. Seconds from the click."""
    with running_product() as product, sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=programs.find_chromium(), args=CHROMIUM_ARGUMENTS)
        context = chromium.new_context(base_url=product.url, viewport=PHONE)
        page = context.new_page()
        page.set_default_timeout(60_000)
        devtools, speed = context.new_cdp_session(page), BITS_PER_SECOND / 8
        devtools.send("Network.enable")
        limits = {"downloadThroughput": speed, "uploadThroughput": speed, "latency": LATENCY_MS}
        devtools.send("Network.emulateNetworkConditions", {"offline": False, **limits})
        rows = [_waited(page, "sign-in, empty cache", "/sign-in/"), _waited(page, "recovery, form", "/recovery/")]
        page.goto("/sign-in/")
        login, password = next(iter(product.people.items()))
        page.fill("[name=user]", login)
        page.fill("[name=password]", password)
        page.press("[name=password]", "Enter")
        page.wait_for_url(product.url + "/")
        rows += [_waited(page, name, path) for name, path in OWN_PAGES.items()]
        chromium.close()
    note = (
        f"Chromium with its own throttling, {BITS_PER_SECOND // 1000} kbit/s and {LATENCY_MS} ms "
        "to the first byte, the demo, in Arabic, 360 pixels wide. The aims: 1 s to the first paint of every page after "
        "the first, 3 s until the sign-in page can be used with an empty cache."
    )
    return report.table("Pages on a slow line, seconds", ["page", "first paint", "can be used"], rows, note)


def _waited(page: Page, name: str, path: str) -> list[str]:
    """can be used: forms can be typed into and sent."""
    # Fonts and all: the next page has the line for itself, as after a minute of reading.
    page.goto(path, wait_until="load")
    page.wait_for_load_state("networkidle")
    return [name, *(f"{page.evaluate(what) / 1000:.2f}" for what in (PAINTED, USABLE))]
