"""Single pages: weight, keyboard, what scripts add, errors, paper, the on-screen phone."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.support.product import Product
from tests.support.words import saying

YOUSSEF, YOUSSEFS_EMAIL = "youssef.benali@men.gov.ma", "youssef.benali@example.org"
KHADIJA = "khadija.idrissi@taalim.ma"
FATIMA, FATIMAS_PHONE = "fatima.zahra.alaoui@taalim.ma", "0661000222"
LONGEST_DEVICES = 2400  # px at 360: it was 3 900 with thirty events
LARGEST_SIGN_IN = 30 * 1024  # bytes transferred, without the font


def opened(page: Page, product: Product, language: str) -> Walk:
    walk = Walk(page, product, language)
    walk.opens_the_first_page()
    return walk


def test_the_sign_in_page_is_light(product: Product, open_page: Opener):
    """Bytes on the wire, heads and compression included, of everything that one visit loads."""
    page, requests = open_page(product), []
    page.on("requestfinished", lambda request: requests.append(request))  # a builtin takes no mark of Playwright
    page.goto("/", wait_until="networkidle")
    sizes = {request.url: request.sizes() for request in requests}
    weights = {url: size["responseBodySize"] + size["responseHeadersSize"] for url, size in sizes.items()}
    fonts = {url for url in weights if url.endswith(".woff2")}
    assert fonts, "the product's own font is used"
    total = sum(weight for url, weight in weights.items() if url not in fonts)
    assert total <= LARGEST_SIGN_IN, "\n".join(f"{weight:7} {url}" for url, weight in sorted(weights.items()))


def test_the_first_paint_does_not_wait_for_the_font(product: Product, open_page: Opener):
    """With the font held back for good the page is painted, in the machine's own letters."""
    page, held = open_page(product), []
    page.route("**/*.woff2", lambda route: held.append(route))  # never answered
    with page.expect_request("**/*.woff2"):
        page.goto("/", wait_until="commit")
    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length > 0")
    assert held, "the font was held back"
    for route in held:
        route.abort("aborted")


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_a_page_that_is_not_there_and_the_on_screen_phone(product: Product, open_page: Opener, language: str):
    walk = opened(open_page(product), product, language)
    assert walk.page.goto("/no-such-page").status == 404
    pages.inspect(walk.page, "20-not-found", language)
    walk.page.goto("/demo/")
    pages.inspect(walk.page, "21-demo", language)


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_pages_that_the_guide_does_not_meet(product: Product, open_page: Opener, language: str):
    """Too many wrong passwords, an empty recovery, a further contact that waits, what happened of late, unfolded."""
    walk = opened(open_page(product), product, language)
    for _ in range(4):
        walk.types_user_and_password(KHADIJA, "Not-the-password-1")
    pages.inspect(walk.page, "40-sign-in-wrong", language)
    walk.page.goto("/recovery/")
    walk.button(walk.words.confirm).click()
    pages.inspect(walk.page, "41-recovery-refused", language)
    walk = opened(open_page(product), product, language)
    walk.types_user_and_password(KHADIJA, product.people[KHADIJA])
    walk.chooses_in_the_menu(walk.words.profile)
    walk.saves_contacts(product.people[KHADIJA], phone="0661123456")
    walk.proves_contact("0661123456", "phone")
    walk.sees("contact.waits_why")
    pages.inspect(walk.page, "42-profile-waiting", language)
    walk.saves_contacts(product.people[KHADIJA], email="second@example.org")
    pages.inspect(walk.page, "43-profile-code", language)
    walk.chooses_in_the_menu(walk.said("devices.title"))
    expect(walk.page.locator("details.older").first).to_be_visible()
    assert walk.page.evaluate("() => document.documentElement.scrollHeight") <= LONGEST_DEVICES
    for folded in walk.page.locator("details.older summary").all():
        folded.click()
    pages.inspect(walk.page, "44-devices-unfolded", language)
    walk.page.goto("/profile/my-data/")
    pages.inspect(walk.page, "45-my-data", language)
    walk.box(walk.said("password.current")).fill(product.people[KHADIJA])
    with walk.page.expect_download() as download:
        walk.button(walk.said("data.export.button")).click()
    assert download.value.path().read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize("language", ["ar", "fr"])
