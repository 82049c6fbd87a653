"""In a siege a browser that nobody knows meets a challenge: by itself with scripts, by a button without."""

import time

from playwright.sync_api import expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.support.product import Product

KHADIJA = "khadija.idrissi@taalim.ma"
HOLD = "HTMLFormElement.prototype.requestSubmit = function () { window.held = this; }"
SIEGE = "INSERT INTO limits_siege (key, on_until, off_until, held_until) VALUES ('all', ?, 0, 0)"


def besiege(product: Product) -> None:
    """As `massar siege on` does."""
    with product.database() as database:
        database.execute(SIEGE, (int((time.time() + 3600) * 1_000_000),))


def test_with_scripts_it_works_says_so_and_goes_on_by_itself(product: Product, open_page: Opener):
    besiege(product)
    walk = Walk(open_page(product), product, "fr")
    walk.opens_the_first_page()
    walk.page.add_init_script(HOLD)  # the page of a second, for as long as it is looked at
    walk.types_user_and_password(KHADIJA, product.people[KHADIJA])
    expect(walk.page.get_by_role("status").filter(has_text=walk.said("challenge.done"))).to_be_visible()
    expect(walk.page.get_by_role("progressbar", name=walk.said("challenge.progress"))).to_be_visible()
    expect(walk.button(walk.said("challenge.go_on"))).to_be_hidden()
    pages.inspect(walk.page, "44-challenge-works", "fr")
    walk.page.evaluate("() => held.submit()")
    expect(walk.menu()).to_be_visible()


def test_without_scripts_it_waits_for_the_button(product: Product, open_page: Opener):
    besiege(product)
    walk = Walk(open_page(product, script=False), product, "ar")
    walk.opens_the_first_page()
    walk.types_user_and_password(KHADIJA, product.people[KHADIJA])
    walk.sees("challenge.by_hand")
    walk.button(walk.said("challenge.go_on")).click()
    walk.sees("challenge.early")
