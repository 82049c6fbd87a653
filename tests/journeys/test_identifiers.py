"""Every name of an account leads to it, at every door, and none tells a stranger more than an invented one does."""

import itertools
from datetime import timedelta

import pytest

from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.journeys.account import recover_password, sign_in
from massar.journeys.outcomes import SessionOpened, TooManyAttempts, WrongSecret
from massar.journeys.people.import_people import NewPerson
from tests.cast import enter, facts
from tests.support.alike import Seen, assert_alike
from tests.support.steps import holding, shows
from tests.support.visitor import Visitor

pytestmark = pytest.mark.django_db

KARIM = NewPerson("karim.tazi@taalim.ma", payroll="1234567", other_address="k.tazi@men.gov.ma",
                  email="karim@example.org", phone="0661000777", password="Girafe&7194-sable")  # fmt: skip
PUPIL = NewPerson("x123456789@taalim.ma", role="pupil", password="Hirondelle?58-nid")
# One name in two domains.
NADIA = NewPerson("nadia.amrani@taalim.ma", email="nadia@example.org", password="Palmier#7731-rouge")
OTHER = NewPerson("nadia.amrani@men.gov.ma", email="other@example.org", password="Safran+9915-bleu")
BARE, NEW = "nadia.amrani", "Tamarin&6048-oued"
WRONG = "Nothing?like-it-19"


@pytest.fixture
def named(cast, clock):
    enter(KARIM, PUPIL, NADIA, OTHER, now=clock())


@pytest.mark.parametrize("typed", [
    "karim.tazi@taalim.ma", "KARIM.TAZI",
    "k.tazi@men.gov.ma", "K.TAZI", "1234567", "١٢٣٤٥٦٧", "\u200f 1 234 567\u200e.",
])  # fmt: skip
def test_each_name_of_an_account_signs_in_and_recovers(named, post, typed):
    assert Visitor().sign_in(typed, KARIM.password).signed_in
    visitor = Visitor().ask(typed, email=KARIM.email)
    secret = post.secret(KARIM.email)
    assert visitor.sign_in(typed, secret).change(secret, NEW).signed_in


@pytest.mark.parametrize("typed", ["X123456789", "x123456789@taalim.ma", "x١٢٣٤٥٦٧٨٩"])
def test_a_pupils_code_is_its_name(named, typed):
    assert Visitor().sign_in(typed, PUPIL.password).signed_in


def test_a_payroll_number_is_no_address(named):
    assert not Visitor().sign_in("1234567@taalim.ma", KARIM.password).signed_in


# --- two people of one name


def test_atk_017_the_right_password_of_a_shared_name_needs_the_domain_or_a_known_device(named, clock):
    assert people.directory.by_login(BARE, now=clock()) is None, "no site, no command is led to one of the two"
    for person in (NADIA, OTHER):
        visitor = Visitor().sign_in(BARE, person.password)
        assert not visitor.signed_in and shows(visitor, "problem.wrong"), "the page tells everybody what to type"
        known = Visitor().sign_in(person.login, person.password)
        assert known.signed_in
        known.get("/").submit("/sign-out/")
        assert known.sign_in(BARE, person.password).signed_in
    both = sessions.devices.remember("", facts(NADIA).id, now=clock())
    both = sessions.devices.remember(both, facts(OTHER).id, now=clock())
    assert not holding(devices=both).sign_in(BARE, NADIA.password).signed_in, "a device of both tells nothing"


@pytest.mark.parametrize("person", [NADIA, OTHER])
def test_atk_018_at_a_recovery_the_contact_tells_two_of_one_name_apart(named, post, person):
    """The message, the typed code and the change are one person's from end to end, and the other's stays untouched."""
    other = OTHER if person is NADIA else NADIA
    visitor = Visitor().ask(BARE, email=person.email)
    assert post.messages(other.email) == []
    secret = post.secret(person.email)
    visitor.sign_in(BARE, secret).change(secret, NEW)
    assert visitor.signed_in and Visitor().sign_in(person.login, NEW).signed_in
    assert Visitor().sign_in(other.login, other.password).signed_in


