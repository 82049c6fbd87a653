"""A person at the help desk with nothing but a phone, in Arabic, and two agents at their desks, in French: what each
types and presses, and for how long the machine keeps them waiting."""

import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from playwright.sync_api import Page, expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.support.product import Product
from tests.support.words import GUIDE

FATIMA, NEW = "fatima.zahra.alaoui@taalim.ma", "Tamarin&6048-oued"
FIRST, SECOND = "hassan.ouazzani@taalim.ma", "najat.amrani@men.gov.ma"  # the head, and the directorate
PHONE = "Mozilla/5.0 (Linux; Android 9) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36"
NUMBER = re.compile(r"\d\d-\d{4}-\d{4}")
DIRECTORATE = "10000D"


@contextmanager
def database(product: Product) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(product.log.parent / "var" / "massar.sqlite3", timeout=20)) as found, found:
        yield found


def at_desk(product: Product, page: Page, login: str) -> Walk:
    """Signed in, and a second factor was proved: its own page has its own walk."""
    walk = Walk(page, product, "fr").comes_in(login)
    with database(product) as db:
        db.execute(
            "UPDATE sessions_session SET amr = 'pwd otp mfa', second_at = ? WHERE ended_at IS NULL AND person_id = "
            "(SELECT id FROM people_person WHERE login = ?)",
            (datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"), login),
        )
    walk.page.goto("/desk/cases/")
    return walk


def test_a_person_at_the_desk_is_served_in_minutes(product: Product, open_page: Opener):
    office = ["units", "office", DIRECTORATE, "--phone", "0524 00 00 00", "--address-ar", "شارع محمد الخامس"]
    subprocess.run([sys.executable, "-m", "massar", *office], env=product.environment, check=True)
    first = at_desk(product, open_page(product, size=pages.DESKTOP), FIRST)
    second = at_desk(product, open_page(product, size=pages.DESKTOP), SECOND)
    phone = Walk(open_page(product, user_agent=PHONE), product, "ar")
    phone.opens_the_first_page()
    phone.page.goto("/recovery/")
    began = time.monotonic()
    phone.page.get_by_role("link", name=phone.said("case.title")).click()
    mine = phone.page.locator(f"a[href*='at={DIRECTORATE}']")
    phone.page.locator("details", has=mine).locator("summary").click()
    mine.click()
    expect(phone.page.get_by_text("شارع محمد الخامس")).to_be_visible()
    pages.inspect(phone.page, "70-desk", "ar")
    phone.box(GUIDE["ar"].user).fill(FATIMA)
    phone.button(phone.said("case.show")).click()
    number = NUMBER.search(phone.page.locator(".case-number").inner_text())[0]
    pages.inspect(phone.page, "71-number", "ar")

    first.box(first.said("agent.case.number")).fill(number)
    first.button(first.said("agent.case.find")).click()
    expect(first.page.get_by_role("heading", name="Fatima Zahra Alaoui")).to_be_visible()
    pages.inspect(first.page, "72-case", "fr")
    first.page.get_by_label(first.said("agent.case.identity")).check()
    first.page.get_by_label(first.said("agent.case.present")).check()
    first.page.locator("#id_reason").fill("téléphone perdu")
    first.button(first.said("agent.case.ask_second")).click()
    first.sees("agent.case.waits")

    second.page.reload()
    pages.inspect(second.page, "73-cases", "fr")
    second.page.get_by_role("link", name=number).click()
    second.page.get_by_label(second.said("agent.case.aware")).check()
    pages.inspect(second.page, "74-confirm", "fr")
    second.button(second.said("agent.case.confirm")).click()
    second.sees("agent.case.approved")

    expect(phone.button(phone.said("case.go_on"))).to_be_visible()  # by itself
    pages.inspect(phone.page, "75-approved", "ar")
    phone.button(phone.said("case.go_on")).click()
    phone.types_new_password("", NEW)
    phone.button(phone.words.save).click()
    phone.meets_the_changed_dialog()
    took = time.monotonic() - began
    assert took < 120, f"the machine alone took {took:.0f} s"
    first.page.reload()
    first.sees("case.state.done")
