"""An app that shows codes, from the page that sets it up to the day it is lost: on a phone, in Arabic."""

import pyotp
from playwright.sync_api import expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.support.product import CONTACT_CODE, Product

YOUSSEF, EMAIL = "youssef.benali@men.gov.ma", "youssef.benali@example.org"
SECURITY = "/profile/security/"


def test_an_app_from_its_first_day_to_its_loss(product: Product, open_page: Opener):
    walk = Walk(open_page(product), product, "ar")
    page, password = walk.page, product.people[YOUSSEF]
    walk.comes_in(YOUSSEF)
    walk.chooses_in_the_menu(walk.said("factor.title"))
    part = page.get_by_role("region", name=walk.said("factor.app.title"))
    part.get_by_role("textbox", name=walk.words.current, exact=True).fill(password)
    part.get_by_role("button", name=walk.said("factor.app.begin"), exact=True).click()
    expect(page.get_by_role("img", name=walk.said("factor.app.square"))).to_be_visible()
    pages.inspect(page, "50-app", "ar")
    app = pyotp.TOTP(page.locator("#app-key").inner_text().replace(" ", ""))
    walk.box(walk.said("factor.code")).fill(app.now())
    walk.button(walk.words.confirm).click()
    walk.sees("factor.codes.once")
    pages.inspect(page, "51-backup-codes", "ar")
    code = page.locator("#backup-codes li").first.inner_text()
    page.get_by_role("link", name=walk.said("factor.codes.kept")).click()
    walk.sees("factor.yours")
    walk.signs_out()

    walk.types_user_and_password(YOUSSEF, password)
    walk.sees("factor.step.title")
    pages.inspect(page, "53-second-step", "ar")
    page.get_by_role("link", name=walk.said("factor.lost.link")).click()
    walk.sees("factor.lost.why")
    pages.inspect(page, "54-lost", "ar")
    walk.button(walk.said("factor.lost.send")).click()
    walk.box(walk.said("prove.code")).fill(product.read(EMAIL, CONTACT_CODE))
    walk.button(walk.words.confirm).click()
    walk.sees("factor.lost.meanwhile")
    page.get_by_role("link", name=walk.said("factor.step.title")).click()
    walk.box(walk.said("factor.code")).fill(code)
    walk.button(walk.words.confirm).click()
    expect(walk.menu()).to_be_visible()
