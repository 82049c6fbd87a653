"""A passkey in Chromium, whose own virtual authenticator stands for the phone and the finger on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import CDPSession, Page, expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.support.product import Product

KHADIJA, KHADIJAS_EMAIL = "khadija.idrissi@taalim.ma", "khadija@example.org"
SECURITY = "/profile/security/"


class Phone:
    """The authenticator of one page."""

    def __init__(self, page: Page):
        self.cdp: CDPSession = page.context.new_cdp_session(page)
        self.cdp.send("WebAuthn.enable", {"enableUI": False})
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": False,
        }  # fmt: skip
        self.id = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    @contextmanager
    def touched(self) -> Iterator[None]:
        """What begins to ask while the block runs is agreed to; nothing else is."""
        for agrees in (True, False):
            self.cdp.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": self.id, "enabled": agrees})
            if agrees:
                yield

    def passkeys(self) -> list[dict]:
        return self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})["credentials"]


def begin_to_add(walk: Walk, password: str, name: str) -> None:
    part = walk.page.get_by_role("region", name=walk.said("passkey.add"))
    part.get_by_label(walk.said("passkey.name"), exact=True).fill(name)
    part.get_by_role("textbox", name=walk.words.current, exact=True).fill(password)
    part.get_by_role("button", name=walk.said("passkey.begin"), exact=True).click()
    expect(walk.button(walk.said("passkey.make"))).to_be_visible()


def test_a_passkey_from_its_first_day_to_its_last(product: Product, open_page: Opener):
    """In Arabic on a phone: added, used alone, as the second step, before a recovery's change form, removed."""
    walk = Walk(open_page(product), product, "ar")
    page, password = walk.page, product.people[KHADIJA]
    phone = Phone(page)
    walk.comes_in(KHADIJA)

    page.goto(SECURITY)
    pages.inspect(page, "60-passkey-offer", "ar")
    begin_to_add(walk, password, "هاتفي")
    pages.inspect(page, "61-passkey-make", "ar")
    with phone.touched():
        walk.button(walk.said("passkey.make")).click()
        walk.sees("factor.codes.once")
    [made] = phone.passkeys()
    assert made["isResidentCredential"] and made["rpId"] == "localhost" and made["userName"] == KHADIJA
    page.get_by_role("link", name=walk.said("factor.codes.kept")).click()
    walk.sees("factor.yours")
    expect(page.get_by_role("heading", name="هاتفي", exact=True)).to_be_visible()
    begin_to_add(walk, password, "مرة أخرى")
    with phone.touched():
        walk.button(walk.said("passkey.make")).click()
        walk.sees("passkey.there_already")
    assert len(phone.passkeys()) == 1

    walk.signs_out()
    page.wait_for_load_state("networkidle")
    with phone.touched():
        walk.button(walk.said("passkey.sign_in")).click()
        expect(walk.menu()).to_be_visible()
    # Nothing is pressed: the browser itself offers it, where the user name is typed.
    with phone.touched(), page.expect_request("**/sign-in/passkey/"):
        walk.chooses_in_the_menu(walk.said("menu.sign_out"))
    expect(walk.menu()).to_be_visible()

    walk.signs_out()
    walk.types_user_and_password(KHADIJA, password)
    walk.sees("factor.step.title")
    pages.inspect(page, "64-second-step-passkey", "ar")
    with phone.touched():
        walk.button(walk.said("passkey.use")).click()
        expect(walk.menu()).to_be_visible()

    walk.signs_out()
    walk.asks_for_recovery(KHADIJA, "email", KHADIJAS_EMAIL)
    walk.types_user_and_password(KHADIJA, walk.reads_the_temporary_password(KHADIJAS_EMAIL))
    walk.sees("factor.step.recovers")
    with phone.touched():
        walk.button(walk.said("passkey.use")).click()
        walk.meets_the_expired_dialog()
    page.goto("/sign-in/", wait_until="networkidle")  # the browser's own offer has begun: this touch is not for it
    with phone.touched():
        walk.button(walk.said("passkey.sign_in")).click()
        expect(walk.menu()).to_be_visible()

    page.goto(SECURITY)
    page.get_by_text(walk.said("factor.remove"), exact=True).click()
    form = page.locator("form").filter(has=walk.button(walk.said("factor.remove_confirm")))
    form.get_by_role("textbox", name=walk.words.current, exact=True).fill(password)
    form.get_by_role("button").filter(has_text=walk.said("factor.remove_confirm")).click()
    walk.sees("flash.factor_removed")
    walk.signs_out()
    # No longer than for this one: the page that refuses it offers it again, and would be left at once.
    with phone.touched(), page.expect_request("**/sign-in/passkey/"):
        walk.button(walk.said("passkey.sign_in")).click()
    walk.sees("problem.passkey")
    pages.shot(page, "65-passkey-refused", "ar")
    walk.types_user_and_password(KHADIJA, password)
    expect(walk.menu()).to_be_visible()


def test_where_no_passkey_can_be_used_no_button_says_so(product: Product, open_page: Opener):
    """Without scripts, and at another name of this machine than the public one."""
    words = Walk(open_page(product, script=False), product, "ar")
    for page, address in ((words.page, "/"), (open_page(product), product.url.replace("localhost", "127.0.0.1"))):
        page.goto(address)
        expect(page.get_by_role("button", name=words.words.sign_in, exact=True)).to_be_visible()
        expect(page.get_by_role("button", name=words.said("passkey.sign_in"), exact=True)).to_have_count(0)


def test_who_changes_their_mind_is_told_what_to_do(product: Product, open_page: Opener):
    """In French: the device has no passkey for us, or its owner closes the window that asks."""
    walk = Walk(open_page(product), product, "fr")
    phone = Phone(walk.page)
    walk.opens_the_first_page()
    with phone.touched():
        walk.button(walk.said("passkey.sign_in")).click()
        walk.sees("passkey.not_used")
    pages.shot(walk.page, "66-passkey-not-used", "fr")
