"""The operators' page and the person's own messages, looked at in three languages, with scripts and without."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.support.product import Product

SALMA, SALMAS_EMAIL = "salma.bennani@men.gov.ma", "salma.bennani@example.org"


def operator(page, product: Product, language: str) -> Walk:
    """Signed in, after one temporary password was sent, so that there is something to draw."""
    walk = Walk(page, product, language)
    walk.opens_the_first_page()
    walk.chooses_the_language()
    if not any(message["to"] == SALMAS_EMAIL for message in product.messages()):
        walk.asks_for_recovery(SALMA, "email", SALMAS_EMAIL)
        walk.reads_the_temporary_password(SALMAS_EMAIL)
        page.goto("/")
    walk.types_user_and_password(SALMA, product.people[SALMA])
    expect(walk.menu()).to_be_visible()
    return walk


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_the_traffic_and_the_own_messages(product: Product, open_page: Opener, language: str):
    walk = operator(open_page(product), product, language)
    walk.chooses_in_the_menu(walk.said("desk.title"))
    drawing = walk.page.locator("svg.drawing").first
    expect(drawing).to_be_visible()
    pages.inspect(walk.page, "30-desk", language)
    expect(walk.page.locator("details.table[open]")).to_have_count(0)
    walk.page.locator("details.table summary").first.press("Enter")
    expect(walk.page.locator("details.table[open] td").first).to_be_visible()
    walk.page.get_by_role("link", name=walk.said("desk.window.day"), exact=True).click()
    expect(walk.page.get_by_role("link", name=walk.said("desk.window.day"), exact=True)).to_have_attribute(
        "aria-current", "page"
    )
    pages.inspect(walk.page, "31-desk-day", language)
    walk.page.goto("/devices/")
    walk.sees("message.purpose.temporary_password")
    pages.inspect(walk.page, "32-devices-messages", language)


def test_time_runs_as_the_page_is_read(product: Product, open_page: Opener):
    """In Arabic the drawing is turned over, so that its newest end stands under the newest clock time."""
    for language, mirrored in (("fr", False), ("ar", True)):
        walk = operator(open_page(product), product, language)
        walk.page.goto("/desk/messages/")
        turned = walk.page.locator("svg.drawing").first.evaluate(
            "(e) => new DOMMatrix(getComputedStyle(e).transform).a < 0"
        )
        times = walk.page.locator(".times").first.locator("span")
        boxes = [times.nth(n).bounding_box()["x"] for n in (0, -1)]
        assert turned is mirrored and (boxes[1] < boxes[0]) is mirrored


def test_all_of_it_is_there_without_scripts(product: Product, open_page: Opener):
    walk = operator(open_page(product, script=False), product, "fr")
    walk.page.goto("/desk/messages/")
    expect(walk.page.locator("svg.drawing").first).to_be_visible()
    walk.page.locator("details.table summary").first.click()
    expect(walk.page.locator("details.table[open] td").first).to_be_visible()
    walk.page.get_by_role("link", name=walk.said("desk.refresh")).click()
    expect(walk.page.locator("details.table[open]")).to_have_count(0)
