"""One person's way through the guide, in a real browser: one method for each thing the person does.

Fields and buttons are found by the guide's own labels, as a reader or a screen reader finds them. Nothing
here knows an address of the product but the first page and the on-screen phone.
"""

from datetime import UTC, datetime

from playwright.sync_api import Locator, Page, expect

from tests.support.product import CONTACT_CODE, TEMPORARY_PASSWORD, Product
from tests.support.words import GUIDE, said, saying, site

SIX = ("taalim", "massar", "haraka", "notifrh", "retraite", "esise")
OWN_LANGUAGE_NAMES = {"ar": "العربية", "fr": "Français", "en": "English"}


class Walk:
    """The guide in one language on one page. `page` shows what the person sees after the last step."""

    def __init__(self, page: Page, product: Product, language: str):
        self.page = page
        self.product = product
        self.language = language
        self.words = GUIDE[language]

    def said(self, id: str) -> str:
        return said(self.language, id)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def box(self, label: str) -> Locator:
        """A field to type in. A radio button, or the button that shows a password, may carry the same label."""
        return self.page.get_by_role("textbox", name=label, exact=True)

    def sees(self, id: str) -> None:
        """The sentence behind an id stands somewhere on the page, for everybody to read."""
        expect(self.page.get_by_text(saying(self.language, id)).first).to_be_visible()

    # Sign-in and language

    def opens_the_first_page(self) -> None:
        self.page.goto("/")
        if self.language != "ar":
            self.chooses_the_language()
        expect(self.page.locator("html")).to_have_attribute("lang", self.language)

    def chooses_the_language(self) -> None:
        self.button(OWN_LANGUAGE_NAMES[self.language]).click()

    def types_user_and_password(self, login: str, password: str) -> None:
        self.box(self.words.user).fill(login)
        self.box(self.said("sign_in.password")).fill(password)
        self.button(self.words.sign_in).click()

    def comes_in(self, login: str) -> "Walk":
        """Signed in, in this language: a browser that has chosen none takes the person's own."""
        self.opens_the_first_page()
        self.chooses_the_language()
        self.types_user_and_password(login, self.product.people[login])
        expect(self.menu()).to_be_visible()
        return self

    def comes_to_the_desk(self, login: str) -> "Walk":
        """Signed in, and a second factor was just proved: setting one up has walks of its own."""
        self.comes_in(login)
        with self.product.database() as database:
            database.execute(
                "UPDATE sessions_session SET amr = 'pwd otp mfa', second_at = ? WHERE ended_at IS NULL AND person_id = "
                "(SELECT id FROM people_person WHERE login = ?)",
                (datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"), login),
            )
        return self

    def is_home(self, name: str) -> None:
        """Home: the name at the inline end of the bar (left in Arabic), and the six sites."""
        menu = self.menu()
        expect(menu).to_contain_text(name)
        box, width = menu.bounding_box(), self.page.viewport_size["width"]
        middle = box["x"] + box["width"] / 2
        assert (middle < width / 2) is (self.language == "ar"), "the name stands at the inline end of the bar"
        for slug in SIX:
            expect(self.page.get_by_role("link", name=site(slug).serves(self.language))).to_be_visible()

    def opens_a_site(self, slug: str, name: str) -> None:
        """One press on the card, and the site knows who it is; then back home."""
        self.page.get_by_role("link", name=site(slug).serves(self.language)).click()
        self.is_known_at(slug, name)
        assert self.page.url.startswith(self.product.sites[slug])
        self.page.goto(f"{self.product.url}/")

    def is_known_at(self, slug: str, name: str) -> None:
        expect(self.page.locator(f"main#{slug} #who")).to_have_text(name)

    def is_closed(self, slug: str) -> bool:
        """The site itself shows nobody. The gated site lets nobody through: it shows the way to the account."""
        answer = self.page.request.get(f"{self.product.sites[slug]}/", max_redirects=0)
        return answer.status == 303 if slug == "notifrh" else "id=nobody" in answer.text()

    def menu(self) -> Locator:
        return self.page.locator("header summary")

    def chooses_in_the_menu(self, name: str) -> None:
        self.menu().click()
        entry = self.page.locator("header details")
        entry.get_by_role("link", name=name, exact=True).or_(entry.get_by_role("button", name=name, exact=True)).click()

    def signs_out(self) -> None:
        self.chooses_in_the_menu(self.said("menu.sign_out"))
        expect(self.button(self.words.sign_in)).to_be_visible()

    # Profile

    def saves_contacts(self, password: str, *, email: str = "", phone: str = "") -> None:
        self.box(self.words.personal_email).fill(email)
        self.box(self.words.personal_phone).fill(phone)
        form = self.page.locator("form").filter(has=self.button(self.words.save))
        form.get_by_role("textbox", name=self.words.current, exact=True).fill(password)
        self.button(self.words.save).click()

    def proves_contact(self, to: str, kind: str) -> None:
        """Reads the code on the on-screen phone or in the mailbox and types it on the page."""
        code = self.product.read(to, CONTACT_CODE)
        part = self.page.get_by_role("region", name=self.said(f"prove.title_{kind}"))
        part.get_by_label(self.said("prove.code"), exact=True).fill(code)
        part.get_by_role("button", name=self.words.confirm, exact=True).click()

    # Recovery

    def asks_for_recovery(self, login: str, channel: str, contact: str) -> None:
        self.page.get_by_role("link", name=self.words.recovery, exact=True).click()
        expect(self.page.get_by_text(self.words.recover_by)).to_be_visible()
        self.box(self.words.user).fill(login)
        label = self.words.email if channel == "email" else self.words.phone
        self.page.get_by_role("radio", name=label, exact=True).check()
        self.box(label).fill(contact)
        self.button(self.words.confirm).click()
        self.sees("asked.message")

    def reads_the_temporary_password(self, to: str) -> str:
        return self.product.read(to, TEMPORARY_PASSWORD)

    def meets_the_expired_dialog(self) -> Locator:
        dialog = self.page.get_by_role("dialog", name=self.words.expired)
        expect(dialog).to_contain_text(self.words.change_password)
        return dialog

    # Change

    def types_new_password(self, current: str, new: str, repeat: str | None = None) -> None:
        """current: '' where the temporary password was right before and is not asked again."""
        if current:
            self.box(self.words.current).fill(current)
        self.box(self.words.new).fill(new)
        self.box(self.words.repeat).fill(new if repeat is None else repeat)

    def meets_the_changed_dialog(self) -> Locator:
        dialog = self.page.get_by_role("dialog", name=self.words.information)
        expect(dialog).to_contain_text(self.words.changed)
        return dialog
