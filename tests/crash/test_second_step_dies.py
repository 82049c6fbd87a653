"""A process that dies at any step of what second factors do: all of it stands, or nothing, and the person goes on."""

from datetime import timedelta

import pyotp
import pytest

from massar.core.browser import Browser
from massar.domain.delivery.models import Message
from massar.domain.factors import api as factors
from massar.domain.sessions.models import PendingSignIn, Session
from massar.journeys.account import add_passkey, edit_factors, lose_factors, second_step, sign_in
from massar.journeys.account.close_sessions import SignedIn, authenticate
from massar.journeys.account.edit_factors import Added
from massar.journeys.outcomes import Done, Gone, SecondStepRequired, SessionOpened, TooManyAttempts
from tests import cast
from tests.cast import YOUSSEF
from tests.support.faults import PostOffice, every_death
from tests.support.passkey_device import Authenticator
from tests.support.visitor import CODE

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)
HERE = Browser(network="192.0.2.0/24", label="Firefox · Linux")


@pytest.fixture(autouse=True)
def people(transactional_db, clock) -> None:
    cast.enter(YOUSSEF, now=clock())


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


def with_app(clock) -> tuple[SignedIn, pyotp.TOTP]:
    """Youssef in the session in which he has added an app, and proved it just now."""
    who, app = begun_app(clock)
    added = proves(who, app, clock)
    assert isinstance(added, Added)
    return authenticate(cookie=added.entered.cookie, now=clock()), app


def told(kind: str, clock) -> int:
    """How many notices of it went to the phone within this day."""
    return Message.objects.filter(about=kind, channel="sms", created_at__gt=clock() - timedelta(days=1)).count()


def test_a_removed_app_goes_with_its_codes_or_stays(clock):
    ways, person = set(), cast.facts(YOUSSEF)

    def prepare():
        who, _ = with_app(clock)
        [held] = factors.held.of_person(person.id)
        typed = {"factor_id": held.id, "password": YOUSSEF.password, "browser": HERE}
        return lambda: edit_factors.remove(signed_in=who, **typed, now=clock())

    for step, remove in every_death(clock, prepare, commits_alone=True):
        left = bool(factors.held.of_person(person.id))
        assert factors.backup.left(person.id) == (10 if left else 0), f"died at step {step}"
        assert remove() == (Done() if left else Gone())
        assert told("factor_removed", clock) == 1 and not factors.held.of_person(person.id)
        ways.add(left)
    assert ways == {True, False}


def test_a_passkey_counts_or_can_be_sent_again(clock):
    ways, person = set(), cast.facts(YOUSSEF)

    def prepare():
        who = authenticate(cookie=enters(clock).cookie, now=clock())
        begun = add_passkey.begin(
            signed_in=who, password=YOUSSEF.password, name="", language="fr", browser=HERE, now=clock()
        )
        answer = Authenticator().make(begun.options)
        return lambda: add_passkey.add(of=who, answer=answer, name="", browser=HERE, now=clock())

    for step, add in every_death(clock, prepare, commits_alone=True):
        counts = bool(factors.held.of_person(person.id))
        assert factors.backup.left(person.id) == (10 if counts else 0), f"died at step {step}"
        assert isinstance(add(), Gone if counts else Added)
        assert len(factors.held.of_person(person.id)) == 1
        ways.add(counts)
        factors.held.remove_all(person.id, now=clock())
        factors.backup.remove(person.id)
    assert ways == {True, False}


def test_a_loss_that_is_asked_for_proved_and_stopped_goes_on_from_every_step(clock):
    """What was sent fits, or a further code is sent; the wait begins once and is told once; stopping it stops it."""
    post, person, ways = PostOffice(clock), cast.facts(YOUSSEF), set()
    with_app(clock)
    contact = lose_factors.contacts_of(person, now=clock())[0]

    def asks():
        of = half_done(clock)
        return lambda: lose_factors.send_code(of=of, contact_id=contact.id, browser=HERE, now=clock())

    def types_code():
        assert asks()() == Done(masked=contact.masked)
        post.work()
        code = CODE.findall(post.arrived[-1].message.text)[0]
        of = half_done(clock)
        return lambda: lose_factors.prove(of=of, code=code, browser=HERE, now=clock(), cancel_url=str)

    def stops():
        assert isinstance(types_code()(), Done)
        return lambda: lose_factors.cancel(person=person, browser=HERE, now=clock())

    def ends_after(step, expected):
        ways.add((step, expected))
        lose_factors.cancel(person=person, browser=HERE, now=clock())
        assert factors.losses.waiting(person.id) is None and factors.held.of_person(person.id)

    for _, ask in every_death(clock, asks, commits_alone=True):
        sent = factors.losses.proving(person.id, now=clock()) is not None
        assert isinstance(ask(), TooManyAttempts if sent else Done), "within the minute one code is enough"
        post.work()
        code = CODE.findall(post.arrived[-1].message.text)[0]
        of = half_done(clock)
        assert isinstance(lose_factors.prove(of=of, code=code, browser=HERE, now=clock(), cancel_url=str), Done)
        ends_after("asks", sent)
    for _, prove in every_death(clock, types_code, commits_alone=True):
        waits = factors.losses.waiting(person.id) is not None
        assert isinstance(prove(), Gone if waits else Done)
        assert told("factors_lost", clock) == 1
        ends_after("proves", waits)
    lose_factors.cancel(person=person, browser=HERE, now=clock())  # of the last one, which did not die
    for _, stop in every_death(clock, stops, commits_alone=True):
        stopped = factors.losses.waiting(person.id) is None
        assert stop() == (Gone() if stopped else Done())
        ends_after("stops", stopped)
    assert ways == {(step, done) for step in ("asks", "proves", "stops") for done in (True, False)}


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
