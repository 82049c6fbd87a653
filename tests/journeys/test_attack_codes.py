"""Attacks on temporary passwords and on the change page, numbered as in docs/security/attack-cases.md."""

import base64
import re
from collections import Counter

import pytest

from massar.core import ids
from massar.core.browser import Browser
from massar.domain.credentials.models import TemporaryPassword
from massar.domain.people import api as people
from massar.journeys.account import change_password, close_sessions
from massar.journeys.outcomes import Gone
from massar.journeys.people import import_people
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, KHADIJA, KHADIJA_EMAIL, NEW, enter, facts
from tests.support.steps import holding, home, save_contact, shows
from tests.support.visitor import Visitor

OTHER_CODE = "bbbbb-22222"


@pytest.fixture
def asked(cast, post):
    """The browser that asked for Fatima, and the secret on her phone."""
    visitor = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    return visitor, post.secret(FATIMA_PHONE)


def test_atk_041_strangers_can_not_burn_the_owners_code(asked):
    owner, secret = asked
    stranger = Visitor()
    for _ in range(101):
        assert shows(stranger.sign_in(FATIMA.login, OTHER_CODE), "problem.wrong")
    assert shows(Visitor().sign_in(FATIMA.login, secret), "problem.wrong"), "closed to other browsers, and says no more"
    assert owner.sign_in(FATIMA.login, secret).path == "/password/expired/"
    assert stranger.sign_in(FATIMA.login, FATIMA.password).signed_in, "never charged as passwords"


def test_atk_041_the_asking_browser_has_twenty_tries_of_its_own(asked):
    owner, secret = asked
    for _ in range(20):
        owner.sign_in(FATIMA.login, OTHER_CODE)
    assert shows(owner.sign_in(FATIMA.login, secret), "problem.wrong")
    assert Visitor().sign_in(FATIMA.login, secret).path == "/password/expired/", "others have their own count"


@pytest.mark.parametrize(("before", "login"), [
    (lambda: people.directory.disable(facts(FATIMA).id), FATIMA.login),
    (lambda: home(FATIMA).change(FATIMA.password, NEW), FATIMA.login),
    (lambda: TemporaryPassword.objects.update(person_id=facts(JAMAL).id), JAMAL.login),
], ids=["disabled", "changed elsewhere", "moved in the database alone (decision 4)"])  # fmt: skip
def test_atk_045_of_no_use_any_more(asked, before, login):
    _, secret = asked
    before()
    assert shows(Visitor().sign_in(login, secret), "problem.wrong")


def test_atk_045_who_is_disabled_half_way_changes_nothing(asked, clock):
    """Neither by the page, nor by a form that was already let in."""
    visitor, secret = asked
    cookie = visitor.sign_in(FATIMA.login, secret).cookies["massar-change"]
    _, grant = close_sessions.may_change(cookie=cookie, now=clock())
    people.directory.disable(facts(FATIMA).id)
    assert close_sessions.may_change(cookie=cookie, now=clock()) is None
    typed = {"current": secret, "new": NEW, "confirm": NEW}
    assert change_password.by_temporary(grant=grant, browser=Browser(), now=clock(), **typed) == Gone()


def test_atk_046_every_honest_way_of_typing_it_and_no_other(asked):
    _, secret = asked
    letters, digits = secret.split("-")
    ways = [letters + digits, secret.upper(), f"  {secret}  ", " ".join(secret), f"{secret}\r\n", f"\ufeff{secret}"]
    ways += [letters + dash + digits for dash in "\u2010\u2011\u2212\u2014"]
    ways += [f"{letters}-{''.join(chr(zero + int(d)) for d in digits)}" for zero in (0x660, 0x6F0, 0xFF10)]
    ways += [f"\u200f{secret}\u200e", f"\u202b{secret}\u202c", f"\u2066{letters}\u2069-{digits}"]
    for typed in ways:
        assert Visitor().sign_in(FATIMA.login, typed).path == "/password/expired/", typed
    for typed in (secret[:-1], secret + "2", secret[6:] + "-" + secret[:5], f"a{secret}"):
        assert shows(Visitor().sign_in(FATIMA.login, typed), "problem.wrong")


def test_atk_047_a_code_is_no_password_anywhere_else(asked):
    """Neither for another account, nor where a password is asked again, nor as HTTP authentication."""
    _, secret = asked
    assert shows(Visitor().sign_in(JAMAL.login, secret), "problem.wrong")
    inside = home(FATIMA)
    save_contact(inside, secret, phone="0661123456")
    assert inside.page.status_code == 422 and shows(inside, "error.password_wrong")
    inside.change(secret, NEW)
    assert inside.page.status_code == 422 and shows(inside, "error.password_wrong")
    basic = "Basic " + base64.b64encode(f"{FATIMA.login}:{secret}".encode()).decode()
    assert Visitor(authorization=basic).get("/").path == "/sign-in/"


