"""A process that dies at any step with the database: whoever then does the same again gets what was promised, once.

Each journey is begun as often as it has steps and dies one step later each time, also after its commit, when the answer
is lost. What it took from a budget and what it stored stand or fall together (ADR 37).
"""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from massar.core import ids
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.delivery.models import Message
from massar.domain.limits import api as limits
from massar.domain.people.models import Contact
from massar.domain.sessions import api as sessions
from massar.domain.sessions.models import Session
from massar.domain.sites.models import SavedRequest
from massar.journeys.account import (
    change_password,
    defend,
    edit_profile,
    freeze_account,
    notices,
    recover_password,
    sign_in,
    vouch,
)
from massar.journeys.account.edit_profile import Saved
from massar.journeys.outcomes import (
    AccountFrozen,
    ChallengeRequired,
    Done,
    Gone,
    MustChangePassword,
    SessionOpened,
    TooManyAttempts,
)
from massar.journeys.sso import save_request
from tests import cast
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL
from tests.support.faults import PostOffice, every_death
from tests.support.steps import in_session
from tests.support.visitor import CODE, TEMPORARY, solve

pytestmark = pytest.mark.django_db(transaction=True)
HERE = Browser(network="192.0.2.0/24", label="Firefox · Linux", recovery_browser="the-asking-browser")
NEW = "Tamarin&{}-oued"
NUMBER = "+212661123456"
FORM = {"typed_login": FATIMA.login, "channel": "phone", "browser": HERE}
OWN = {"password": JAMAL.password, "browser": HERE}


@pytest.fixture(autouse=True)
def people(transactional_db, clock) -> None:
    cast.enter(JAMAL, FATIMA, now=clock())


def letters(post: PostOffice, pattern) -> list[str]:
    """What fits the pattern in all that has arrived, by one more turn of the worker."""
    post.work()
    return [found for a in post.arrived for found in pattern.findall(a.message.text)[:1]]


# --- recovery


def asking(clock, form: Callable[[], str] = ids.token, purpose: str = "recovery") -> Callable[[], object]:
    typed = {**FORM, "typed_contact": FATIMA_PHONE, "purpose": purpose}
    return lambda: recover_password.ask(**typed, ask_id=form(), now=clock())


@pytest.mark.parametrize(
    ("again", "purpose"), [("the same form", "recovery"), ("a new form", "recovery"), ("the same form", vouch.PURPOSE)]
)
def test_asking_for_a_recovery_or_to_be_let_in(clock, again, purpose):
    """Within the minute, as people do who read an error page."""
    post, number = PostOffice(clock), 0

    def prepare():
        one = ids.token()
        return asking(clock, (lambda: one) if again == "the same form" else ids.token, purpose)

    for step, ask in every_death(clock, prepare, commits_alone=purpose != "recovery"):
        assert ask() == Done()
        number += 1
        assert len(letters(post, TEMPORARY)) == number, f"died at step {step}"
        clock.advance(seconds=5)
        assert ask() == Done() and len(letters(post, TEMPORARY)) == number


def test_a_form_that_was_put_right_is_another_one(clock):
    """The browser's "back" shows the form with its old number; the typing error in it is mended."""
    post, form = PostOffice(clock), ids.token()
    for number in ("+212661000223", FATIMA_PHONE, "06 61 00 02 22"):
        assert recover_password.ask(**FORM, ask_id=form, typed_contact=number, now=clock()) == Done()
    assert len(letters(post, TEMPORARY)) == 1


@pytest.mark.parametrize("purpose", ["recovery", vouch.PURPOSE])
def test_answering_it(clock, purpose):
    """In the worker; the next one takes over when the lease has lapsed."""
    post, number = PostOffice(clock), 0

    def prepare():
        asking(clock, purpose=purpose)()
        return post.workers[0].answer

    for step, _ in every_death(clock, prepare, commits_alone=purpose != "recovery"):
        clock.advance(minutes=1)
        number += 1
        assert len(letters(post, TEMPORARY)) == number, f"died at step {step}"


