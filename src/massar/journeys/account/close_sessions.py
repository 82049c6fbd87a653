"""Signing out here, elsewhere, everywhere; and what the person's own last activity was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.journeys.outcomes import Done, Gone
from massar.journeys.sso import log_out_of_sites

SHOWN = (
    "sign_in",
    "sign_in_refused",
    "sign_out",
    "recovery_asked",
    "temporary_accepted",
    "password_changed",
    "password_recovered",
    "contact_proposed",
    "contact_proved",
    "contact_cancelled",
    "contact_removed",
    "session_ended",
    "sessions_ended_all",
    "program_ended",
    "account_disabled",
    "account_enabled",
)


@dataclass(frozen=True)
class SignedIn:
    """Who stands behind a request, at full strength."""

    person: people.PersonFacts
    session: sessions.SessionFacts


def authenticate(*, cookie: str, now: datetime) -> SignedIn | None:
    """The person behind a session cookie; None when there is none, it ended, or the account is disabled."""
    session = sessions.signed_in.resume(cookie, now=now) if cookie else None
    person = people.directory.by_id(session.person_id) if session else None
    if not person or not person.active or _ended_early(person, session, now):
        return None
    return SignedIn(person, session)


def _ended_early(person: people.PersonFacts, session: sessions.SessionFacts, now: datetime) -> bool:
    """An operator's session has shorter limits, on every page: another page must not keep it alive for the desk."""
    if not person.operates or sessions.signed_in.fits_privileged(session, now=now):
        return False
    with transaction.atomic():
        if sessions.signed_in.end(session.id, person.id, now=now, why="privileged"):
            log_out_of_sites.end_grants_and_notify(person, [session.id], now=now)
    return True


def may_change(*, cookie: str, now: datetime) -> tuple[people.PersonFacts, sessions.ChangeFacts] | None:
    """The person behind a change cookie, which opens the change page and nothing else."""
    grant = sessions.changing.resume(cookie, now=now) if cookie else None
    person = people.directory.by_id(grant.person_id) if grant else None
    return (person, grant) if person and person.active else None


@transaction.atomic
def sign_out(*, signed_in: SignedIn, browser: Browser, now: datetime) -> None:
    _signed_out(signed_in.person, [signed_in.session.id], "sign_out", browser, now)


def sign_out_by_site(
    *, person: people.PersonFacts, session_ids: list[int], site: str, browser: Browser, now: datetime
) -> list[int]:
    """A site has proved which sessions of the person it means. Returns those that ended now.

    Inside the transaction that found them.
    """
    return _signed_out(person, session_ids, "by_site", browser, now, site=site)


def _signed_out(person, session_ids: list[int], why: str, browser: Browser, now: datetime, **detail: str) -> list[int]:
    ended = [id for id in session_ids if sessions.signed_in.end(id, person.id, now=now, why=why)]
    log_out_of_sites.end_grants_and_notify(person, ended, now=now)
    for session_id in ended:
        audit_log.record_event(
            "sign_out", now=now, person_id=person.id, session_id=session_id, browser=browser, **detail
        )
    return ended


def owner_left_open(*, cookie: str) -> int | None:
    """Whose session a cookie was that has run out by itself; None where somebody ended it, or there never was one."""
    found = sessions.signed_in.left_open(cookie) if cookie else None
    return found.person_id if found else None


@transaction.atomic
def sign_out_left_open(*, cookie: str, browser: Browser, now: datetime) -> None:
    """Who was away for long presses the button: nobody is signed in here any more, but the sites may still be open."""
    found = sessions.signed_in.left_open(cookie) if cookie else None
    person = people.directory.by_id(found.person_id) if found else None
    if found and person:
        _signed_out(person, [found.id], "sign_out", browser, now)


@transaction.atomic
def end_one(*, signed_in: SignedIn, session_id: int, browser: Browser, now: datetime) -> Done | Gone:
    if not sessions.signed_in.end(session_id, signed_in.person.id, now=now, why="by_owner"):
        return Gone()
    log_out_of_sites.end_grants_and_notify(signed_in.person, [session_id], now=now)
    audit_log.record_event(
        "session_ended", now=now, person_id=signed_in.person.id, session_id=session_id, browser=browser
    )
    return Done()


def end_all(*, signed_in: SignedIn, browser: Browser, now: datetime) -> int:
    """Ends every session but this one, half-done password changes, and programs that stay signed in."""
    return _end_sessions(signed_in, browser, now, besides=signed_in.session.id)


def sign_out_everywhere(*, signed_in: SignedIn, browser: Browser, now: datetime) -> int:
    """Ends every session, this one too, half-done changes, and what the sites were given. Returns how many ended."""
    return _end_sessions(signed_in, browser, now, besides=None)


@transaction.atomic
def _end_sessions(signed_in: SignedIn, browser: Browser, now: datetime, *, besides: int | None) -> int:
    ended = sessions.signed_in.end_all(signed_in.person.id, now=now, why="by_owner", besides=besides)
    sessions.changing.end_all(signed_in.person.id, now=now)
    log_out_of_sites.end_grants_and_notify(signed_in.person, ended, now=now, programs=True)
    audit_log.record_event(
        "sessions_ended_all",
        now=now,
        person_id=signed_in.person.id,
        session_id=signed_in.session.id,
        browser=browser,
        ended=len(ended),
    )
    return len(ended)


@transaction.atomic
def end_program(*, signed_in: SignedIn, grant_id: int, browser: Browser, now: datetime) -> Done | Gone:
    """A program that stays signed in must sign in again."""
    ended = log_out_of_sites.end_program(signed_in.person, grant_id, now=now)
    if ended is None:
        return Gone()
    audit_log.record_event(
        "program_ended",
        now=now,
        person_id=signed_in.person.id,
        session_id=signed_in.session.id,
        browser=browser,
        site=ended.site,
    )
    return Done()


def programs(*, person: people.PersonFacts, now: datetime) -> list[sites.GrantFacts]:
    """What stays signed in without a session, newest first."""
    return sites.grants.offline_of(person.id, now=int(now.timestamp()))


def activity(*, person: people.PersonFacts, most: int = 20) -> list[audit_log.AuditEvent]:
    """The person's own last activity, newest first."""
    return [e for e in audit_log.of_person(person.id, limit=100) if e.event in SHOWN][:most]


def open_sessions(*, person: people.PersonFacts, now: datetime) -> list[sessions.SessionFacts]:
    """Where the person is signed in now."""
    return sessions.signed_in.of_person(person.id, now=now)
