"""An agent of a directorate from the first opening of the desk to a recovery, on a phone and at a computer."""

import pyotp
import pytest
from playwright.sync_api import expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.support.product import TEMPORARY_PASSWORD, Product

NAJAT = "najat.amrani@men.gov.ma"
KHADIJA, EMAIL = "khadija.idrissi@taalim.ma", "khadija@example.org"


def opens_the_desk(walk: Walk) -> None:
    """By the menu; it asks for a second factor first, which is set up."""
    page, password = walk.page, walk.product.people[NAJAT]
    walk.comes_in(NAJAT)
    walk.chooses_in_the_menu(walk.said("agent.title"))
    walk.sees("flash.desk_set_up")
    part = page.get_by_role("region", name=walk.said("factor.app.title"))
    part.get_by_role("textbox", name=walk.words.current, exact=True).fill(password)
    part.get_by_role("button", name=walk.said("factor.app.begin"), exact=True).click()
    app = pyotp.TOTP(page.locator("#app-key").inner_text().replace(" ", ""))
    walk.box(walk.said("factor.code")).fill(app.now())
    walk.button(walk.words.confirm).click()
    walk.sees("factor.codes.once")
    walk.chooses_in_the_menu(walk.said("agent.title"))


@pytest.mark.parametrize("language", ["ar", "fr"])
def test_an_agent_finds_a_person_and_starts_a_recovery(product: Product, open_page: Opener, language: str):
    walk = Walk(open_page(product, size=pages.PHONE if language == "ar" else pages.DESKTOP), product, language)
    page = walk.page
    opens_the_desk(walk)
    pages.inspect(page, "80-desk", language)
    page.get_by_role("link", name=walk.said("agent.search.title"), exact=True).click()
    walk.box(walk.said("agent.search.who")).fill("الإدريسي" if language == "ar" else "idrissi")
    walk.button(walk.said("agent.search.button")).click()
    pages.inspect(page, "81-desk-found", language)
    page.get_by_role("link", name=KHADIJA).click()
    pages.inspect(page, "82-desk-account", language)
    address = page.url
    page.get_by_role("link", name=walk.said("agent.unmask.link")).click()
    page.get_by_role("radio", name=walk.said("agent.unmask.reason.asked")).check()
    pages.inspect(page, "83-desk-unmask", language)
    walk.button(walk.said("agent.unmask.button")).click()
    expect(page.get_by_text(EMAIL, exact=True)).to_be_visible()
    pages.inspect(page, "84-desk-whole", language)
    page.get_by_role("link", name=walk.said("agent.back"), exact=True).click()
    assert page.url == address, "one person has one address"
    page.get_by_role("link", name=walk.said("agent.recover.title"), exact=True).click()
    page.get_by_role("radio").first.check()
    pages.inspect(page, "85-desk-recover", language)
    walk.button(walk.said("agent.recover.button")).click()
    assert product.read(EMAIL, TEMPORARY_PASSWORD)
    page.reload()
    walk.sees("message.purpose.temporary_password")
    pages.inspect(page, "86-desk-sent", language)
    page.get_by_role("link", name=walk.said("agent.search.another"), exact=True).click()
    walk.box(walk.said("agent.search.who")).fill("nobody.atall")
    walk.button(walk.said("agent.search.button")).click()
    walk.sees("agent.search.nobody")
    pages.inspect(page, "87-desk-nobody", language)