def test_two_of_one_name_with_both_codes_running_enter_each_their_own(named, post):
    first, second = Visitor().ask(BARE, email=NADIA.email), Visitor().ask(BARE, email=OTHER.email)
    codes = post.secret(NADIA.email), post.secret(OTHER.email)
    assert second.sign_in(BARE, codes[1]).change(codes[1], NEW).signed_in
    assert first.sign_in(BARE, codes[0]).change(codes[0], NEW).signed_in
    assert Visitor().sign_in(NADIA.login, NEW).signed_in and Visitor().sign_in(OTHER.login, NEW).signed_in


def test_a_code_lets_the_browser_of_one_of_two_in(named, post):
    visitor = Visitor().get("/let-in/").submit("/let-in/", user=BARE, channel="email", email=OTHER.email)
    code = post.secret(OTHER.email)
    visitor.submit("/let-in/code/", user=BARE, code=code)
    assert visitor.sign_in(BARE, OTHER.password).signed_in, "its device is known now"


def test_a_contact_that_both_have_names_nobody(cast, clock, post):
    """Whoever types the whole address is answered all the same."""
    shared = [NewPerson(one.login, email="family@example.org", password=one.password) for one in (NADIA, OTHER)]
    enter(*shared, now=clock())
    Visitor().ask(BARE, email="family@example.org")
    assert post.messages("family@example.org") == []
    Visitor().ask(OTHER.login, email="family@example.org")
    assert len(post.messages("family@example.org")) == 1


def test_atk_017_018_021_no_door_tells_a_shared_or_second_name_from_nobodys(named, monkeypatch, post):
    """Bytes, headers, cookies, statements, hashes."""
    names = {"unknown": "nobody.atall", "shared": BARE, "second": "k.tazi", "payroll": "1234567",
             "no number": "7654321", "whole": "k.tazi@men.gov.ma", "pupil": "x123456789"}  # fmt: skip
    for password in (WRONG, "zzzzz-99999"):
        typed = {name: {"user": user, "password": password} for name, user in names.items()}
        assert_alike({name: Seen(monkeypatch, "/sign-in/", fields) for name, fields in typed.items()})
    right = {"shared, the right one": (BARE, NADIA.password), "unknown": ("nobody.atall", NADIA.password)}
    assert_alike({n: Seen(monkeypatch, "/sign-in/", {"user": u, "password": p}) for n, (u, p) in right.items()})
    codes = {n: Seen(monkeypatch, "/let-in/code/", {"user": u, "code": "zzzzz-99999"}) for n, u in names.items()}
    assert_alike(codes)
    for path in ("/recovery/", "/let-in/"):
        asked = {"channel": "email", "email": KARIM.email, "phone": ""}
        assert_alike({n: Seen(monkeypatch, path, {"user": u, **asked}) for n, u in names.items()})


# --- budgets


def tried(name: str, password: str, clock, network: str = "") -> object:
    return sign_in.enter(typed_login=name, password=password, browser=Browser(network=network), now=clock())


@pytest.fixture
def small(monkeypatch):
    """Budgets of two tries, and no other defence before them; hashes cost nothing."""
    rates = limits.rate_limits
    monkeypatch.setattr(rates, "SIGN_IN_NETWORK", rates.SIGN_IN_NETWORK._replace(burst=100_000))
    for name in ("SIGN_IN_ACCOUNT", "SIGN_IN_PERSON"):
        monkeypatch.setattr(rates, name, getattr(rates, name)._replace(burst=2))
    monkeypatch.setattr(limits.tally, "count_failure", lambda **_: None)


def test_atk_002_another_spelling_gives_no_further_try(named, clock, small):
    """Two were wrong: the right password is refused under every name, as a wrong one or by the wait, until time has
    passed; a known device and whoever recovers come in meanwhile."""
    names = ("karim.tazi", "k.tazi", "1234567", "karim.tazi@taalim.ma", "k.tazi@men.gov.ma")
    assert all(isinstance(tried(name, WRONG, clock), WrongSecret) for name in ("karim.tazi", "k.tazi"))
    answers = [tried(name, KARIM.password, clock) for name in names]
    assert not any(isinstance(one, SessionOpened) for one in answers), answers
    device = sessions.devices.remember("", facts(KARIM).id, now=clock())
    known = sign_in.enter(
        typed_login="1234567", password=KARIM.password, browser=Browser(trusted_devices=device), now=clock()
    )
    assert isinstance(known, SessionOpened)
    sign_in.fill_limits(facts(KARIM))
    assert isinstance(tried("karim.tazi", KARIM.password, clock), SessionOpened)


