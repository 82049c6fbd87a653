"""Real threads on the real database: a code, and what a passkey has signed, is good once, however many come with it at
the same moment."""

import base64
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pyotp
import pytest
from django.db import connection

from massar.core import encryption
from massar.core.browser import Browser
from massar.domain.factors import api as factors
from massar.domain.factors.models import Factor, Loss
from massar.domain.sessions import api as sessions
from massar.domain.sessions.models import PendingSignIn, Session
from massar.journeys.account import freeze_account, lose_factors, second_step, sign_in, use_passkey
from massar.journeys.account.second_step import HalfDone
from massar.journeys.outcomes import (
    AccountFrozen,
    Done,
    Gone,
    PasskeyRefused,
    Problems,
    SecondStepRequired,
    SessionOpened,
    WrongSecret,
)
from tests import cast
from tests.cast import YOUSSEF
from tests.support.canary import everything_stored, readable_forms
from tests.support.faults import at_once
from tests.support.passkey_device import Authenticator

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
HERE = Browser(network="192.0.2.0/24", label="Firefox · Linux")


@pytest.fixture
def owner(clock, transactional_db):
    cast.enter(YOUSSEF, now=clock())
    return cast.facts(YOUSSEF)


def enroll(owner, place: str, clock) -> None:
    factors.totp.enroll(owner.id, place=place, now=clock())


def app_in(owner, place: str, clock) -> pyotp.TOTP:
    app = factors.totp.enrolment(owner.id, place=place, login=owner.login, issuer="massar", now=clock())
    return pyotp.TOTP(app.key.replace(" ", ""))


def code_of(owner, place: str, clock) -> str:
    return app_in(owner, place, clock).at(clock())


def with_app(owner, clock) -> str:
    """The person has an app; returns its code of the next moment."""
    enroll(owner, "test", clock)
    app = app_in(owner, "test", clock)
    assert factors.totp.prove(owner.id, code_of(owner, "test", clock), place="test", now=clock())
    clock.advance(seconds=30)
    return app.at(clock())


def first_steps(times: int, clock) -> list[HalfDone]:
    entered = [
        sign_in.enter(typed_login=YOUSSEF.login, password=YOUSSEF.password, browser=HERE, now=clock())
        for _ in range(times)
    ]
    return [second_step.waiting(cookie=one.cookie, now=clock()) for one in entered]


def types(waiting: HalfDone, code: str, clock):
    return second_step.enter_code(of=waiting, typed=code, spare=False, browser=HERE, now=clock())


def kinds(outcomes: list) -> Counter:
    return Counter(type(one) for one in outcomes)


def test_atk_027_one_code_in_many_browsers_opens_one_session(owner, clock):
    """ATK-027: eight half-done sign-ins, one code of the app, one moment."""
    code = with_app(owner, clock)
    waiting = first_steps(8, clock)
    done = at_once(8, lambda n: types(waiting[n], code, clock))
    assert kinds(done) == {SessionOpened: 1, Problems: 7}
    assert Session.objects.filter(person_id=owner.id).count() == 1


def test_one_half_done_sign_in_becomes_one_session(owner, clock):
    """Eight different printed codes for the same one: it is used up by the first."""
    with_app(owner, clock)
    codes = factors.backup.renew(owner.id, now=clock())
    [waiting] = first_steps(1, clock)
    done = at_once(8, lambda n: types(waiting, codes[n], clock))
    assert kinds(done) == {SessionOpened: 1, Gone: 7}
    assert Session.objects.filter(person_id=owner.id).count() == 1
    at = waiting.pending
    assert not sessions.pending.finish(at.id, at.person_id, now=clock()), "nor is there a second one by another factor"


def test_one_printed_code_is_used_once(owner, clock):
    with_app(owner, clock)
    code = factors.backup.renew(owner.id, now=clock())[0]
    waiting = first_steps(8, clock)
    done = at_once(8, lambda n: types(waiting[n], code, clock))
    assert kinds(done) == {SessionOpened: 1, Problems: 7} and factors.backup.left(owner.id) == 9


def test_atk_028_tries_side_by_side_are_all_counted(owner, clock):
    """ATK-028: twenty wrong codes at once for one half-done sign-in: five are compared."""
    with_app(owner, clock)
    factors.backup.renew(owner.id, now=clock())
    [waiting] = first_steps(1, clock)
    done = at_once(20, lambda n: types(waiting, f"{n:012d}", clock))
    assert kinds(done)[Problems] == 5 and PendingSignIn.objects.get().tries == 5


def test_atk_030_one_signature_in_many_windows_opens_one_session(owner, clock):
    """ATK-030: eight requests with the same answer of a passkey that keeps no counter."""
    device, here = Authenticator(step=0), ("add", "here")
    challenge = factors.webauthn.challenge(*here, now=clock())
    options = factors.passkeys.creation_options(owner.id, login=owner.login, name="", challenge=challenge)
    made = factors.webauthn.read_new(device.make(options), *here, now=clock())
    assert factors.passkeys.add(owner.id, made, name="", now=clock())
    answer = device.get(use_passkey.question(form_secret="browser", now=clock()))
    done = at_once(8, lambda n: use_passkey.enter(answer=answer, form_secret="browser", browser=HERE, now=clock()))
    assert kinds(done) == {SessionOpened: 1, PasskeyRefused: 7}
    assert Session.objects.filter(person_id=owner.id).count() == 1


