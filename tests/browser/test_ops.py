"""The operators' page and the person's own messages, looked at in three languages, with scripts and without."""

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
    walk.asks_for_recovery(SALMA, "email", SALMAS_EMAIL)
    walk.reads_the_temporary_password(SALMAS_EMAIL)
    page.goto("/")
    walk.types_user_and_password(SALMA, product.people[SALMA])
    walk.chooses_in_the_menu(walk.said("desk.title"))
    expect(walk.page.locator("svg.drawing").first).to_be_visible()
    return walk


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_the_traffic_and_the_own_messages(product: Product, open_page: Opener, language: str):
    """In Arabic the drawing is turned over, so that its newest end stands under the newest clock time."""
    walk = operator(open_page(product), product, language)
    pages.inspect(walk.page, "30-desk", language)
    turned = walk.page.locator("svg.drawing").first.evaluate("e => new DOMMatrix(getComputedStyle(e).transform).a < 0")
    times = walk.page.locator(".times").first.locator("span")
    first, last = (times.nth(n).bounding_box()["x"] for n in (0, -1))
    assert turned is (last < first) is (language == "ar")
    walk.page.set_viewport_size(pages.DESKTOP)
    cost, beside = (walk.page.locator(".plot").nth(n).bounding_box() for n in (2, 3))
    assert cost["y"] == beside["y"] and cost["height"] == beside["height"], "an empty card leaves no hole below it"
    expect(walk.page.locator("details.table[open]")).to_have_count(0)
    walk.page.locator("details.table summary").first.press("Enter")
    expect(walk.page.locator("details.table[open] td").first).to_be_visible()
    day = walk.page.get_by_role("link", name=walk.said("desk.window.day"), exact=True)
    day.click()
    expect(day).to_have_attribute("aria-current", "page")
    pages.inspect(walk.page, "31-desk-day", language)
    walk.page.goto("/devices/")
    walk.sees("message.purpose.temporary_password")
    pages.inspect(walk.page, "32-devices-messages", language)


def test_all_of_it_is_there_without_scripts(product: Product, open_page: Opener):
    walk = operator(open_page(product, script=False), product, "fr")
    walk.page.locator("details.table summary").first.click()
    expect(walk.page.locator("details.table[open] td").first).to_be_visible()
    walk.page.get_by_role("link", name=walk.said("desk.refresh")).click()
    expect(walk.page.locator("details.table[open]")).to_have_count(0)