def test_atk_005_a_hundred_in_a_row_are_counted_over_all_names(named, clock, monkeypatch, small):
    rates = limits.rate_limits
    for name in ("SIGN_IN_ACCOUNT", "SIGN_IN_PERSON"):
        monkeypatch.setattr(rates, name, getattr(rates, name)._replace(burst=1000))
    monkeypatch.setattr(rates, "SIGN_IN_PERSON_CONSECUTIVE", rates.SIGN_IN_PERSON_CONSECUTIVE._replace(burst=4))
    for name in ("karim.tazi", "1234567", "k.tazi", "1234567"):
        assert isinstance(tried(name, WRONG, clock), WrongSecret)
    assert isinstance(tried("k.tazi", KARIM.password, clock), WrongSecret)
    clock.advance(days=1, minutes=1)
    assert isinstance(tried("k.tazi", KARIM.password, clock), SessionOpened)
    assert limits.remaining(rates.SIGN_IN_PERSON_CONSECUTIVE.bucket("id", facts(KARIM).id), now=clock()) == 4


def test_atk_022_no_sequence_of_names_tells_which_are_one_account(cast, clock, monkeypatch, small):
    """Every sequence of three tries at a name, a payroll number and a second name, while a budget holds two: of one
    person, of three people, of nobody. All are answered in one way."""
    monkeypatch.setattr(credentials.passwords, "verify", lambda *_, **__: False)
    told = {}
    for number, sequence in enumerate(itertools.product(range(3), repeat=3)):
        for kind in ("one", "three", "nobody"):
            names = (f"{kind}.{number}", f"{number:04d}{len(kind)}", f"second.{kind}.{number}")
            if kind == "one":
                person = people.directory.create(login=f"{names[0]}@taalim.ma", now=clock())
                people.directory.add_names(person, [(names[1], ""), (names[2], "men.gov.ma")])
            elif kind == "three":
                for name in names:
                    people.directory.create(login=f"{name}@taalim.ma", now=clock())
            answers = tuple(str(tried(names[at], WRONG, clock)) for at in sequence)
            told.setdefault(sequence, set()).add(answers)
    assert len(told) == 27 and {len(answers) for answers in told.values()} == {1}
    spent = [one for answers in told.values() for one in answers if "TooManyAttempts" in str(one)]
    assert spent, "the budget is met in some of them"


@pytest.mark.both_databases
def test_atk_036_what_strangers_spend_under_other_names_leaves_recovery_open(named, clock, post, small):
    for name in ("k.tazi", "1234567", "karim.tazi"):
        for _ in range(3):
            tried(name, WRONG, clock)
    assert isinstance(tried("karim.tazi", KARIM.password, clock), TooManyAttempts)
    visitor = Visitor().ask("1234567", phone="0661000777")
    secret = post.secret("+212661000777")
    assert visitor.sign_in("1234567", secret).change(secret, NEW).signed_in
    assert isinstance(tried("karim.tazi", NEW, clock), SessionOpened), "whoever recovered is not kept waiting"


def test_wrong_contacts_of_a_shared_name_are_counted_for_nobody(named, clock):
    """And the audit log keeps them apart from both accounts."""
    browser = Browser(network="192.0.2.0/24", recovery_browser="b")
    recover_password.ask(typed_login=BARE, channel="email", typed_contact="x@example.org", ask_id="a" * 43,
                         browser=browser, now=clock())  # fmt: skip
    (claimed,) = delivery.requests.claim(1, now=clock() + timedelta(seconds=1))
    assert recover_password.answer(claimed, now=clock()) == "no_match"
    assert not [e for one in (NADIA, OTHER) for e in audit_log.of_person(facts(one).id) if "asked" in e.event]