def test_letting_a_browser_in(clock):
    """Whoever types the code again after a lost answer holds the same device, and the owner was told once."""
    post = PostOffice(clock)

    def prepare():
        typed = {**FORM, "typed_contact": FATIMA_PHONE, "purpose": vouch.PURPOSE}
        assert recover_password.ask(**typed, ask_id=ids.token(), now=clock()) == Done()
        code = letters(post, TEMPORARY)[-1]
        return lambda: vouch.let_in(typed_login=FATIMA.login, code=code, browser=HERE, now=clock())

    for step, enter in every_death(clock, prepare):
        entered = [enter(), enter()]
        assert all(isinstance(one, vouch.LetIn) for one in entered), f"died at step {step}"
        assert entered[0].trusted_devices == entered[1].trusted_devices
        told = Message.objects.filter(about="browser_let_in", channel="sms", created_at__gt=clock() - timedelta(days=1))
        assert told.count() == 1, f"died at step {step}"


# --- contacts


def saving(clock, jamal, **contact: str) -> Callable[[], object]:
    typed = {"email": "", "phone_number": "", **contact}
    return lambda: edit_profile.save(signed_in=in_session(jamal), **typed, **OWN, now=clock())


def test_saving_a_contact(clock):
    post, number, jamal = PostOffice(clock), 0, cast.facts(JAMAL)
    addresses = (f"jamal{n}@example.org" for n in itertools.count())
    for step, save in every_death(clock, lambda: saving(clock, jamal, email=next(addresses))):
        saved = save()
        assert isinstance(saved, Saved), f"died at step {step}: {saved}"
        number += 1
        assert len(letters(post, CODE)) == number, f"died at step {step}"


def test_having_a_code_sent_again(clock):
    post, number, jamal = PostOffice(clock), 0, cast.facts(JAMAL)

    def prepare():
        assert isinstance(saving(clock, jamal, phone_number=NUMBER)(), Saved)
        letters(post, CODE)
        clock.advance(minutes=1)
        held = Contact.objects.get(state="proposed").pk
        return lambda: edit_profile.resend(person=jamal, contact_id=held, browser=HERE, now=clock())

    for step, resend in every_death(clock, prepare):
        answer = resend()
        number += 2
        assert len(letters(post, CODE)) == number, f"died at step {step}"
        assert isinstance(answer, (Done, TooManyAttempts)), "wait: it was sent, and the answer to that was lost"


def test_proving_a_contact(clock):
    post, jamal = PostOffice(clock), cast.facts(JAMAL)
    addresses = (f"jamal{n}@example.org" for n in itertools.count())

    def prepare():
        saving(clock, jamal, email=next(addresses))()
        shown = {"code": letters(post, CODE)[-1], "contact_id": Contact.objects.get(state="proposed").pk}
        return lambda: edit_profile.prove(person=jamal, **shown, browser=HERE, now=clock(), cancel_url=str)

    for step, prove in every_death(clock, prepare):
        assert isinstance(prove(), (Done, Gone)), f"died at step {step}"
        assert not Contact.objects.filter(state="proposed").exists()


# --- signing in and changing the password


def test_entering_with_a_temporary_password(clock):
    post = PostOffice(clock)

    def prepare():
        asking(clock)()
        secret = letters(post, TEMPORARY)[-1]
        return lambda: sign_in.enter(typed_login=FATIMA.login, password=secret, browser=HERE, now=clock())

    for step, enter in every_death(clock, prepare):
        assert isinstance(enter(), MustChangePassword), f"died at step {step}"


def test_choosing_a_new_password(clock):
    post, password, number = PostOffice(clock), FATIMA.password, itertools.count(6000)
    chosen, grant = "", None

    def prepare():
        nonlocal chosen, grant
        asking(clock)()
        secret, chosen = letters(post, TEMPORARY)[-1], NEW.format(next(number))
        cookie = sign_in.enter(typed_login=FATIMA.login, password=secret, browser=HERE, now=clock()).cookie
        grant = sessions.changing.resume(cookie, now=clock())
        typed = {"grant": grant, "current": secret, "new": chosen, "confirm": chosen}
        return lambda: change_password.by_temporary(**typed, browser=HERE, now=clock())

    for step, change in every_death(clock, prepare, apart=5):
        tries = limits.rate_limits.CHANGE_CURRENT.bucket(grant.claim)
        assert limits.remaining(tries, now=clock()) == tries.limit.burst, f"died at step {step}: charged a right try"
        answer = change()
        assert isinstance(answer, (SessionOpened, Gone)), f"died at step {step}"
        assert password != chosen
        password = chosen
        entered = sign_in.enter(typed_login=FATIMA.login, password=password, browser=HERE, now=clock())
        assert isinstance(entered, SessionOpened), f"died at step {step}"


