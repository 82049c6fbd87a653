"""A browser on the real product. Every page that a test opens is watched: what goes wrong fails the test."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser import pages
from tests.support import programs
from tests.support.product import Product, running_product

HERE = Path(__file__).parent
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",  # root in a container has no sandbox to give
    *"--disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run".split(),
]
PATIENCE_MS = 15_000
KEPT = ("massar.sqlite3", "demo-inbox.sqlite3")  # all that a demo remembers

Opener = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and put them last.

    Playwright's driver keeps an event loop in this thread, and Django refuses a database call beside one:
    whoever runs everything in one go must be done with the database before the first page is opened.
    """
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)
    items.sort(key=lambda item: item.path.is_relative_to(HERE))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium for the whole session; at its end the contact sheet, also when a test failed."""
    lacking = programs.lacking_for_the_browser()
    if lacking:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse(lacking.sentence)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=programs.find_chromium(), args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()
    pages.write_contact_sheet()


@pytest.fixture(scope="session")
def first_state() -> Iterator[tuple[Product, dict[Path, sqlite3.Connection]]]:
    """A running demo, and what stood in its databases before anybody came; its keys for sites are there already."""
    with running_product() as running:
        assert [running.get(path)[0] for path in ("/jwks", "/saml/metadata")] == [200, 200]
        kept = {running.log.parent / "var" / name: sqlite3.connect(":memory:") for name in KEPT}
        for file, copy in kept.items():
            with closing(sqlite3.connect(file)) as database:
                database.backup(copy)
        yield running, kept


@pytest.fixture
def product(first_state) -> Product:
    """The demo as a newcomer finds it: what the test before has left in its databases is gone."""
    running, kept = first_state
    for file, copy in kept.items():
        with closing(sqlite3.connect(file)) as database:
            copy.backup(database)
    running.seen.clear()
    return running


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Opener]:
    """Opens a watched page with cookies of its own: `open_page(product, script=False, size=pages.DESKTOP)`.

    The browser asks for English, so an Arabic first page shows that Arabic is the default and not a guess.
    """
    contexts, watches = [], []

    def opener(
        product: Product, *, script: bool = True, size: dict | None = None, user_agent: str | None = None
    ) -> Page:
        context = browser.new_context(
            base_url=product.url, java_script_enabled=script, viewport=size or pages.PHONE, locale="en-GB",
            timezone_id="Africa/Casablanca", reduced_motion="reduce", user_agent=user_agent,
        )  # fmt: skip
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        hosts = (product.url, product.url.replace("localhost", "127.0.0.1"), *product.sites.values())
        contexts.append(context)
        watches.append(pages.watched(page, tuple(origin.removeprefix("http://") for origin in hosts)))
        return page

    yield opener
    for context in contexts:
        context.close()
    problems = [problem for watch in watches for problem in watch]
    assert not problems, "\n".join(problems)
