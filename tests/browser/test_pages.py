"""Single pages: weight, keyboard, what scripts add, errors, the on-screen phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.support.product import Product
from tests.support.words import saying

YOUSSEF, YOUSSEFS_EMAIL = "youssef.benali@men.gov.ma", "youssef.benali@example.org"
FATIMA, FATIMAS_PHONE = "fatima.zahra.alaoui@taalim.ma", "0661000222"
LARGEST_SIGN_IN = 30 * 1024  # bytes transferred, without the font


def transferred(page: Page, address: str) -> dict[str, int]:
    """Bytes on the wire by address, heads and compression included, of everything that one visit loads."""
    requests = []
    page.on("requestfinished", lambda request: requests.append(request))  # a builtin takes no mark of Playwright
    page.goto(address, wait_until="networkidle")
    sizes = {request.url: request.sizes() for request in requests}
    return {url: size["responseBodySize"] + size["responseHeadersSize"] for url, size in sizes.items()}


def test_the_sign_in_page_is_light(product: Product, open_page: Opener):
    weights = transferred(open_page(product), "/")
    fonts = {url for url in weights if url.endswith(".woff2")}
    assert fonts, "the product's own font is used"
    total = sum(weight for url, weight in weights.items() if url not in fonts)
    assert total <= LARGEST_SIGN_IN, "\n".join(f"{weight:7} {url}" for url, weight in sorted(weights.items()))


def test_the_first_paint_does_not_wait_for_the_font(product: Product, open_page: Opener):
    """With the font held back for good the page is painted, in the machine's own letters."""
    page = open_page(product)
    held = []
    page.route("**/*.woff2", lambda route: held.append(route))  # never answered
    with page.expect_request("**/*.woff2"):
        page.goto("/", wait_until="commit")
    # The font has been asked for and nobody answers: the page must be painted all the same.
    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length > 0")
    assert held, "the font was held back"
    for route in held:
        route.abort("aborted")


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_a_page_that_is_not_there(product: Product, open_page: Opener, language: str):
    walk = Walk(open_page(product), product, language)
    walk.opens_the_first_page()
    answer = walk.page.goto("/no-such-page")
    assert answer.status == 404
    pages.inspect(walk.page, "20-not-found", language)


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_the_on_screen_phone_and_mailbox(product: Product, open_page: Opener, language: str):
    walk = Walk(open_page(product), product, language)
    walk.opens_the_first_page()
    walk.page.goto("/demo/")
    pages.inspect(walk.page, "21-demo", language)


def test_the_language_is_kept(product: Product, open_page: Opener):
    walk = Walk(open_page(product), product, "fr")
    walk.opens_the_first_page()
    walk.page.goto("/")
    expect(walk.page.locator("html")).to_have_attribute("lang", "fr")


def test_the_keyboard_reaches_everything_on_the_sign_in_page(product: Product, open_page: Opener):
    """Skip link first; user before password before button; the focus is always to be seen."""
    walk = Walk(open_page(product), product, "fr")
    walk.opens_the_first_page()
    walk.page.goto("/")
    names = []
    for _ in range(25):
        walk.page.keyboard.press("Tab")
        name, ring = walk.page.evaluate(FOCUS)
        if not name or name in names:
            break  # past the last one, or round again
        names.append(name)
        assert ring, f"no focus ring on {name}"
    order = [walk.said("frame.skip"), "user", "password", walk.words.sign_in, walk.words.recovery]
    assert [name for name in names if name in order] == order


FOCUS = """() => {
  const element = document.activeElement;
  if (element === document.body) return ['', true];
  const style = getComputedStyle(element.closest('.control') || element);  // a field's frame carries its ring
  const outline = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  const name = element.matches('input') ? element.name : element.textContent.trim();
  return [name, outline || style.boxShadow !== 'none'];
}"""


def test_a_problem_takes_the_focus(product: Product, open_page: Opener):
    """A screen reader starts at what went wrong, not at the top of the page."""
    walk = Walk(open_page(product), product, "ar")
    walk.opens_the_first_page()
    walk.types_user_and_password(YOUSSEF, "Not-the-password-1")
    expect(walk.page.get_by_role("alert")).to_be_focused()
    expect(walk.page.get_by_role("alert")).to_have_text(saying("ar", "problem.wrong"))


def test_the_password_can_be_shown(product: Product, open_page: Opener):
    walk = Walk(open_page(product), product, "fr")
    walk.opens_the_first_page()
    password = walk.box(walk.said("sign_in.password"))
    password.fill("visible?")
    expect(password).to_have_attribute("type", "password")
    label = walk.said("sign_in.password")
    walk.button(f"{walk.said('password.show')} {label}").click()
    expect(password).to_have_attribute("type", "text")
    walk.button(f"{walk.said('password.hide')} {label}").click()
    expect(password).to_have_attribute("type", "password")


def test_an_arabic_keyboard_is_noticed(product: Product, open_page: Opener):
    """The layout is the usual reason why a right password is refused."""
    walk = Walk(open_page(product), product, "ar")
    walk.opens_the_first_page()
    walk.box(walk.said("sign_in.password")).press_sequentially("سلام")
    walk.sees("password.arabic_keyboard")


