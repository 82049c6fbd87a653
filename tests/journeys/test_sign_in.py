"""The sign-in page: every honest way of typing a user name, the languages, and where it leads."""

import pytest
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler

from massar.core.audit import api as audit_log
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.journeys.people import import_people
from tests.cast import FATIMA, JAMAL, KHADIJA, STRANGER, YOUSSEF, YOUSSEF_EMAIL, enter, facts
from tests.support.captured import captured
from tests.support.steps import holding, home, save_contact, secrets, shows
from tests.support.visitor import Visitor


@pytest.mark.parametrize("typed", [
    "jamal.jalal@taalim.ma", "JAMAL.JALAL@TAALIM.MA", "  Jamal.Jalal@taalim.ma \t",
    "\u202bjamal.jalal@taalim.ma\u202c", "\u200ejamal.jalal@taalim.ma\u200f", "\u2066jamal.jalal\u2069@taalim.ma",
    "\ufeffjamal.jalal@taalim.ma", "jamal.jalal@taalim.ma\u061c",
    "jamal.jalal@taalim,ma", "<jamal.jalal@taalim.ma>", "mailto:jamal.jalal@taalim.ma", "Jamal.Jalal@Taalim.ma.",
    "jamal.jalal @ taalim.ma", "ｊａｍａｌ．ｊａｌａｌ＠ｔａａｌｉｍ．ｍａ",
    "jamal.jalal", " JAMAL.jalal\u200f",
])  # fmt: skip
def test_the_user_name_in_any_spelling(cast, typed):
    assert Visitor().sign_in(typed, JAMAL.password).signed_in


def test_digits_of_other_scripts_in_the_user_name(clock, db):
    enter(import_people.NewPerson("teacher.2027@taalim.ma", password="Zitoune#4821-safi"), now=clock())
    for typed in ("teacher.٢٠٢٧@taalim.ma", "teacher.۲۰۲۷"):
        assert Visitor().sign_in(typed, "Zitoune#4821-safi").signed_in


def test_a_local_part_that_two_people_share_needs_its_domain(cast, clock):
    twin = import_people.NewPerson("jamal.jalal@men.gov.ma", password="Girafe&7194-sable")
    enter(twin, now=clock())
    for password in (JAMAL.password, twin.password):
        visitor = Visitor().sign_in("jamal.jalal", password)
        assert not visitor.signed_in and shows(visitor, "problem.wrong")
    assert home(twin).signed_in and home(JAMAL).signed_in


def test_a_look_alike_is_nobody_and_a_password_is_taken_as_typed(cast):
    for typed in ("jаmal.jalal@taalim.ma", "jamal.jalal@taal\u0131m.ma", "jamal_jalal@taalim.ma", STRANGER):
        visitor = Visitor().sign_in(typed, JAMAL.password)
        assert not visitor.signed_in and shows(visitor, "problem.wrong")
    for password in (JAMAL.password.lower(), JAMAL.password + "x", JAMAL.password[:-1]):
        assert not Visitor().sign_in(JAMAL.login, password).signed_in


@pytest.mark.django_db
@pytest.mark.both_databases
def test_a_sign_in_on_a_new_device_makes_no_statement_by_models(cast, monkeypatch):
    """It reads the contacts and puts two notices. By Django's models these took as long as half a hash."""
    made, compiler = [], SQLCompiler.__init__

    def noticed(self: SQLCompiler, query: Query, *others: object) -> None:
        made.append(query)
        compiler(self, query, *others)

    monkeypatch.setattr(SQLCompiler, "__init__", noticed)
    visitor = Visitor().get("/sign-in/")
    typed = {"user": YOUSSEF.login, "password": YOUSSEF.password, "csrfmiddlewaretoken": visitor.token}
    with captured() as statements:
        assert visitor.client.post("/sign-in/", typed).status_code == 303
    words = [one for one in statements if "SAVEPOINT" not in one]
    notices = [one for one in words if one.startswith("INSERT INTO delivery_message")]
    assert notices and not made and len(words) - len(notices) <= 12, words


def test_the_page_offers_recovery_languages_and_hints_and_names_empty_fields(db):
    visitor = Visitor().get("/sign-in/").submit("/sign-in/", user="", password="")
    assert visitor.page.status_code == 422
    assert shows(visitor, "error.required") and shows(visitor, "form.summary")
    visitor.get("/sign-in/")
    assert 'href="/recovery/"' in visitor.html
    assert 'lang="ar"' in visitor.html and 'dir="rtl"' in visitor.html
    for mark in ("data-reveal", "data-caps=", "data-arabic=", 'autocomplete="username webauthn"', "current-password"):
        assert mark in visitor.html, mark


@pytest.mark.parametrize(("language", "direction"), [("fr", "ltr"), ("en", "ltr"), ("ar", "rtl")])
def test_the_chosen_language_is_kept(db, language, direction):
    visitor = Visitor().get("/recovery/").submit("/language/", language=language)
    assert visitor.path == "/recovery/", "one comes back to where one was"
    visitor.get("/sign-in/")
    assert f'<html lang="{language}" dir="{direction}">' in visitor.html
    assert shows(visitor, "sign_in.title", language)
    assert visitor.page.headers["Content-Language"] == language