def test_signing_in_with_the_password_in_use(clock):
    """Reserved before it is verified, so a death may cost one try of twenty; never more, and never the way in."""
    account = limits.rate_limits.SIGN_IN_ACCOUNT.bucket("jamal.jalal")
    browsers = (replace(HERE, recovery_browser=ids.token()) for _ in itertools.count())

    def prepare():
        browser = next(browsers)
        return lambda: sign_in.enter(typed_login=JAMAL.login, password=JAMAL.password, browser=browser, now=clock())

    for step, enter in every_death(clock, prepare):
        assert isinstance(enter(), SessionOpened), f"died at step {step}"
        assert limits.remaining(account, now=clock()) >= account.limit.burst - 1


def test_signing_in_with_a_challenge_that_was_met(clock):
    """It opens once and is taken before the password is judged, so a death may cost the work of one more: never the way
    in, nor a try."""
    account = limits.rate_limits.SIGN_IN_ACCOUNT.bucket("jamal.jalal")
    browsers = (replace(HERE, recovery_browser=ids.token()) for _ in itertools.count())

    def signs_in(browser, answer=None):
        typed = {"typed_login": JAMAL.login, "password": JAMAL.password, "browser": browser, "answer": answer}
        return sign_in.enter(**typed, now=clock())

    def solved(given) -> defend.ChallengeAnswer:
        return defend.ChallengeAnswer(given.challenge, solve(json.loads(given.challenge.puzzle)))

    def prepare():
        browser = next(browsers)
        limits.siege.order("on", until=clock() + timedelta(hours=1))
        answer = solved(signs_in(browser))
        return lambda again=answer: signs_in(browser, again)

    ways = set()
    for step, enter in every_death(clock, prepare, commits_alone=True):
        entered = enter()
        ways.add(type(entered))
        if isinstance(entered, ChallengeRequired):
            entered = enter(solved(entered))
        assert isinstance(entered, SessionOpened), f"died at step {step}"
        assert limits.remaining(account, now=clock()) >= account.limit.burst - 1
    assert ways == {SessionOpened, ChallengeRequired}


def test_this_was_not_me(clock):
    """The account is shut with all that was open, or nothing has changed and the same link shuts it."""
    jamal, ways = cast.facts(JAMAL), set()

    def prepare():
        if cast.facts(JAMAL).frozen_at:
            freeze_account.reopen(person=jamal, reason="", now=clock())
            clock.advance(seconds=1)
        assert isinstance(saving(clock, jamal, email=f"{ids.short_token()}@example.org".lower())(), Saved)
        entered = sign_in.enter(typed_login=JAMAL.login, password=JAMAL.password, browser=HERE, now=clock())
        assert isinstance(entered, SessionOpened)
        token = notices.not_me_token(jamal.id, audit_log.of_person(jamal.id)[0].uid)
        return lambda: freeze_account.by_link(token=token, browser=HERE, now=clock())

    for step, deny in every_death(clock, prepare, commits_alone=True):
        frozen = cast.facts(JAMAL).frozen_at is not None
        live = Session.objects.filter(person_id=jamal.id, ended_at=None).exists()
        assert live is not frozen is not Contact.objects.filter(person_id=jamal.id, state="proposed").exists()
        assert isinstance(deny(), AccountFrozen if frozen else freeze_account.Denied), f"died at step {step}"
        assert cast.facts(JAMAL).frozen_at
        ways.add(frozen)
    assert ways == {True, False}


# --- what sites ask


def test_keeping_a_request_of_a_site(clock):
    """What is charged to the network is what its strangers keep here."""
    network = limits.rate_limits.SAVED_REQUEST_NETWORK.bucket(HERE.network)

    def prepare():
        SavedRequest.objects.all().delete()
        stranger = SimpleNamespace(signed_in=None, browser=HERE, now=clock())
        return lambda: save_request.save({"protocol": "oidc"}, stranger)

    for step, keep in every_death(clock, prepare):
        kept = SavedRequest.objects.count()
        later = clock() - timedelta(seconds=5)
        assert network.limit.burst - limits.remaining(network, now=later) == kept, f"died at step {step}"
        assert keep()
