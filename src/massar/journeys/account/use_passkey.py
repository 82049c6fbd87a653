"""A passkey in use: in place of user name and password, as the second step, and by a person who is signed in.

It is two factors at once, the device and what opens it, so it opens a full session in one step. Nobody guesses one, so
there is nothing to slow down; the network's limit bounds what refusals write, and a right passkey always passes."""

from datetime import datetime

from django.db import transaction

from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.factors import api as factors
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.journeys.account import edit_factors, notices, second_step, sign_in
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.account.second_step import HalfDone
from massar.journeys.outcomes import AccountFrozen, Gone, MustChangePassword, PasskeyRefused, SessionOpened

KIND = "passkey"
METHODS = ("pop", "user")  # RFC 8176: who makes the key attests nothing, so neither hwk nor swk
SIGN_IN, SECOND_STEP = "sign-in", "second-step"  # what a challenge is for


def question(*, form_secret: str, now: datetime) -> str | None:
    """What the sign-in page asks the browser for, as JSON; None where browsers have no passkeys for our address.
    form_secret: of the browser's forms; the answer must come from the same browser."""
    if not factors.webauthn.possible():
        return None
    return factors.webauthn.request_options(challenge=factors.webauthn.challenge(SIGN_IN, form_secret, now=now))


def enter(
    *, answer: str, form_secret: str, browser: Browser, now: datetime, earlier: sessions.SessionFacts | None = None
) -> SessionOpened | PasskeyRefused | AccountFrozen:
    """Judge what the sign-in page has sent. Nothing tells an unknown passkey from one that does not fit; who has the
    right one hears that the account is frozen, as who knows the password does. earlier: as in `sign_in.enter`."""
    proof = factors.passkeys.prove(answer, SIGN_IN, form_secret, now=now)
    if isinstance(proof, factors.PasskeyMismatch):
        return _refuse(proof, "sign_in_refused", browser, now)
    with transaction.atomic():
        people.contacts.lock(proof.person_id)  # a freeze at this moment is seen, or sees this session
        person = people.directory.by_id(proof.person_id, now=now)
        if person is None or not person.active:
            refused = _refuse(factors.PasskeyMismatch("disabled", proof.person_id), "sign_in_refused", browser, now)
            return AccountFrozen() if person and person.enabled else refused
        unused = factors.passkeys.use(proof, now=now)
        if unused:
            return _refuse(unused, "sign_in_refused", browser, now)
        second_step.nothing_is_lost(person, browser, now)
        credentials.temporary.end_those_of_browser(person.id, browser.recovery_browser, now=now)
        amr = " ".join((*METHODS, second_step.SEVERAL))
        known = sign_in.known_device(person, browser.trusted_devices, now=now) is not None
        return sign_in.open_session(person, how=KIND, amr=amr, browser=browser, now=now, earlier=earlier, known=known)


def second_question(*, of: HalfDone | SignedIn, now: datetime) -> str | None:
    """What the page of the second step asks the browser for; None where the person has no passkey."""
    held = of.factors if isinstance(of, HalfDone) else factors.held.of_person(of.person.id)
    if not factors.webauthn.possible() or all(one.kind != KIND for one in held):
        return None
    challenge = factors.webauthn.challenge(*_second(of), now=now)
    return factors.passkeys.request_options(challenge, person_id=of.person.id)


def enter_second(
    *, of: HalfDone | SignedIn, answer: str, spare: bool, browser: Browser, now: datetime,
    earlier: sessions.SessionFacts | None = None,
) -> SessionOpened | MustChangePassword | PasskeyRefused | Gone:  # fmt: skip
    """Judge a passkey as the second step. spare, earlier: as in `second_step.enter_code`."""
    person = of.person
    proof = factors.passkeys.prove(answer, *_second(of), now=now, person_id=person.id)
    if isinstance(proof, factors.PasskeyMismatch):
        return _refuse(proof, "second_step_refused", browser, now)
    with transaction.atomic():
        people.contacts.lock(person.id)
        unused = factors.passkeys.use(proof, now=now)
        if unused:
            return _refuse(unused, "second_step_refused", browser, now)
        return second_step.finish(
            of=of, methods=METHODS, kind=KIND, spare=spare, browser=browser, now=now, earlier=earlier
        )


def _second(of: HalfDone | SignedIn) -> tuple[str, str]:
    return SECOND_STEP, edit_factors.place_of(of)


@transaction.atomic
def _refuse(found: factors.PasskeyMismatch, event: str, browser: Browser, now: datetime) -> PasskeyRefused:
    """Write down why, as long as the network's limit lasts. A key that was copied is told to its owner, once a day."""
    rates, person_id = limits.rate_limits, found.person_id
    if found.why in ("shape", "late"):  # nobody has signed anything just now
        return PasskeyRefused(late=found.why == "late")
    event = "passkey_copied" if found.why == "counter" else event
    if limits.consume([rates.PASSKEY_NETWORK.bucket(browser.network)], now=now) is None:
        audit_log.record_event(event, now=now, person_id=person_id, outcome=f"passkey_{found.why}", browser=browser)
    person = people.directory.by_id(person_id, now=now) if found.why == "counter" and person_id else None
    if person and limits.consume([rates.PASSKEY_COPIED.bucket(person.id)], now=now) is None:
        notices.tell(person, "passkey_copied", now=now, browser=browser)
    return PasskeyRefused(late=found.why == "replay")  # mostly the older of two pages: the next question is newer
