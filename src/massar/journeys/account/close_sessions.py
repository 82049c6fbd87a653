"""Signing out here, elsewhere, everywhere."""

from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.desk import api as desk
from massar.domain.factors import api as factors
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.journeys.sso import log_out_of_sites


class SignedIn(NamedTuple):
    """Who stands behind a request, at full strength."""

    person: people.PersonFacts
    session: sessions.SessionFacts


class FactorOwed(NamedTuple):
    """Who stands behind a session that has one factor since before its person had to have two, by a rule that began or
    a role that was gained. It opens the second step alone. must_set_up: there is no factor to prove, so the session has
    ended, and the next sign-in sets one up."""

    of: SignedIn
    must_set_up: bool


def authenticate(*, cookie: str, now: datetime) -> SignedIn | FactorOwed | None:
    """Return who stands behind a session cookie; None when there is none, it ended, or the account is shut."""
    session = sessions.signed_in.resume(cookie, now=now)
    person = people.directory.by_id(session.person_id, now=now) if session else None
    if session is None or person is None or not person.active:
        return None
    found = SignedIn(person, session)
    if person.operates and not sessions.signed_in.fits_privileged(session, now=now):
        # An operator's session is shorter on every page: no other page may keep it alive for the operators' own.
        _outgrown(found, "privileged", now)
        return None
    if session.two_factors or not must_have_factor(person, now=now):
        return found
    owed = FactorOwed(found, must_set_up=not factors.held.of_person(person.id))
    if owed.must_set_up:
        _outgrown(found, "factor_required", now)
    return owed


def must_have_factor(person: people.PersonFacts, *, now: datetime) -> bool:
    """Whether the operator's rules want a second factor of that person today. No statement."""
    return factors.required.applies(settings.MASSAR.second_factor_roles, person.role, now=now)


@transaction.atomic
def _outgrown(signed_in: SignedIn, why: str, now: datetime) -> None:
    """End a session that lives and is not enough for its person any more."""
    person, session = signed_in
    if sessions.signed_in.end(session.id, person.id, now=now, why=why):
        log_out_of_sites.end_grants_and_notify(person, [session.id], now=now)


def may_change(*, cookie: str, now: datetime) -> tuple[people.PersonFacts, sessions.ChangeFacts] | None:
    """Return who stands behind a change cookie, which opens the change page and nothing else."""
    grant = sessions.changing.resume(cookie, now=now)
    person = people.directory.by_id(grant.person_id, now=now) if grant else None
    return (person, grant) if grant and person and person.enabled else None


@transaction.atomic
def sign_out(*, signed_in: SignedIn, browser: Browser, now: datetime) -> None:
    _end(signed_in.person, [signed_in.session.id], "sign_out", browser, now)


def sign_out_by_site(
    *, person: people.PersonFacts, session_ids: list[int], site: str, browser: Browser, now: datetime
) -> list[int]:
    """End sessions that a site has proved to mean, in the transaction that found them. Returns those ended now."""
    return _end(person, session_ids, "by_site", browser, now, site=site)


def _end(
    person: people.PersonFacts, session_ids: list[int], why: str, browser: Browser, now: datetime, **detail: str
) -> list[int]:
    ended = [id for id in session_ids if sessions.signed_in.end(id, person.id, now=now, why=why)]
    log_out_of_sites.end_grants_and_notify(person, ended, now=now)
    event = "session_ended" if why == "by_owner" else "sign_out"
    for session_id in ended:
        audit_log.record_event(event, now=now, person_id=person.id, session_id=session_id, browser=browser, **detail)
    return ended


@transaction.atomic
def sign_out_left_open(*, cookie: str, browser: Browser, now: datetime) -> None:
    """Sign out who was away for long: nobody is signed in here any more, but the sites may still be open."""
    found = sessions.signed_in.left_open(cookie)
    person = people.directory.by_id(found.person_id, now=now) if found else None
    if found and person:
        _end(person, [found.id], "sign_out", browser, now)


@transaction.atomic
def end_one(*, signed_in: SignedIn, session_id: int, browser: Browser, now: datetime) -> bool:
    """End one session of the person. False: it was none, or over."""
    return bool(_end(signed_in.person, [session_id], "by_owner", browser, now))


@transaction.atomic
def end_all(*, signed_in: SignedIn, browser: Browser, now: datetime, this_one: bool = False) -> None:
    """End every other session, half-done password changes, and programs that stay signed in. this_one: the session that
    asks for it ends too."""
    person, session = signed_in.person, signed_in.session
    ended, _ = end_everything(person, now=now, why="by_owner", besides=None if this_one else session.id)
    audit_log.record_event(
        "sessions_ended_all", now=now, person_id=person.id, session_id=session.id, browser=browser, ended=len(ended)
    )


def end_everything(
    person: people.PersonFacts, *, now: datetime, why: str, besides: int | None = None
) -> tuple[list[int], int]:
    """End sessions, half-done changes and sign-ins, programs, cases of the help desk: (ids of the sessions, messages
    that wait for sites)."""
    ended = sessions.signed_in.end_all(person.id, now=now, why=why, besides=besides)
    sessions.changing.end_all(person.id, now=now)
    sessions.pending.end_all(person.id, now=now)
    factors.losses.cancel(person.id, now=now)  # whoever asked for it may be who is thrown out
    stopped = desk.cases.end_of_person(person.id, now=now)  # and whoever stands at the desk
    people.contacts.withdraw(stopped, now=now)
    return ended, log_out_of_sites.end_grants_and_notify(person, ended, now=now, programs=True)


@transaction.atomic
def end_program(*, signed_in: SignedIn, grant_id: int, browser: Browser, now: datetime) -> bool:
    """Make a program that stays signed in sign in again. False: there is none."""
    person, session = signed_in.person, signed_in.session
    ended = log_out_of_sites.end_program(person, grant_id, now=now)
    if ended:
        audit_log.record_event(
            "program_ended", now=now, person_id=person.id, session_id=session.id, browser=browser, site=ended.site
        )
    return bool(ended)
