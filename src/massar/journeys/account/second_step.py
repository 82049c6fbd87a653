"""The second step of a sign-in: a code of an app, a printed backup code, or a passkey, after the right password.

    first step right --> half-done sign-in (a cookie and a table of its own) --> session
        |                                                                          after the password in use
        +-- temporary password --> half-done sign-in --> change session: a recovery never goes past a factor (ATK-050)

A person who is signed in does the same step alone where a site, or a grave change, asks for it: the session is stepped
up. Tries are counted for the half-done sign-in and for the account (ATK-028), before anything is compared."""

from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from massar.core import text
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.factors import api as factors
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.journeys.account import notices, sign_in
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.outcomes import Gone, MustChangePassword, Problem, Problems, SessionOpened, TooManyAttempts

CODE = ("otp",)  # RFC 8176; a printed code is used once, too
SEVERAL = "mfa"
FORMS = {factors.totp.DIGITS: "app", factors.backup.DIGITS: "backup_code"}  # by the number of digits


class HalfDone(NamedTuple):
    """Who did the first step in this browser. `factors`: those that may be asked for; none: one has to be set up."""

    person: people.PersonFacts
    pending: sessions.PendingFacts
    factors: list[factors.FactorFacts]


def waiting(*, cookie: str, now: datetime) -> HalfDone | None:
    """Who stands behind the cookie of a half-done sign-in, which opens the second step and nothing else."""
    pending = sessions.pending.resume(cookie, now=now)
    person = people.directory.by_id(pending.person_id, now=now) if pending else None
    if pending is None or person is None or not person.enabled or (person.frozen_at and not pending.claim):
        return None  # a recovery goes on although the account is frozen
    return HalfDone(person, pending, factors.held.of_person(person.id))


def give_up(of: HalfDone, *, now: datetime) -> None:
    """Leave: the password is asked again."""
    sessions.pending.finish(of.pending.id, of.person.id, now=now)


def enter_code(
    *, of: HalfDone | SignedIn, typed: str, spare: bool, browser: Browser, now: datetime,
    earlier: sessions.SessionFacts | None = None,
) -> SessionOpened | MustChangePassword | Problems | TooManyAttempts | Gone:  # fmt: skip
    """Judge a code. What can't be one costs no try. spare: not to be asked on this device for a while. earlier: as in
    `sign_in.enter`."""
    code = text.code(typed)
    if not _is_code(code):
        return Problems({"code": [Problem("factor_code_shape")]})
    with transaction.atomic():
        people.contacts.lock(of.person.id)
        kind = _judge(of.person, code, browser, now, of.pending if isinstance(of, HalfDone) else None)
        if not isinstance(kind, str):
            return kind
        entered = finish(of=of, methods=CODE, kind=kind, spare=spare, browser=browser, now=now, earlier=earlier)
        if isinstance(entered, Gone):
            transaction.set_rollback(True)  # nothing was opened by it: a printed code is not used up
        return entered


def finish(
    *, of: HalfDone | SignedIn, methods: tuple[str, ...], kind: str, browser: Browser, now: datetime,
    spare: bool = False, earlier: sessions.SessionFacts | None = None,
) -> SessionOpened | MustChangePassword | Gone:  # fmt: skip
    """Make the half-done sign-in what it was to become, once, or step the session up: in the transaction that proved
    the factor, under the person's lock. methods: what was proved, in words of RFC 8176; kind: which factor, for the
    audit log."""
    if isinstance(of, SignedIn):
        return _step_up(of, methods, kind, browser, now, spare=spare)
    person, pending = of.person, of.pending
    if not sessions.pending.finish(pending.id, person.id, now=now):
        return Gone()
    _record("second_step_right", person, browser, now, kind)
    nothing_is_lost(person, browser, now)
    proved = " ".join(dict.fromkeys((*methods, SEVERAL)))
    if pending.claim:
        if not credentials.temporary.is_claimed(pending.temporary_id, pending.claim):
            return Gone()
        cookie = sessions.changing.open_for(
            person.id, temporary_id=pending.temporary_id, claim=pending.claim, amr=proved, now=now,
            by_desk=credentials.temporary.case_of(pending.temporary_id) is not None,
        )  # fmt: skip
        audit_log.record_event("temporary_accepted", now=now, person_id=person.id, browser=browser)
        return MustChangePassword(person, cookie)
    credentials.temporary.end_those_of_browser(person.id, browser.recovery_browser, now=now)
    amr = f"{sign_in.PASSWORD_ALONE} {proved}"
    stored = credentials.passwords.stored(person.id)
    if stored.due_for is not None:  # the second step comes before the change form, as in a recovery
        return sign_in.ask_for_change(person, browser=browser, now=now, amr=proved)
    known = sign_in.known_device(person, browser.trusted_devices, now=now, stored=stored) is not None
    return sign_in.open_session(
        person, how="password", amr=amr, browser=browser, now=now, earlier=earlier, spare=spare, known=known
    )


