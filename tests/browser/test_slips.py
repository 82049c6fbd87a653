"""Slips of paper, from the desk's page to the person's own password: printed, scanned, typed, withdrawn."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.support.paper import squares_of
from tests.support.product import Product

NAJAT = "najat.amrani@men.gov.ma"
ILYAS, YASSINE = "x130000417@taalim.ma", "x130000438@taalim.ma"
CLASS = {"ar": "الأولى 1", "fr": "1re année 1"}


def opens_the_class(walk: Walk) -> None:
    """By the school's code, as an agent of a directorate knows it."""
    walk.page.goto("/desk/")
    walk.page.get_by_role("link", name=walk.said("slips.title"), exact=True).click()
    walk.box(walk.said("slips.code")).fill("24187k")
    walk.button(walk.said("slips.open")).click()
    walk.page.get_by_role("link", name=CLASS[walk.language]).click()


def prints(walk: Walk) -> bytes:
    """The PDF for the two pupils of the class without a password."""
    expect(walk.page.get_by_role("radio", name=f"{walk.said('slips.who_pupil')} (2)")).to_be_checked()
    walk.box(walk.said("slips.reason")).fill("الدخول المدرسي" if walk.language == "ar" else "rentrée")
    pages.inspect(walk.page, "88-slips-class", walk.language)
    with walk.page.expect_download() as download:
        walk.button(walk.said("slips.print")).click()
    return download.value.path().read_bytes()


def withdraws(walk: Walk, login: str) -> None:
    """One slip of the batch, by what stands behind the hyphen of its number."""
    row = walk.page.get_by_role("row").filter(has_text=login)
    expect(row).to_contain_text(walk.said("slips.stands_waits"))
    walk.box(walk.said("slips.place")).fill(row.locator(".what").inner_text().split("-")[1])
    walk.box(walk.said("slips.reason")).fill("ضاعت" if walk.language == "ar" else "perdue")
    walk.button(walk.said("slips.void")).click()
    walk.sees("flash.slips_voided")
    expect(row).to_contain_text(walk.said("slips.stands_voided"))
    pages.inspect(walk.page, "90-slips-batch", walk.language)


def scans(page: Page, product: Product, language: str, square: str) -> Walk:
    """A camera opens the address of the square; login and code are in the form, and in no address any more."""
    walk = Walk(page, product, language)
    walk.opens_the_first_page()
    page.goto(square)
    expect(walk.button(walk.words.sign_in)).to_be_focused()
    login, code = square.partition("#slip=")[2].split("~")
    expect(walk.box(walk.words.user)).to_have_value(login)
    expect(walk.page.locator("input[name=password]")).to_have_value(code)
    assert page.evaluate("() => location.href") == f"{product.url}/sign-in/"
    return walk


def types_without_scripts(walk: Walk, square: str) -> None:
    """What stands behind the # does nothing there: the page says what is typed. This slip was withdrawn."""
    walk.opens_the_first_page()
    walk.page.goto(square)
    walk.sees("sign_in.slip")
    expect(walk.box(walk.words.user)).to_have_value("")
    pages.shot(walk.page, "89-slip-plain", walk.language)
    login, code = square.partition("#slip=")[2].split("~")
    walk.types_user_and_password(login.partition("@")[0], code.upper())
    walk.sees("problem.expired_slip")


@pytest.mark.parametrize("language", ["ar", "fr"])
def test_slips_are_printed_scanned_typed_and_withdrawn(product: Product, open_page: Opener, language: str):
    agent = Walk(open_page(product, size=pages.PHONE if language == "ar" else pages.DESKTOP), product, language)
    opens_the_class(agent.comes_to_the_desk(NAJAT))
    squares, _ = squares_of(prints(agent))
    of = {login: next(square for square in squares if login in square) for login in (ILYAS, YASSINE)}
    agent.page.reload()
    agent.page.get_by_role("link", name=agent.said("slips.batch").partition("%")[0].strip()).click()
    withdraws(agent, YASSINE)

    child = scans(open_page(product), product, language, of[ILYAS])
    pages.inspect(child.page, "89-slip-scanned", language)
    child.page.goto(of[YASSINE])  # the next slip, on the very page: it is not loaded again
    expect(child.box(child.words.user)).to_have_value(YASSINE)
    assert child.page.evaluate("() => location.hash") == ""
    types_without_scripts(Walk(open_page(product, script=False), product, language), of[YASSINE])
    scans(child.page, product, language, of[ILYAS]).button(child.words.sign_in).click()
    child.sees("pupil.expired")
    child.page.get_by_role("link", name=child.said("pupil.password_title")).click()
    child.page.locator("label").filter(has=child.page.locator("input[name=words]")).first.click()
    child.button(child.words.save).click()
    child.sees("pupil.done")
    agent.page.reload()
    expect(agent.page.get_by_role("row").filter(has_text=ILYAS)).to_contain_text(agent.said("slips.stands_used"))
