"""The pictures of the README, made from the running demo with the means of the browser tests.

    PYTHONPATH=src:. .venv/bin/python docs/images/make.py

Look at them before they are committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import CHROMIUM_ARGUMENTS
from tests.browser.walk import Walk
from tests.support import programs
from tests.support.product import TEMPORARY_PASSWORD, Product, running_product

HERE = Path(__file__).parent
PHONE = {"width": 360, "height": 740}
WHOLE_FORM = {"width": 360, "height": 1050}
DESK = {"width": 1180, "height": 760}
SCREEN = {"width": 1180, "height": 980}
# Of the cast (tests/cast.py, which needs the models and so can't be imported by a program).
JAMAL = "jamal.jalal@taalim.ma"
FATIMA = "fatima.zahra.alaoui@taalim.ma"
KHADIJA = "khadija.idrissi@taalim.ma"


def main() -> None:
    executable = programs.find_chromium()
    if executable is None:
        raise SystemExit(programs.CHROMIUM.sentence)
    with running_product() as product, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        sign_in_page(browser, product)
        recovery_page(browser, product)
        demo_page(browser, product)
        home_page(browser, product)
        browser.close()


@contextmanager
def opened(browser: Browser, product: Product, size: dict, scale: int = 1) -> Iterator[Page]:
    context = browser.new_context(
        base_url=product.url, viewport=size, device_scale_factor=scale, reduced_motion="reduce"
    )
    yield context.new_page()
    context.close()


def keep(page: Page, name: str) -> None:
    """What the window shows, as WebP."""
    page.evaluate("document.fonts.ready")
    picture = Image.open(BytesIO(page.screenshot(animations="disabled")))
    picture.convert("RGB").save(HERE / f"{name}.webp", quality=82, method=6)


def sign_in_page(browser: Browser, product: Product) -> None:
    with opened(browser, product, PHONE, 2) as page:
        page.goto("/sign-in/")
        keep(page, "sign-in-ar")


def recovery_page(browser: Browser, product: Product) -> None:
    with opened(browser, product, WHOLE_FORM, 2) as page:
        walk = Walk(page, product, "fr")
        walk.opens_the_first_page()
        page.get_by_role("link", name=walk.words.recovery, exact=True).click()
        page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
        keep(page, "recovery-fr")


def demo_page(browser: Browser, product: Product) -> None:
    """One recovery by phone, one by e-mail; then the screen that shows both."""
    for login, channel, contact in (
        (KHADIJA, "email", "khadija@example.org"),
        (FATIMA, "phone", "06 61 00 02 22"),
    ):
        with opened(browser, product, PHONE) as page:
            walk = Walk(page, product, "ar")
            walk.opens_the_first_page()
            walk.asks_for_recovery(login, channel, contact)
            walk.reads_the_temporary_password(contact)
    with opened(browser, product, SCREEN) as page:
        page.goto("/demo/")
        expect(page.get_by_text(TEMPORARY_PASSWORD).first).to_be_visible()
        keep(page, "demo-ar")


def home_page(browser: Browser, product: Product) -> None:
    with opened(browser, product, DESK) as page:
        walk = Walk(page, product, "ar")
        walk.opens_the_first_page()
        walk.types_user_and_password(JAMAL, product.people[JAMAL])
        walk.is_home("جمال جلال")
        keep(page, "home-ar")


if __name__ == "__main__":
    main()
