"""A process that dies at any step of what second factors do: all of it stands, or nothing, and the person goes on."""

from collections.abc import Iterator
from datetime import timedelta

import pyotp
import pytest

from massar.core.browser import Browser
from massar.domain.factors import api as factors
from massar.domain.sessions.models import PendingSignIn, Session
from massar.journeys.account import edit_factors, lose_factors, second_step, sign_in
from massar.journeys.account.close_sessions import SignedIn, authenticate
from massar.journeys.account.edit_factors import Added
from massar.journeys.outcomes import Done, Gone, SecondStepRequired, SessionOpened
from tests import cast
from tests.cast import YOUSSEF
from tests.support.faults import empty, every_death

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)
HERE = Browser(network="192.0.2.0/24", label="Firefox · Linux")


@pytest.fixture(autouse=True)
def people(transactional_db, clock) -> Iterator[None]:
    cast.enter(YOUSSEF, now=clock())
    yield
    empty()


def enters(clock) -> SessionOpened | SecondStepRequired:
    return sign_in.enter(typed_login=YOUSSEF.login, password=YOUSSEF.password, browser=HERE, now=clock())


def half_done(clock) -> second_step.HalfDone:
    return second_step.waiting(cookie=enters(clock).cookie, now=clock())


def types(of: second_step.HalfDone, code: str, clock):
    return second_step.enter_code(of=of, typed=code, spare=False, browser=HERE, now=clock())


def begun_app(clock) -> tuple[SignedIn, pyotp.TOTP]:
    who = authenticate(cookie=enters(clock).cookie, now=clock())
    assert edit_factors.begin_app(signed_in=who, password=YOUSSEF.password, browser=HERE, now=clock()) == Done()
    shown = edit_factors.app_of(who, now=clock())
    return who, pyotp.TOTP(shown.key.replace(" ", ""))


def proves(who: SignedIn, app: pyotp.TOTP, clock):
    return edit_factors.prove_app(of=who, typed=app.at(clock()), browser=HERE, now=clock())


def test_the_second_step_opens_one_session_or_leaves_the_code_good(clock):
    who, app = begun_app(clock)
    assert isinstance(proves(who, app, clock), Added)
    ways = set()
    for _, (of, code) in every_death(
        clock, lambda: (half_done(clock), app.at(clock())), lambda prepared: types(*prepared, clock)
    ):
        before = Session.objects.count()
        stood = PendingSignIn.objects.get(pk=of.pending.id).ended_at is not None
        again = types(of, code, clock)
        assert isinstance(again, Gone if stood else SessionOpened), "died after its commit, or before"
        assert Session.objects.count() == before + (not stood)
        ways.add(stood)
    assert ways == {True, False}


def test_an_app_counts_with_its_codes_or_not_at_all(clock):
    ways, person = set(), cast.facts(YOUSSEF)
    for _, (who, app) in every_death(clock, lambda: begun_app(clock), lambda prepared: proves(*prepared, clock)):
        counts = bool(factors.held.of_person(person.id))
        assert factors.backup.left(person.id) == (10 if counts else 0)
        assert (Session.objects.get(pk=who.session.id).amr == "pwd otp mfa") is counts
        ways.add(counts)
        if not counts:
            assert isinstance(proves(who, app, clock), Added)
        factors.held.remove_all(person.id, now=clock())
        factors.backup.remove(person.id)
    assert ways == {True, False}


def test_lost_factors_go_with_the_sign_in_that_removes_them(clock):
    person, ways = cast.facts(YOUSSEF), set()

    def lost() -> None:
        who, app = begun_app(clock)
        assert isinstance(proves(who, app, clock), Added)
        contact = lose_factors.contacts_of(person, now=clock())[0]
        factors.losses.begin(person.id, contact_id=contact.id, code="123456", now=clock(), valid_for=MINUTE)
        assert not isinstance(factors.losses.prove(person.id, "123456", now=clock(), wait=MINUTE), str)
        clock.advance(hours=1)

    for _ in every_death(clock, lost, lambda _: enters(clock), apart=2):
        left = bool(factors.held.of_person(person.id))
        assert left is (factors.losses.waiting(person.id) is not None), "the loss and the factors are one thing"
        assert bool(factors.backup.left(person.id)) is left
        ways.add(left)
        assert isinstance(enters(clock), SessionOpened) and not factors.held.of_person(person.id)
    assert ways == {True, False}
