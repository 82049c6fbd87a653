"""Every page of a person on phones of every width: no word touches its frame, nothing is wider than the screen."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.support.product import Product

YOUSSEF, KHADIJA = "youssef.benali@men.gov.ma", "khadija.idrissi@taalim.ma"
EMAIL, PHONE = "khadija@example.org", "0661123456"
LONGEST_DEVICES = 2400  # px at 360: it was 3 900 with thirty events


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_no_word_touches_its_frame(fresh_product: Product, open_page: Opener, language: str):
    walk = Walk(open_page(fresh_product), fresh_product, language)
    found: dict[str, list[str]] = {}

    def measured(name: str) -> None:
        found[name] = pages.touching(walk.page)
        pages.shot(walk.page, f"40-{name}", language)

    walk.opens_the_first_page()
    measured("sign-in")
    for _ in range(8):
        walk.types_user_and_password(KHADIJA, "Not-the-password-1")
    measured("sign-in-wrong")
    walk.page.goto("/recovery/")
    measured("recovery")
    walk.button(walk.words.confirm).click()
    measured("recovery-refused")
    walk.page.goto("/sign-in/")
    walk.asks_for_recovery(KHADIJA, "email", EMAIL)
    measured("asked")
    secret = walk.reads_the_temporary_password(EMAIL)
    other = Walk(open_page(fresh_product), fresh_product, language)
    other.opens_the_first_page()
    other.types_user_and_password(KHADIJA, fresh_product.people[KHADIJA])
    other.chooses_in_the_menu(other.words.profile)
    other.saves_contacts(fresh_product.people[KHADIJA], phone=PHONE)
    other.proves_contact(PHONE, "phone")
    other.sees("contact.waits_why")
    walk, other = other, walk
    measured("profile-waiting")
    walk.saves_contacts(fresh_product.people[KHADIJA], email="second@example.org")
    measured("profile-code")
    walk, other = other, walk
    walk.types_user_and_password(KHADIJA, secret)
    walk.meets_the_expired_dialog()
    measured("expired")
    walk.page.goto("/password/change/")
    walk.types_new_password(secret, "aaaaaaaaaaaa")
    walk.button(walk.words.save).click()
    measured("change-refused")
    walk.types_new_password("", "Rivage-8412-ouvert")
    walk.button(walk.words.save).click()
    dialog = walk.meets_the_changed_dialog()
    measured("changed")
    dialog.get_by_role("link", name=walk.words.close, exact=True).click()
    measured("home-recovered")
    walk.chooses_in_the_menu(walk.words.profile)
    walk.sees("contact.dropped")
    measured("profile-frozen")
    walk.chooses_in_the_menu(walk.said("devices.title"))
    expect(walk.page.locator("details.older").first).to_be_visible()
    assert walk.page.evaluate("() => document.documentElement.scrollHeight") <= LONGEST_DEVICES
    measured("devices")
    for folded in walk.page.locator("details.older summary").all():
        folded.click()
    measured("devices-unfolded")
    pages.inspect(walk.page, "41-devices-unfolded", language)
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_on_paper_the_words_stay_and_the_buttons_go(product: Product, open_page: Opener):
    walk = Walk(open_page(product), product, "fr")
    walk.opens_the_first_page()
    walk.chooses_the_language()
    walk.types_user_and_password(YOUSSEF, product.people[YOUSSEF])
    walk.chooses_in_the_menu(walk.said("devices.title"))
    walk.page.emulate_media(media="print")
    expect(walk.page.get_by_role("heading", name=walk.said("devices.title"), exact=True)).to_be_visible()
    for gone in (".menu", ".languages", ".demo", "form.inline", ".aside-link"):
        expect(walk.page.locator(gone).first).to_be_hidden()
    assert walk.page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