def test_atk_048_an_open_session_of_the_browser_is_left_behind(asked):
    visitor, _secret = asked
    visitor.sign_in(FATIMA.login, FATIMA.password)
    Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    before = visitor.cookies["massar-session"]
    visitor.get("/recovery/asked/")
    visitor.submit("/sign-in/", user=FATIMA.login, password=OTHER_CODE)
    assert visitor.signed_in, "a wrong code ends nothing"
    assert visitor.cookies["massar-session"] == before


def test_atk_048_a_change_or_a_session_and_never_both(asked):
    """Whoever had this browser before is signed out by either, on the server too."""
    _, secret = asked
    shared = home(FATIMA)
    before = shared.cookies["massar-session"]
    shared.get("/recovery/asked/").submit("/sign-in/", user=FATIMA.login, password=secret)
    assert shared.path == "/password/expired/" and "massar-session" not in shared.cookies
    assert not holding(session=before).signed_in
    shared.sign_in(JAMAL.login, JAMAL.password)
    assert shared.signed_in and "massar-change" not in shared.cookies


@pytest.mark.parametrize(
    "new", [lambda s: s, lambda s: s.replace("-", ""), lambda s: "kdmwt-47392", lambda s: "KDMWT 47392"]
)
def test_atk_049_a_code_never_becomes_a_password(asked, new):
    visitor, secret = asked
    visitor.sign_in(FATIMA.login, secret).change(secret, new(secret))
    assert visitor.page.status_code == 422 and shows(visitor, "rule.temporary_shape.refused")


def test_atk_051_back_reload_and_a_second_tab_use_nothing_twice(asked):
    visitor, secret = asked
    visitor.sign_in(FATIMA.login, secret)
    page = visitor.get("/password/change/").page
    assert page.headers["Cache-Control"] == "no-store"
    visitor.submit("/password/change/", current=secret, new=NEW, confirm=NEW)
    assert visitor.signed_in
    token = visitor.get("/password/change/").token
    again = {"current": secret, "new": "Girafe&7194-sable", "confirm": "Girafe&7194-sable"}
    assert visitor.client.post("/password/change/", {"csrfmiddlewaretoken": token, **again}).status_code == 422
    assert Visitor().sign_in(FATIMA.login, NEW).signed_in


def test_atk_052_a_change_cookie_planted_before_or_kept_after_the_change_is_worth_nothing(asked):
    visitor, secret = asked
    planted = f"{facts(FATIMA).id}.{ids.token()}"
    visitor.client.cookies["massar-change"] = planted
    visitor.sign_in(FATIMA.login, secret)
    kept = visitor.cookies["massar-change"]
    assert kept != planted and holding(change=planted).get("/password/change/").path == "/sign-in/"
    visitor.change(secret, NEW)
    assert holding(change=kept).get("/password/change/").path == "/sign-in/"


def test_atk_052_odd_cookies_are_no_session_and_no_fault(db):
    for cookie in ("9" * 40 + ".x", "-1.x", ".x", "x", "1", "0.", "\u00b9.x", "1." + "y" * 500, "1.%00"):
        for name in ("change", "session"):
            assert holding(**{name: cookie}).get("/password/change/").path == "/sign-in/", (name, cookie)


def test_atk_061_one_number_gets_five_codes_a_day_from_all_accounts(clock, post, db):
    persons = [import_people.NewPerson(f"pump.{n}@taalim.ma", password=JAMAL.password) for n in range(6)]
    enter(*persons, now=clock())
    pages = [save_contact(home(person), JAMAL.password, phone="0661123456").page for person in persons]
    assert [page.status_code for page in pages] == [200] * 5 + [429]
    assert len(post.messages("+212661123456")) == 5


def test_atk_064_a_repeated_hand_over_is_the_same_message_to_its_date(cast, post, clock):
    post.sms.mood = post.email.mood = "silent"  # it arrives, but the answer is lost
    Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    Visitor().ask(KHADIJA.login, email=KHADIJA_EMAIL)
    post.work()
    clock.advance(seconds=30)
    post.sms.mood = post.email.mood = ""
    for to in (FATIMA_PHONE, KHADIJA_EMAIL):
        first, again = post.messages(to)
        assert first == again
    assert first.written_at < clock(), "a letter, to its date"


def test_atk_065_no_word_can_appear_in_a_code_and_codes_are_spread_evenly():
    """36 bits: over many draws every sign appears about as often as any other."""
    drawn = [ids.temporary_password() for _ in range(8000)]
    assert all(re.fullmatch(r"[b-df-hjkmnp-tv-xz]{5}[2-9]{5}", code) for code in drawn)
    for place, signs in [*((p, 19) for p in range(5)), *((p, 8) for p in range(5, 10))]:
        counts, expected = Counter(code[place] for code in drawn), len(drawn) / signs
        chi = sum((n - expected) ** 2 / expected for n in counts.values())
        assert len(counts) == signs and chi < 60, f"place {place}: chi-square {chi:.0f}"
    assert len(set(drawn)) == len(drawn)
