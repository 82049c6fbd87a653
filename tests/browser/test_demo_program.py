"""`massar demo` as a program: it starts, keeps its data, and leaves nothing behind."""

import signal
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import Opener
from tests.browser.walk import SIX, Walk
from tests.support.product import STOP_SECONDS, Product, running_product

JAMAL, EMAIL, PHONE = "jamal.jalal@taalim.ma", "jamal.perso@example.org", "0661123456"
YOUSSEF = "youssef.benali@men.gov.ma"


def test_no_part_outlives_the_demo_and_a_second_start_keeps_the_data(tmp_path: Path, open_page: Opener):
    """Ctrl-C, then a terminal that is closed. Who was signed in before is signed in after: the session was kept."""
    with running_product(tmp_path) as first:
        walk = Walk(open_page(first), first, "fr").comes_in(YOUSSEF)
        walk.is_home("Youssef Benali")
        cookies = walk.page.context.cookies()
        walk.page.context.close()
        assert len(first.processes()) > 3
        assert first.stop() == 0
        assert first.processes() == []
    with running_product(tmp_path) as second:
        assert second.people == first.people
        walk = Walk(open_page(second), second, "fr")
        walk.page.context.add_cookies(cookies)
        walk.page.goto("/")
        walk.is_home("Youssef Benali")
        walk.page.context.close()
        second.process.send_signal(signal.SIGHUP)
        second.process.wait(STOP_SECONDS)
        assert second.have_all_ended()


def test_the_printed_list_is_true_in_its_own_order(product: Product, open_page: Opener):
    """Both contacts, the six sites, signed out everywhere, the recovery, then four sites and two that wait."""
    printed = product.log.read_text("utf-8")
    order = "a personal e-mail and phone|Both count|six sites|watch them close|temporary password|Retraite".split("|")
    places = [printed.index(words) for words in order]
    assert places == sorted(places)
    walk = Walk(open_page(product), product, "ar").comes_in(JAMAL)
    walk.chooses_in_the_menu(walk.words.profile)
    walk.saves_contacts(product.people[JAMAL], email=EMAIL, phone=PHONE)
    for to, kind in ((EMAIL, "email"), (PHONE, "phone")):
        walk.proves_contact(to, kind)
        walk.sees("flash.contact_proved")
    walk.page.goto("/")
    for slug in SIX:
        walk.opens_a_site(slug, "Jamal Jalal")
    walk.page.get_by_role("link", name=walk.said("sso.everywhere.title"), exact=True).click()
    walk.button(walk.said("sso.everywhere.confirm")).click()
    walk.page.goto("/sign-in/")
    walk.asks_for_recovery(JAMAL, "email", EMAIL)
    secret = walk.reads_the_temporary_password(EMAIL)
    walk.types_user_and_password(JAMAL, secret)
    walk.meets_the_expired_dialog().get_by_role("link", name=walk.words.change_password, exact=True).click()
    walk.types_new_password(secret, "Rivage-8412-ouvert")
    walk.button(walk.words.save).click()
    walk.meets_the_changed_dialog().get_by_role("link", name=walk.words.close, exact=True).click()
    for slug in ("taalim", "massar", "notifrh", "esise"):
        walk.opens_a_site(slug, "Jamal Jalal")
    expect(walk.page.locator(".site-wait")).to_have_count(2)