def test_the_chosen_language_is_the_language_of_messages_and_kept_with_the_person(cast, post):
    fatima = Visitor().get("/sign-in/").submit("/language/", language="<script>")
    assert '<html lang="ar"' in fatima.html and "massar-language" not in fatima.cookies
    fatima.submit("/language/", language="fr")
    fatima.ask(FATIMA.login, phone=FATIMA.phone)
    (sms,) = post.messages("+212661000222")
    assert sms.language == "fr" and "mot de passe provisoire" in sms.text
    fatima.sign_in(FATIMA.login, FATIMA.password)
    assert facts(FATIMA).language == "fr"
    fatima.submit("/language/", language="en")
    assert facts(FATIMA).language == "en"


def test_a_browser_without_a_choice_speaks_the_persons_language(cast, post):
    """Youssef's account is French: a new browser that shows the default Arabic does not change that."""
    youssef = home(YOUSSEF)
    assert facts(YOUSSEF).language == "fr"
    assert '<html lang="fr"' in youssef.get("/").html
    Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    (mail,) = post.messages(YOUSSEF_EMAIL)
    assert mail.language == "fr"


def test_signing_in_again_on_the_same_browser_ends_the_former_session(cast, clock):
    visitor = home(JAMAL).get("/recovery/asked/")  # the sign-in form stands at hand there too
    visitor.submit("/sign-in/", user=JAMAL.login, password=JAMAL.password)
    assert visitor.signed_in
    assert len(sessions.signed_in.of_person(facts(JAMAL).id, now=clock())) == 1
    assert visitor.get("/sign-in/").path == "/", "who is known is not asked again"
    visitor.get("/recovery/asked/").submit("/sign-in/", user=KHADIJA.login, password=KHADIJA.password)
    assert visitor.signed_in
    assert sessions.signed_in.of_person(facts(JAMAL).id, now=clock()) == [], "ATK-081: it is another's browser now"


def test_home_greets_and_links_to_everything_and_asks_for_contacts_until_one_is_proved(cast, post):
    visitor = home(KHADIJA)
    assert shows(visitor, "home.greeting") and "<bdi>خديجة الإدريسي</bdi>" in visitor.html
    for address in ("/profile/", "/password/change/", "/devices/"):
        assert f'href="{address}"' in visitor.html
    assert 'action="/sign-out/"' in visitor.html
    assert not shows(visitor, "home.needs_contacts"), "she has proved an e-mail"
    jamal = home(JAMAL)
    assert shows(jamal, "home.needs_contacts")
    save_contact(jamal, JAMAL.password, email="jamal@example.org")
    assert shows(jamal.get("/"), "home.needs_contacts"), "typed is not proved"


def test_the_cards_lead_to_pages_that_explain(cast):
    visitor = home(JAMAL)
    for slug in ("taalim", "massar", "haraka", "notifrh", "retraite", "esise"):
        assert f'href="/sites/{slug}/"' in visitor.get("/").html
        visitor.get(f"/sites/{slug}/")
        assert visitor.page.status_code == 200 and shows(visitor, "site.not_connected")
    assert visitor.get("/sites/other/").page.status_code == 404


def test_a_disabled_account_is_shut_out_at_once_and_everywhere(cast, post, clock):
    inside, changing = home(FATIMA), Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    secret = post.secret("+212661000222")
    assert changing.sign_in(FATIMA.login, secret).path == "/password/expired/"
    people.directory.disable(facts(FATIMA).id)
    assert not inside.signed_in and changing.get("/password/change/").path == "/sign-in/"
    for password in (FATIMA.password, secret):
        assert shows(Visitor().sign_in(FATIMA.login, password), "problem.wrong")
    clock.advance(minutes=5)
    Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    assert len(secrets(post, "+212661000222")) == 1, "nothing new was sent"
    people.directory.enable(facts(FATIMA).id)
    assert home(FATIMA).signed_in


def test_every_step_leaves_a_row(cast, clock):
    """Issue line 10: sign-in, refusal and sign-out stand in the audit log, genuine, and tell no password.

    A session that was signed out has ended on the server.
    """
    visitor = Visitor().sign_in(JAMAL.login, "Wrong*5820-word").sign_in(JAMAL.login, JAMAL.password)
    cookie = visitor.cookies["massar-session"]
    visitor.submit("/sign-out/")
    assert visitor.path == "/sign-in/" and shows(visitor, "flash.signed_out")
    assert not holding(session=cookie).signed_in
    rows = {(row.event, row.outcome): row for row in audit_log.of_person(facts(JAMAL).id)}
    assert set(rows) == {("sign_out", ""), ("sign_in", "password"), ("sign_in_refused", "wrong"), ("person_added", "")}
    assert all(row.genuine for row in rows.values())
    here = {(row.browser, row.network) for row in rows.values() if row.event.startswith("sign_in")}
    assert here == {("Chrome · Android", "127.0.0.0/24")}


def test_what_can_be_no_user_name_is_told_beside_the_field(cast):
    visitor = Visitor().sign_in("jamal.jalal@@taalim.ma", JAMAL.password)
    assert visitor.page.status_code == 422 and shows(visitor, "problem.wrong") and shows(visitor, "error.login_shape")
    assert not shows(Visitor().sign_in("nobody.atall@taalim.ma", JAMAL.password), "error.login_shape")
