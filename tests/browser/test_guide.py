"""The ministry's guide from its first page to its last, on a phone's screen, as a newcomer finds it.

With JavaScript every page is also looked at (axe, pictures, widths); without it the same walk must work.
"""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.support.product import TEMPORARY_PASSWORD, Product
from tests.support.words import saying, site

JAMAL = "jamal.jalal@taalim.ma"
NAMES = {"ar": "جمال جلال", "fr": "Jamal Jalal", "en": "Jamal Jalal"}
EMAIL, PHONE = "jamal.perso@example.org", "0661123456"
CONTACTS = {"email": EMAIL, "phone": PHONE}
PHONE_IN_ARABIC_DIGITS = "٠٦ ٦١ ١٢ ٣٤ ٥٦"
NEW_PASSWORD = "Rivage-8412-ouvert"


@pytest.mark.parametrize(("language", "script", "size"), [
    ("ar", True, pages.PHONE),
    ("ar", False, pages.PHONE),
    ("fr", True, pages.PHONE),
    ("en", True, pages.DESKTOP),  # the guide has no English: for the pictures and for axe,
])  # fmt: skip
def test_the_guide(product: Product, open_page: Opener, language: str, script: bool, size: dict):
    """Arabic recovers by phone, the others by e-mail, so both ways are walked. axe needs scripts; without them the
    outline is checked and pictured."""
    walk = Walk(open_page(product, script=script, size=size), product, language)

    def look(name: str) -> None:
        if script:
            pages.inspect(walk.page, name, language)
        else:
            assert pages.outline_problems(walk.page, language) == []
            pages.shot(walk.page, f"{name}-plain", language)

    walk_the_guide(walk, by="phone" if language == "ar" else "email", look=look)


def walk_the_guide(walk: Walk, *, by: str, look: Callable[[str], None]) -> None:
    first_password = walk.product.people[JAMAL]
    sign_in_and_complete_the_profile(walk, first_password, by, look)
    secret = recover(walk, by, look)
    change_the_password(walk, secret, look)
    the_new_password_is_the_only_one(walk, old=first_password)
    told = [m for m in walk.product.messages() if TEMPORARY_PASSWORD.search(m["text"])]
    assert len(told) == 1, "one request, one message: the reload of the page has sent nothing"


def sign_in_and_complete_the_profile(walk: Walk, password: str, by: str, look: Callable[[str], None]) -> None:
    """Steps 1 to 4."""
    walk.opens_the_first_page()
    look("01-sign-in")
    walk.types_user_and_password(JAMAL, "Not-the-password-1")
    walk.sees("problem.wrong")
    look("02-sign-in-wrong")
    walk.types_user_and_password(f" {JAMAL.upper()} ", password)
    walk.is_home(NAMES[walk.language])
    walk.sees("home.needs_contacts")
    look("03-home-banner")

    walk.chooses_in_the_menu(walk.words.profile)
    expect(walk.page.get_by_text(walk.words.contacts_note).first).to_be_visible()
    look("04-profile")
    walk.saves_contacts(password, email=JAMAL)
    walk.sees("error.email_institution")
    look("05-profile-refused")
    walk.saves_contacts(password, email=EMAIL, phone=PHONE_IN_ARABIC_DIGITS)
    walk.sees("prove.sent")
    walk.sees("prove.resend_at")
    look("06-profile-codes")
    # Who had no contact before fills in both: they count together.
    first, second = ("phone", "email") if by == "phone" else ("email", "phone")
    walk.proves_contact(CONTACTS[first], first)
    walk.sees("flash.contact_proved")
    walk.proves_contact(CONTACTS[second], second)
    walk.sees("flash.contact_proved")
    expect(walk.page.get_by_text(walk.said("contact.waiting"), exact=True)).to_have_count(0)
    look("07-profile-proved")

    walk.page.get_by_role("link", name=walk.words.close, exact=True).click()
    walk.is_home(NAMES[walk.language])
    expect(walk.page.get_by_text(walk.said("home.needs_contacts"))).to_have_count(0)
    look("08-home")


def recover(walk: Walk, by: str, look: Callable[[str], None]) -> str:
    """Steps 5 to 7. Returns the temporary password that the person reads."""
    walk.signs_out()
    walk.page.get_by_role("link", name=walk.words.recovery, exact=True).click()
    look("09-recovery")
    walk.page.go_back()
    walk.asks_for_recovery(JAMAL, by, CONTACTS[by])
    look("10-recovery-asked")
    walk.page.reload()
    walk.sees("asked.message")
    return walk.reads_the_temporary_password(CONTACTS[by])


def change_the_password(walk: Walk, secret: str, look: Callable[[str], None]) -> None:
    """Steps 8 to 11."""
    walk.types_user_and_password(JAMAL, secret.upper().replace("-", " "))
    dialog = walk.meets_the_expired_dialog()
    look("11-expired")
    dialog.get_by_role("button", name=walk.words.close, exact=True).click()
    expect(walk.button(walk.words.sign_in)).to_be_visible()
    walk.types_user_and_password(JAMAL, secret)
    walk.meets_the_expired_dialog().get_by_role("link", name=walk.words.change_password, exact=True).click()

    look("12-change")
    walk.types_new_password(secret, "Djalal-8412-ouvert")
    walk.button(walk.words.save).click()
    walk.sees("rule.name.refused")
    walk.sees("password.temporary_right")
    look("13-change-refused")
    walk.types_new_password("", NEW_PASSWORD, repeat=NEW_PASSWORD + "x")
    walk.button(walk.words.save).click()
    walk.sees("rule.mismatch.refused")
    walk.types_new_password("", NEW_PASSWORD)
    walk.button(walk.words.save).click()
    dialog = walk.meets_the_changed_dialog()
    expect(dialog.locator("li").filter(has_text=saying(walk.language, "site.from"))).to_have_count(2)
    look("14-changed")
    dialog.get_by_role("link", name=walk.words.close, exact=True).click()

    walk.is_home(NAMES[walk.language])
    expect(walk.page.locator(".sites").get_by_text(saying(walk.language, "site.opens_from"))).to_have_count(2)
    look("14-home-after-recovery")
    walk.opens_a_site("massar", NAMES["fr"])
    walk.page.get_by_role("link", name=site("haraka").serves(walk.language)).click()
    walk.sees("sso.not_for_you.recovered")  # transfers wait after a recovery
    look("15-not-for-you")
    walk.page.get_by_role("link", name=walk.said("site.back"), exact=True).click()
    walk.chooses_in_the_menu(walk.said("devices.title"))
    walk.sees("devices.this_one")
    look("16-devices")
    walk.chooses_in_the_menu(walk.words.profile)
    walk.sees("profile.frozen")
    look("17-profile-frozen")


def the_new_password_is_the_only_one(walk: Walk, *, old: str) -> None:
    walk.signs_out()
    walk.types_user_and_password(JAMAL, old)
    walk.sees("problem.wrong")
    walk.types_user_and_password(JAMAL, NEW_PASSWORD)
    walk.is_home(NAMES[walk.language])