def test_a_factor_that_appears_between_the_steps_is_not_gone_past(owner, clock, monkeypatch):
    """It is proved while a password is being verified elsewhere: that sign-in opens no session."""
    is_right = sign_in.credentials.passwords.is_right

    def then(typed, stored):
        right = is_right(typed, stored)
        with_app(owner, clock)
        return right

    monkeypatch.setattr(sign_in.credentials.passwords, "is_right", then)
    entered = sign_in.enter(typed_login=YOUSSEF.login, password=YOUSSEF.password, browser=HERE, now=clock())
    assert not isinstance(entered, SessionOpened) and Session.objects.count() == 0


def test_of_losses_side_by_side_one_waits(owner, clock, monkeypatch):
    """A wait begins while another request asks for one more code: that one finds it, and no second wait stands behind
    the link that stops the first."""
    with_app(owner, clock)
    one, two = first_steps(2, clock)
    monkeypatch.setattr(lose_factors.ids, "contact_code", lambda: "123456")
    contact = lose_factors.contacts_of(owner, now=clock())[0].id

    def asks(of: HalfDone):
        return lose_factors.send_code(of=of, contact_id=contact, browser=HERE, now=clock())

    def proves(of: HalfDone):
        return lose_factors.prove(of=of, code="123456", browser=HERE, now=clock(), cancel_url=lambda token: token)

    asks(one)
    clock.advance(minutes=2)
    may_send, others = lose_factors.edit_profile.may_send, ThreadPoolExecutor(1)

    def then(*args):  # nothing was found to wait; now the other's code is typed, before this one is written down
        wait([others.submit(proves, one), others.submit(connection.close)], timeout=0.5)
        return may_send(*args)

    monkeypatch.setattr(lose_factors.edit_profile, "may_send", then)
    asks(two)
    others.shutdown()
    proves(two)
    assert Loss.objects.filter(state="waiting").count() == 1


def test_a_loss_that_is_due_is_stopped_or_comes_about(owner, clock):
    """Right passwords and presses of "stop" at the same moment: the factors go with the wait, or stay without it."""
    with_app(owner, clock)
    contact = lose_factors.contacts_of(owner, now=clock())[0].id
    hour = timedelta(hours=1)
    factors.losses.begin(owner.id, contact_id=contact, code="123456", now=clock(), valid_for=hour)
    assert not isinstance(factors.losses.prove(owner.id, "123456", now=clock(), wait=hour), str)
    clock.advance(hours=2)

    def enters_or_stops(number: int):
        if number % 2:
            return lose_factors.cancel(person=owner, browser=HERE, now=clock())
        return sign_in.enter(typed_login=YOUSSEF.login, password=YOUSSEF.password, browser=HERE, now=clock())

    done = at_once(8, enters_or_stops)
    stopped = [one for one in done[1::2] if one == Done()]
    left = bool(factors.held.of_person(owner.id))
    assert len(stopped) == left and (Loss.objects.get().state == "cancelled") is left
    came = {type(one) for one in done[::2]}
    assert came == {SecondStepRequired} if left else SessionOpened in came


def test_atk_057_what_comes_in_beside_a_freeze_is_shut_out_by_it(owner, clock):
    """Right passwords and right codes of half-done sign-ins, while the account freezes: no session is left."""
    code = with_app(owner, clock)
    waiting = first_steps(4, clock)

    def freezes_or_enters(number: int):
        if number == 4:
            return freeze_account.by_operator(person=owner, reason="called", now=clock())
        if number > 4:
            return sign_in.enter(typed_login=YOUSSEF.login, password=YOUSSEF.password, browser=HERE, now=clock())
        return types(waiting[number], code, clock)

    done = at_once(8, freezes_or_enters)
    assert done[4] == Done() and cast.facts(YOUSSEF).frozen_at
    assert not Session.objects.filter(ended_at=None).exists()
    assert not PendingSignIn.objects.filter(ended_at=None).exists()
    allowed = (SessionOpened, SecondStepRequired, AccountFrozen, WrongSecret, Gone, Problems)
    assert all(isinstance(one, allowed) for number, one in enumerate(done) if number != 4), kinds(done)


def test_keys_and_codes_are_nowhere_readable(owner, clock):
    """ATK-144 for factors: not in any table, after they were made, shown and used."""
    enroll(owner, "test", clock)
    key = app_in(owner, "test", clock).secret
    assert factors.totp.prove(owner.id, code_of(owner, "test", clock), place="test", now=clock())
    codes = factors.backup.renew(owner.id, now=clock())
    [waiting] = first_steps(1, clock)
    assert isinstance(types(waiting, codes[0], clock), SessionOpened)
    stored, raw = everything_stored(), base64.b32decode(key)
    assert raw not in stored and raw.hex().encode() not in stored
    for canary in (key, *codes):
        assert not [form for form in readable_forms(canary) if form in stored], "readable"


def test_the_key_of_an_app_is_bound_to_its_row_and_person(owner, clock):
    """ATK-142 for factors: a row that was edited to another person's accepts nothing."""
    code = with_app(owner, clock)
    stranger = owner.id + 1
    factor = Factor.objects.get()
    with pytest.raises(encryption.DecryptionFailed):
        encryption.data_keys().decrypt(factor.secret_ciphertext, associated_data=f"app-key|{stranger}|{factor.uid}")
    Factor.objects.update(uid="another")
    assert factors.totp.accept(owner.id, code, now=clock()) is None