def test_a_browser_is_let_in_by_a_code(product: Product, open_page: Opener, language: str):
    """From the page of recovery, by the phone on screen, to the sign-in page with the name in its field."""
    walk = opened(open_page(product), product, language)
    walk.page.goto("/recovery/")
    walk.page.get_by_role("link", name=walk.said("vouch.title"), exact=True).click()
    pages.inspect(walk.page, "45-let-in", language)
    walk.box(walk.words.user).fill(FATIMA)
    walk.page.get_by_role("radio", name=walk.words.phone, exact=True).check()
    walk.box(walk.words.phone).fill(FATIMAS_PHONE)
    walk.button(walk.words.confirm).click()
    walk.sees("vouch.asked")
    pages.inspect(walk.page, "46-let-in-code", language)
    walk.box(walk.said("vouch.code")).fill("bcdfg-23456")
    walk.button(walk.said("vouch.submit")).click()
    walk.sees("vouch.code_wrong")
    pages.inspect(walk.page, "47-let-in-wrong", language)
    walk.box(walk.said("vouch.code")).fill(walk.reads_the_temporary_password(FATIMAS_PHONE))
    walk.button(walk.said("vouch.submit")).click()
    walk.sees("flash.let_in")
    expect(walk.box(walk.words.user)).to_have_value(FATIMA)
    pages.inspect(walk.page, "48-let-in-done", language)
    walk.types_user_and_password(FATIMA, product.people[FATIMA])
    expect(walk.menu()).to_be_visible()


FOCUS = """() => {
  const element = document.activeElement;
  if (element === document.body) return ['', true];
  const style = getComputedStyle(element.closest('.control') || element);  // a field's frame carries its ring
  const outline = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  const name = element.matches('input') ? element.name : element.textContent.trim();
  return [name, outline || style.boxShadow !== 'none'];
}"""


def test_the_keyboard_reaches_everything_on_the_sign_in_page(product: Product, open_page: Opener):
    """Skip link first; user before password before button; the focus is always to be seen. The password can be shown.

    The language that was chosen is kept.
    """
    walk = opened(open_page(product), product, "fr")
    walk.page.goto("/")
    expect(walk.page.locator("html")).to_have_attribute("lang", "fr")
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
    label = walk.said("sign_in.password")
    password = walk.box(label)
    for button, kind in ((None, "password"), ("password.show", "text"), ("password.hide", "password")):
        if button:
            walk.button(f"{walk.said(button)} {label}").click()
        expect(password).to_have_attribute("type", kind)


def test_a_problem_takes_the_focus_and_an_arabic_keyboard_is_noticed(product: Product, open_page: Opener):
    """A screen reader starts at what went wrong; the layout is the usual reason why a right password is refused."""
    walk = opened(open_page(product), product, "ar")
    walk.types_user_and_password(YOUSSEF, "Not-the-password-1")
    expect(walk.page.get_by_role("alert")).to_be_focused()
    expect(walk.page.get_by_role("alert")).to_have_text(saying("ar", "problem.wrong"))
    walk.box(walk.said("sign_in.password")).press_sequentially("سلام")
    walk.sees("password.arabic_keyboard")


