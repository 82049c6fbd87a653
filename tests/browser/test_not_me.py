"""«This was not me»: from the mail about a stranger's sign-in to the recovery, and the owner is back in."""

import re
import time

from playwright.sync_api import expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.cast import NEW
from tests.support.product import MESSAGE_SECONDS, Product

KHADIJA, EMAIL = "khadija.idrissi@taalim.ma", "khadija@example.org"
YOUSSEF, HIS_EMAIL = "youssef.benali@men.gov.ma", "youssef.benali@example.org"
HISTORY = "/devices/history/"
LINK = re.compile(r"/not-me/\S+")


def newest_notice(product: Product, to: str) -> int:
    """The number that the newest letter there with the link has in the mailbox on screen."""
    deadline = time.monotonic() + MESSAGE_SECONDS
    while time.monotonic() < deadline:
        found = [one["id"] for one in product.messages() if one["to"] == to and LINK.search(one["text"])]
        if found:
            return found[-1]
        time.sleep(0.1)
    raise AssertionError(f"no notice with a link has come to {to}")


def test_a_stranger_is_shut_out_and_the_owner_comes_back(product: Product, open_page: Opener):
    """The owner has no scripts; the other browser has, so axe looks there at the page that the owner has before her."""
    thief = Walk(open_page(product), product, "ar").comes_in(KHADIJA)
    owner = Walk(open_page(product, script=False), product, "ar")

    def look(name: str) -> None:
        assert pages.outline_problems(owner.page, "ar") == []
        pages.shot(owner.page, f"{name}-plain", "ar")
        thief.page.goto(owner.page.url)
        pages.inspect(thief.page, name, "ar")

    owner.page.goto(f"/demo/mail/{newest_notice(product, EMAIL)}")
    pages.shot(owner.page, "70-mail-new-device", "ar")
    owner.page.get_by_role("link", name=owner.said("not_me.title")).click()
    owner.sees("not_me.effect_shut")
    look("71-not-me")
    owner.button(owner.said("not_me.confirm")).click()
    owner.sees("not_me.frozen")
    look("72-frozen")

    thief.page.goto(HISTORY)
    thief.types_user_and_password(KHADIJA, product.people[KHADIJA])
    thief.sees("problem.frozen")
    pages.shot(thief.page, "73-sign-in-frozen", "ar")

    owner.page.get_by_role("link", name=owner.words.recovery, exact=True).click()
    expect(owner.box(owner.words.user)).to_have_value(KHADIJA)
    owner.box(owner.words.email).fill(EMAIL)
    owner.button(owner.words.confirm).click()
    owner.sees("asked.message")
    secret = owner.reads_the_temporary_password(EMAIL)
    owner.types_user_and_password(KHADIJA, secret)
    owner.meets_the_expired_dialog().get_by_role("link", name=owner.words.change_password, exact=True).click()
    owner.types_new_password(secret, NEW)
    owner.button(owner.words.save).click()
    owner.meets_the_changed_dialog().get_by_role("link", name=owner.words.close, exact=True).click()
    expect(owner.menu()).to_be_visible()

    thief.types_user_and_password(KHADIJA, product.people[KHADIJA])
    thief.sees("problem.wrong")


def test_the_first_pages_in_french(product: Product, open_page: Opener):
    walk = Walk(open_page(product), product, "fr").comes_in(YOUSSEF)
    walk.page.goto(HISTORY)
    walk.sees("history.intro")
    pages.inspect(walk.page, "74-history", "fr")
    walk.page.goto(f"/demo/mail/{newest_notice(product, HIS_EMAIL)}")
    walk.page.get_by_role("link", name=walk.said("not_me.title")).click()
    walk.sees("not_me.effect_shut")
    pages.inspect(walk.page, "71-not-me", "fr")