def test_the_checklist_follows_what_is_typed(product: Product, open_page: Opener):
    walk = signed_in(open_page(product), product, "fr")
    walk.chooses_in_the_menu(walk.words.change_password)
    new = walk.box(walk.words.new)
    new.fill("abc")
    expect(rule_state(walk, "rule.letter")).to_have_text(walk.said("rule.state.met"))
    expect(rule_state(walk, "rule.digit")).to_have_text(walk.said("rule.state.unmet"))
    new.fill("Rivage-8412-ouvert")
    for id in ("rule.letter", "rule.digit", "rule.symbol", "rule.length_min"):
        expect(rule_state(walk, id)).to_have_text(walk.said("rule.state.met"))
    expect(rule_state(walk, "rule.name")).to_have_text("")  # the server knows more: never called met
    new.fill("Youssef-8412-ouvert")
    expect(rule_state(walk, "rule.name")).to_have_text(walk.said("rule.state.unmet"))


def test_a_rule_that_is_not_the_guides_shows_when_it_is_broken(product: Product, open_page: Opener):
    walk = signed_in(open_page(product), product, "fr")
    walk.chooses_in_the_menu(walk.words.change_password)
    extra = walk.page.locator("[data-rule=temporary_shape]")
    expect(extra).to_be_hidden()
    walk.box(walk.words.new).fill("kdmwt-47392")
    expect(extra).to_be_visible()
    walk.box(walk.words.new).fill("Rivage-8412-ouvert")
    expect(extra).to_be_hidden()


def test_the_forced_change_fits_a_phone(fresh_product: Product, open_page: Opener):
    """Everything that is asked and «Save» on one screen of 360 by 740, the demo's strip included."""
    walk = Walk(open_page(fresh_product), fresh_product, "ar")
    walk.opens_the_first_page()
    walk.asks_for_recovery(FATIMA, "phone", FATIMAS_PHONE)
    walk.types_user_and_password(FATIMA, walk.reads_the_temporary_password(FATIMAS_PHONE))
    walk.meets_the_expired_dialog().get_by_role("link", name=walk.words.change_password, exact=True).click()
    for language in ("ar", "fr", "en"):
        walk = Walk(walk.page, fresh_product, language)
        walk.chooses_the_language()
        save = walk.button(walk.words.save).bounding_box()
        pages.shot(walk.page, "12-change-phone", language)
        assert save["y"] + save["height"] <= pages.PHONE["height"], language


def rule_state(walk: Walk, id: str) -> Locator:
    line = walk.page.get_by_role("listitem").filter(has_text=saying(walk.language, id))
    return line.locator("[data-state]")


def test_the_voluntary_change_looks_right(product: Product, open_page: Opener):
    walk = signed_in(open_page(product), product, "ar")
    walk.chooses_in_the_menu(walk.words.change_password)
    pages.inspect(walk.page, "22-change-by-choice", "ar")


def test_without_scripts_no_rule_looks_like_something_to_press(product: Product, open_page: Opener):
    walk = signed_in(open_page(product, script=False), product, "fr")
    walk.chooses_in_the_menu(walk.words.change_password)
    ticks = walk.page.locator(".tick")
    widths = {round(ticks.nth(n).bounding_box()["width"], 1) for n in range(ticks.count()) if ticks.nth(n).is_visible()}
    assert len(widths) == 1, "circles that nothing fills stand beside marks of a list"


def test_a_message_appears_on_the_screen_phone_by_itself(product: Product, open_page: Opener):
    """Nobody reloads the on-screen phone: what is asked for on one page arrives on the other."""
    phone = open_page(product, size=pages.DESKTOP)
    phone.goto("/demo/")
    walk = Walk(open_page(product), product, "ar")
    walk.opens_the_first_page()
    walk.asks_for_recovery(FATIMA, "phone", FATIMAS_PHONE)
    secret = walk.reads_the_temporary_password(FATIMAS_PHONE)
    expect(phone.get_by_text(secret).first).to_be_visible()


def test_the_expired_dialog_holds_the_focus_and_escape_closes_it(product: Product, open_page: Opener):
    """Escape does what the button «Close» does: back to sign-in, with the temporary password still good."""
    walk = Walk(open_page(product), product, "fr")
    walk.opens_the_first_page()
    walk.asks_for_recovery(YOUSSEF, "email", YOUSSEFS_EMAIL)
    secret = walk.reads_the_temporary_password(YOUSSEFS_EMAIL)
    walk.types_user_and_password(YOUSSEF, secret)
    dialog = walk.meets_the_expired_dialog()
    change = dialog.get_by_role("link", name=walk.words.change_password, exact=True)
    expect(change).to_be_focused()
    for _ in range(4):
        walk.page.keyboard.press("Tab")
        assert walk.page.evaluate("() => !document.querySelector('main :is(a, button):focus:not(dialog *)')")
    walk.page.keyboard.press("Escape")
    expect(walk.button(walk.words.sign_in)).to_be_visible()
    walk.types_user_and_password(YOUSSEF, secret)
    walk.meets_the_expired_dialog()


def signed_in(page: Page, product: Product, language: str) -> Walk:
    walk = Walk(page, product, language)
    walk.opens_the_first_page()
    walk.chooses_the_language()  # a browser that has chosen none takes the person's own
    walk.types_user_and_password(YOUSSEF, product.people[YOUSSEF])
    expect(walk.menu()).to_be_visible()
    return walk
