"""A letter came back: what home and the profile show, until the address is proved anew."""

import contextlib
import smtplib
import sqlite3
import time
from subprocess import PIPE

from playwright.sync_api import expect

from massar.domain.delivery import return_path
from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.support.bounces import REPORTS
from tests.support.installation import running
from tests.support.postgres import free_port
from tests.support.product import TEMPORARY_PASSWORD, Product

KHADIJA, EMAIL = "khadija.idrissi@taalim.ma", "khadija@example.org"
WRONG = "khadija@exmaple.org"


def test_a_letter_that_came_back_is_told_until_it_is_put_right(product: Product, open_page: Opener):
    """Then an address that does not exist, while its code is waited for."""
    walk = Walk(open_page(product), product, "ar")
    walk.opens_the_first_page()
    walk.asks_for_recovery(KHADIJA, "email", EMAIL)
    product.read(EMAIL, TEMPORARY_PASSWORD)
    comes_back(product, EMAIL)
    for language in ("fr", "en", "ar"):
        walk = Walk(open_page(product), product, language).comes_in(KHADIJA)
        walk.sees("home.came_back")
        pages.inspect(walk.page, "23-home-came-back", language)
        walk.chooses_in_the_menu(walk.words.profile)
        walk.sees("contact.came_back")
        pages.inspect(walk.page, "24-profile-came-back", language)
    walk.saves_contacts(product.people[KHADIJA], email=EMAIL)
    walk.proves_contact(EMAIL, "email")
    walk.sees("flash.contact_proved")
    expect(walk.page.get_by_text(walk.said("contact.came_back"))).to_have_count(0)
    walk.saves_contacts(product.people[KHADIJA], email=WRONG)
    walk.sees("flash.code_sent")
    comes_back(product, WRONG)
    walk.page.reload()
    walk.sees("prove.came_back")
    pages.inspect(walk.page, "25-code-came-back", "ar")


def comes_back(product: Product, to: str) -> None:
    """A mail server says of the newest letter to that address that there is no such mailbox."""
    uid = newest_letter(product, to)
    path = return_path.address(uid, to, "bounce.example.ma")
    port = free_port()
    command = ("bounces", "--port", str(port))
    with running(*command, folder=product.log.parent, environ=product.environment, stderr=PIPE) as process:
        assert "taken in at" in process.stderr.readline()
        with smtplib.LMTP("127.0.0.1", port) as client:
            client.sendmail("", [path], (REPORTS / "no_mailbox.eml").read_bytes())


def newest_letter(product: Product, to: str) -> str:
    """The message's id, as its Message-ID has it. The demo's mailbox keeps what it received in a file."""
    inbox = product.log.parent / "var" / "demo-inbox.sqlite3"
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.closing(sqlite3.connect(inbox)) as database:
            found = database.execute("SELECT key FROM message WHERE recipient = ? ORDER BY id DESC", (to,)).fetchone()
        if found:
            return found[0].strip("<>").partition("@")[0]
        time.sleep(0.1)
    raise AssertionError(f"no letter to {to}")