def test_the_checklist_follows_what_is_typed(product: Product, open_page: Opener):
    """A rule that is not the guide's shows when it is broken."""
    walk = Walk(open_page(product), product, "ar").comes_in(YOUSSEF)
    walk.chooses_in_the_menu(walk.words.change_password)
    pages.inspect(walk.page, "22-change-by-choice", "ar")
    new, extra = walk.box(walk.words.new), walk.page.locator("[data-rule=temporary_shape]")

    def state(id: str) -> str:
        line = walk.page.get_by_role("listitem").filter(has_text=saying("ar", id))
        return line.locator("[data-state]").inner_text()

    expect(extra).to_be_hidden()
    new.fill("abc")
    met, unmet = walk.said("rule.state.met"), walk.said("rule.state.unmet")
    assert (state("rule.letter"), state("rule.digit")) == (met, unmet)
    new.fill("Rivage-8412-ouvert")
    assert {state(id) for id in ("rule.letter", "rule.digit", "rule.symbol", "rule.length_min")} == {met}
    assert state("rule.name") == "", "the server knows more: never called met"
    new.fill("Youssef-8412-ouvert")
    assert state("rule.name") == unmet
    new.fill("kdmwt-47392")
    expect(extra).to_be_visible()
    new.fill("Rivage-8412-ouvert")
    expect(extra).to_be_hidden()


def test_without_scripts_no_rule_looks_like_something_to_press(product: Product, open_page: Opener):
    walk = Walk(open_page(product, script=False), product, "fr").comes_in(YOUSSEF)
    walk.chooses_in_the_menu(walk.words.change_password)
    ticks = [tick for tick in walk.page.locator(".tick").all() if tick.is_visible()]
    widths = {round(tick.bounding_box()["width"], 1) for tick in ticks}
    assert len(widths) == 1, "circles that nothing fills stand beside marks of a list"


def test_the_forced_change_fits_a_phone(product: Product, open_page: Opener):
    """Everything that is asked and «Save» on one screen of 360 by 740, the demo's strip included.

    Nobody reloads the on-screen phone: what is asked for on one page arrives on the other.
    """
    phone = open_page(product, size=pages.DESKTOP)
    phone.goto("/demo/")
    walk = opened(open_page(product), product, "ar")
    walk.asks_for_recovery(FATIMA, "phone", FATIMAS_PHONE)
    secret = walk.reads_the_temporary_password(FATIMAS_PHONE)
    expect(phone.get_by_text(secret).first).to_be_visible()
    walk.types_user_and_password(FATIMA, secret)
    walk.meets_the_expired_dialog().get_by_role("link", name=walk.words.change_password, exact=True).click()
    for language in ("ar", "fr", "en"):
        walk = Walk(walk.page, product, language)
        walk.chooses_the_language()
        save = walk.button(walk.words.save).bounding_box()
        pages.shot(walk.page, "12-change-phone", language)
        assert save["y"] + save["height"] <= pages.PHONE["height"], language


def test_the_expired_dialog_holds_the_focus_and_escape_closes_it(product: Product, open_page: Opener):
    """Escape does what the button «Close» does: back to sign-in, with the temporary password still good."""
    walk = opened(open_page(product), product, "fr")
    walk.asks_for_recovery(YOUSSEF, "email", YOUSSEFS_EMAIL)
    secret = walk.reads_the_temporary_password(YOUSSEFS_EMAIL)
    walk.types_user_and_password(YOUSSEF, secret)
    dialog = walk.meets_the_expired_dialog()
    expect(dialog.get_by_role("link", name=walk.words.change_password, exact=True)).to_be_focused()
    for _ in range(4):
        walk.page.keyboard.press("Tab")
        assert walk.page.evaluate("() => !document.querySelector('main :is(a, button):focus:not(dialog *)')")
    walk.page.keyboard.press("Escape")
    expect(walk.button(walk.words.sign_in)).to_be_visible()
    walk.types_user_and_password(YOUSSEF, secret)
    walk.meets_the_expired_dialog()


def test_on_paper_the_words_stay_and_the_buttons_go(product: Product, open_page: Opener):
    walk = Walk(open_page(product), product, "fr").comes_in(YOUSSEF)
    walk.chooses_in_the_menu(walk.said("devices.title"))
    walk.page.emulate_media(media="print")
    expect(walk.page.get_by_role("heading", name=walk.said("devices.title"), exact=True)).to_be_visible()
    for gone in (".menu", ".languages", ".demo", "form.inline", ".aside-link"):
        expect(walk.page.locator(gone).first).to_be_hidden()
    assert walk.page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