def _step_up(
    signed_in: SignedIn, methods: tuple[str, ...], kind: str, browser: Browser, now: datetime, *, spare: bool
) -> SessionOpened | Gone:
    """Note in the session what was proved."""
    person, session = signed_in.person, signed_in.session
    proved = dict.fromkeys((*session.methods, *methods, SEVERAL))
    cookie = sessions.signed_in.step_up(session.id, person.id, amr=" ".join(proved), now=now)
    if cookie is None:
        return Gone()
    _record("second_step_right", person, browser, now, kind, session.id)
    nothing_is_lost(person, browser, now)
    devices = sessions.devices.remember(browser.trusted_devices, person.id, now=now, second=spare)
    return SessionOpened(person, session.id, cookie, devices)


def nothing_is_lost(person: people.PersonFacts, browser: Browser, now: datetime) -> None:
    """Who has proved a factor has not lost them all."""
    if factors.losses.cancel(person.id, now=now):
        notices.tell_of_found_factors(person, browser=browser, now=now)


def _is_code(code: str) -> bool:
    return len(code) in FORMS and code.isascii() and code.isdecimal()


def _judge(
    person: people.PersonFacts, code: str, browser: Browser, now: datetime,
    pending: sessions.PendingFacts | None = None,
) -> str | Problems | TooManyAttempts | Gone:  # fmt: skip
    """Charge the try, then use up the code: which factor it was of. Under the person's lock: tries side by side wait
    for each other, so none is judged uncharged."""
    charged = _charge(person, browser, now, recovers=bool(pending and pending.claim))
    if isinstance(charged, TooManyAttempts):
        return charged
    if pending and not sessions.pending.take_try(pending.id, now=now):
        limits.refund(charged, now=now)
        return Gone()
    kind = FORMS[len(code)]
    by_app = kind == "app" and factors.totp.accept(person.id, code, now=now) is not None
    if not (by_app or (kind == "backup_code" and factors.backup.accept(person.id, code, now=now))):
        _record("second_step_refused", person, browser, now, kind)
        return Problems({"code": [Problem("factor_code_wrong")]})
    in_a_row = [one for one in charged if one.limit is limits.rate_limits.FACTOR_CONSECUTIVE]
    limits.refund([one for one in charged if one not in in_a_row], reset=in_a_row, now=now)
    return kind


def _charge(
    person: people.PersonFacts, browser: Browser, now: datetime, *, recovers: bool
) -> list[limits.Bucket] | TooManyAttempts:
    """What the try is charged to; a known device whose limit is spent falls to the shared one (decision 18). A recovery
    has tries of its own: who knows the password can't spend those of an owner who takes the account back."""
    rates, device = limits.rate_limits, sign_in.known_device(person, browser.trusted_devices, now=now)
    own = [rates.FACTOR_DEVICE.bucket(person.id, device.nonce)] if device else []
    if own and limits.consume(own, now=now) is None:
        return own
    owner = (person.id, "recovery") if recovers else (person.id,)
    shared = [rate.bucket(*owner) for rate in (rates.FACTOR_ACCOUNT, rates.FACTOR_CONSECUTIVE)]
    refused = limits.consume(shared, now=now)
    return TooManyAttempts(refused.until) if refused else shared


def _record(
    event: str, person: people.PersonFacts, browser: Browser, now: datetime, outcome: str, session_id: int | None = None
) -> None:
    audit_log.record_event(event, now=now, person_id=person.id, outcome=outcome, session_id=session_id, browser=browser)
