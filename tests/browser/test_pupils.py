"""A child of eight without a phone, in Arabic and without scripts, and the mother at hers."""

import re

from playwright.sync_api import expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.cast import HALIMA, ILYAS
from tests.support.product import TEMPORARY_PASSWORD, Product


def test_a_child_comes_in_by_the_mothers_phone_and_she_sees_it(product: Product, open_page: Opener):
    code, mother = ILYAS.login.partition("@")[0], Walk(open_page(product), product, "ar")
    child, seen = Walk(open_page(product, script=False), product, "ar"), open_page(product)

    def look(name: str) -> None:
        """At the child's page, and with scripts at the same, as the same person."""
        assert pages.outline_problems(child.page, "ar") == []
        pages.shot(child.page, f"{name}-plain", "ar")
        seen.context.clear_cookies()
        seen.context.add_cookies(child.page.context.cookies())
        seen.goto(child.page.url)
        pages.inspect(seen, name, "ar")

    child.opens_the_first_page()
    child.page.get_by_role("link", name=child.words.recovery, exact=True).click()
    child.sees("recovery.pupil")
    child.box(child.words.user).fill(code)
    child.page.get_by_role("radio", name=child.said("channel.phone")).check()
    child.box(child.said("recovery.phone")).fill(HALIMA.phone)
    child.button(child.words.confirm).click()
    child.sees("asked.pupil")
    look("80-pupil-asked")
    secret = product.read(HALIMA.phone, TEMPORARY_PASSWORD)
    child.types_user_and_password(code, secret)
    child.sees("pupil.expired")
    look("81-pupil-entered")
    child.page.get_by_role("link", name=child.said("pupil.password_title")).click()
    look("82-pupil-chooses")
    offered = child.page.locator("input[name=words]")
    expect(offered).to_have_count(3)
    chosen = offered.nth(1).input_value()
    child.page.get_by_text(chosen, exact=True).click()
    child.button(child.words.save).click()
    child.sees("pupil.done")
    look("83-pupil-changed")
    child.page.get_by_role("link", name=child.said("pupil.go_on")).click()
    child.sees("pupil.forgotten")
    expect(child.page.get_by_role("link", name=re.compile("haraka"))).to_have_count(0)
    look("84-pupil-home")

    mother.comes_in(HALIMA.login)
    mother.menu().click()
    mother.page.get_by_role("link", name=mother.said("children.title")).click()
    card = mother.page.locator("section.card").filter(has_text=ILYAS.first_ar)
    expect(card).to_contain_text(mother.said("children.has_password"))
    card.get_by_text(mother.said("children.start")).click()
    card.get_by_role("textbox", name=mother.said("children.your_password")).fill(HALIMA.password)
    card.get_by_role("button", name=mother.said("children.send")).click()
    mother.sees("flash.child_started")
    product.read(HALIMA.phone, TEMPORARY_PASSWORD)
    mother.page.goto("/children/")
    expect(card).to_contain_text(mother.said("children.running"))
    card.get_by_text(mother.said("children.stop"), exact=False).first.click()
    pages.inspect(mother.page, "85-children", "ar")
