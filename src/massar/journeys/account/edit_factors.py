"""A person's second factors: an app is added and proved by a code, codes are printed, a factor is removed.

Whoever touches them has proved again who they are (`sign_in.prove_again`): a session left open on a shared computer
changes nothing. Every change is told to all contacts, and takes from every device the
wish not to be asked. Adding ends what was half done without the factor: sign-ins, changes, temporary passwords."""

from datetime import date, datetime
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from massar.core import text
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.factors import api as factors
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.journeys.account import notices, second_step, sign_in
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.account.second_step import HalfDone
from massar.journeys.outcomes import (
    Done,
    FactorNotFresh,
    Gone,
    MustChangePassword,
    Overloaded,
    Problem,
    Problems,
    SessionOpened,
    TooManyAttempts,
)


class Added(NamedTuple):
    """A factor counts. codes: a first set of backup codes, shown once; empty where the person has some. entered: the
    session that came of it."""

    entered: SessionOpened | MustChangePassword
    codes: tuple[str, ...]


class FactorOverview(NamedTuple):
    """What the person has: active factors, and how many printed codes are not used up."""

    factors: list[factors.FactorFacts]
    codes_left: int


def place_of(of: SignedIn | HalfDone) -> str:
    """The session, or half-done sign-in, to which belongs what is begun in it: an app, a challenge for a passkey."""
    return f"session:{of.session.id}" if isinstance(of, SignedIn) else sign_in.place_of_half_done(of.pending.id)


def overview(*, person: people.PersonFacts) -> FactorOverview:
    return FactorOverview(factors.held.of_person(person.id), factors.backup.left(person.id))


def asked_from(*, person: people.PersonFacts, now: datetime) -> date | None:
    """From which day this person will have to have a factor, where that is to come and there is none."""
    day = factors.required.begins(settings.MASSAR.second_factor_roles, person.role, now=now)
    return day if day and not factors.held.of_person(person.id) else None


def begin_app(
    *, signed_in: SignedIn, password: str, browser: Browser, now: datetime
) -> Done | Problems | TooManyAttempts | Overloaded | FactorNotFresh:
    """Make a key for an app, after the proof."""
    refused = sign_in.prove_again(signed_in=signed_in, password=password, browser=browser, now=now)
    if refused:
        return refused
    factors.totp.enroll(signed_in.person.id, place=place_of(signed_in), now=now)
    return Done()


def app_of(of: SignedIn | HalfDone, *, now: datetime) -> factors.totp.Enrolment | None:
    """The app that is being set up there."""
    person, issuer = of.person, settings.MASSAR.host
    return factors.totp.enrolment(person.id, place=place_of(of), login=person.login, issuer=issuer, now=now)


def prove_app(
    *, of: SignedIn | HalfDone, typed: str, browser: Browser, now: datetime,
    earlier: sessions.SessionFacts | None = None,
) -> Added | Problems | Gone:  # fmt: skip
    """Judge the first code of an app that is being set up. Right: it counts, and this sign-in has two factors. The key
    is on the person's own screen: tries need no limit."""
    person, code, place = of.person, text.code(typed), place_of(of)
    if len(code) != factors.totp.DIGITS or not code.isascii() or not code.isdecimal():
        return Problems({"code": [Problem("factor_code_shape")]})
    with transaction.atomic():
        people.contacts.lock(person.id)
        if factors.held.begun(person.id, "app", place=place, now=now) is None or overtaken(of, now):
            return Gone()
        if factors.totp.prove(person.id, code, place=place, now=now) is None:
            return Problems({"code": [Problem("factor_code_wrong")]})
        return take_in(of=of, kind="app", methods=second_step.CODE, browser=browser, now=now, earlier=earlier)


def overtaken(of: SignedIn | HalfDone, now: datetime) -> bool:
    """Whether a factor was added elsewhere since this began: then that one has to be proved before (a thief with the
    password must not add his own beside it)."""
    if isinstance(of, SignedIn):
        return sign_in.owes_factor(of, now=now)
    return bool(factors.held.of_person(of.person.id))


def take_in(
    *, of: SignedIn | HalfDone, kind: str, methods: tuple[str, ...], browser: Browser, now: datetime,
    earlier: sessions.SessionFacts | None = None,
) -> Added | Gone:  # fmt: skip
    """What follows when a factor begins to count, in the transaction and under the person's lock that made it so."""
    person = of.person
    entered = second_step.finish(of=of, methods=methods, kind=kind, browser=browser, now=now, earlier=earlier)
    if isinstance(of, SignedIn) or not of.pending.claim:  # a recovery goes on to its change form
        _end_half_done(person, now)
    if isinstance(entered, Gone):
        transaction.set_rollback(True)  # it was ended at the same moment: nothing of it may stand
        return entered
    entry = audit_log.record_event("factor_added", now=now, person_id=person.id, outcome=kind, browser=browser)
    notices.tell(person, "factor_added", now=now, browser=browser, entry=entry)
    codes = [] if factors.backup.left(person.id) else factors.backup.renew(person.id, now=now)
    return Added(entered, tuple(codes))


def _end_half_done(person: people.PersonFacts, now: datetime) -> None:
    sessions.pending.end_all(person.id, now=now)
    sessions.changing.end_all(person.id, now=now)
    credentials.temporary.end_all(person.id, now=now, why="factor_added")


def renew_codes(
    *, signed_in: SignedIn, password: str, browser: Browser, now: datetime
) -> tuple[str, ...] | Problems | TooManyAttempts | Overloaded | FactorNotFresh | Gone:
    """Make a new set of backup codes, which ends the old one. Gone: there is no factor."""
    person = signed_in.person
    refused = sign_in.prove_again(signed_in=signed_in, password=password, browser=browser, now=now)
    if refused:
        return refused
    with transaction.atomic():
        people.contacts.lock(person.id)
        if not factors.held.of_person(person.id) or not sessions.signed_in.hold(signed_in.session.id, person.id):
            return Gone()
        codes = factors.backup.renew(person.id, now=now)
        entry = audit_log.record_event("backup_codes_made", now=now, person_id=person.id, browser=browser)
        notices.tell(person, "backup_codes_made", now=now, browser=browser, entry=entry)
        return tuple(codes)


def remove(
    *, signed_in: SignedIn, factor_id: int, password: str, browser: Browser, now: datetime
) -> Done | Problems | TooManyAttempts | Overloaded | FactorNotFresh | Gone:
    """Remove one factor; with the last one its backup codes go too. Gone: it is not there."""
    person = signed_in.person
    refused = sign_in.prove_again(signed_in=signed_in, password=password, browser=browser, now=now)
    if refused:
        return refused
    with transaction.atomic():
        people.contacts.lock(person.id)
        held = sessions.signed_in.hold(signed_in.session.id, person.id)  # a freeze may have ended it
        removed = factors.held.remove(factor_id, person.id, now=now) if held else None
        if removed is None:
            return Gone()
        factors.losses.cancel(person.id, now=now)  # whoever removes one has proved one
        if not factors.held.of_person(person.id):
            factors.backup.remove(person.id)
        entry = audit_log.record_event(
            "factor_removed", now=now, person_id=person.id, outcome=removed.kind, browser=browser
        )
        notices.tell(person, "factor_removed", now=now, browser=browser, entry=entry)
        return Done()
