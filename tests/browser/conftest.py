"""A browser on the real product. Every page that a test opens is watched: what goes wrong fails the test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser import contact_sheet, pages
from tests.support import programs
from tests.support.product import Product, running_product

HERE = Path(__file__).parent
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",  # root in a container has no sandbox to give
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE_MS = 15_000

Opener = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and put them last.

    Playwright's driver keeps an event loop in this thread, and Django refuses a database call beside one:
    whoever runs everything in one go must be done with the database before the first page is opened.
    """
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
    items.sort(key=lambda item: HERE in item.path.parents)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium for the whole session."""
    lacking = programs.lacking_for_the_browser()
    if lacking:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse(lacking.sentence)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as driver:
        executable = programs.find_chromium()
        chromium = driver.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """A running demo that tests share: for tests that change nothing that another test looks at."""
    with running_product() as running:
        yield running


@pytest.fixture
def fresh_product() -> Iterator[Product]:
    """A running demo of this test alone, as a newcomer finds it."""
    with running_product() as running:
        yield running


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Opener]:
    """Opens a watched page with cookies of its own: `open_page(product, script=False, size=pages.DESKTOP)`.

    The browser asks for English, so an Arabic first page shows that Arabic is the default and not a guess.
    """
    contexts, watches = [], []

    def opener(product: Product, *, script: bool = True, size: dict | None = None) -> Page:
        context = browser.new_context(
            base_url=product.url,
            java_script_enabled=script,
            viewport=size or pages.PHONE,
            locale="en-GB",
            timezone_id="Africa/Casablanca",
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        sites = tuple(origin.removeprefix("http://") for origin in product.sites.values())
        watch = pages.Watch(host=product.url.removeprefix("http://"), others=sites)
        watch.attach(page)
        contexts.append(context)
        watches.append(watch)
        return page

    yield opener
    for context in contexts:
        context.close()
    problems = [problem for watch in watches for problem in watch.problems]
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="session", autouse=True)
def _sheet() -> Iterator[None]:
    """Whatever was photographed ends up on the contact sheet, also when a test failed."""
    yield
    contact_sheet.make(pages.SCREENSHOTS, pages.SCREENSHOTS.parent)
