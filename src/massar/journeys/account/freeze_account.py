"""«This was not me»: the owner freezes the account by the link of a notice, or from the list of what happened.

What the link can do is freeze, once: whoever steals it has shut the account for the minutes of a recovery. A frozen
account is opened by a completed recovery (`change_password.by_temporary`) or by an operator, and by nothing else. What
was done in the suspicious time does not help: contacts that were added then are dropped, slips that were printed then
for others are withdrawn, removals that have not come about are taken back, and every secret, session and token of
before is dead. Nothing that guards the account goes: a second factor stays, or the link of the notice about it would
take it away."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.factors import api as factors
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.journeys.account import close_sessions, edit_profile, guardians, notices
from massar.journeys.desk import take_back, void_slips
from massar.journeys.outcomes import AccountFrozen, Done, Gone, TooManyAttempts

LINK_LIFE = timedelta(days=30)  # mailboxes of the institution are not read every day
LONGEST_REASON = 200
VOIDED = "account of who printed it frozen"  # kept in the audit log


class Denied(NamedTuple):
    """What somebody says was not theirs: whose account, and the event."""

    person: people.PersonFacts
    event: audit_log.AuditEvent


def look(*, token: str, now: datetime) -> Denied | AccountFrozen | Gone:
    """Return what the button of that page would speak of; it changes nothing (ATK-034). AccountFrozen: it is done.
    Gone: the token is none of ours or too old, or the account has been opened again since the event."""
    named = notices.read_not_me_token(token)
    event = audit_log.by_uid(*named) if named else None
    if event is None or event.person_id is None or event.at + LINK_LIFE <= now:
        return Gone()
    person = people.directory.by_id(event.person_id, now=now)
    reopened_at = people.directory.reopened_at(event.person_id)
    if person is None or (reopened_at and event.at < reopened_at):
        return Gone()
    return AccountFrozen() if person.frozen_at else Denied(person, event)


@transaction.atomic
def by_link(*, token: str, browser: Browser, now: datetime) -> Denied | AccountFrozen | TooManyAttempts | Gone:
    """Freeze the account. Denied: it was done now. Who presses twice, or beside a recovery, waits for the other."""
    found = look(token=token, now=now)
    if isinstance(found, Denied):
        _lock(found.person, found.event.at)
        found = look(token=token, now=now)
    if not isinstance(found, Denied):
        return found
    refused = limits.consume([limits.rate_limits.FREEZE.bucket(found.person.id)], now=now)
    if refused:
        return TooManyAttempts(refused.until)
    _freeze(found.person, found.event.at, "by_owner", browser, now, denied=found.event.event)
    return found


@transaction.atomic
def by_operator(*, person: people.PersonFacts, reason: str, now: datetime) -> Done | AccountFrozen:
    """Freeze the account for an owner who called. AccountFrozen: it was frozen before."""
    _lock(person, now)
    found = people.directory.by_id(person.id, now=now)
    if found and found.frozen_at:
        return AccountFrozen()
    _freeze(person, now, "by_operator", Browser(), now, reason=reason[:LONGEST_REASON])
    return Done()


@transaction.atomic
def reopen(*, person: people.PersonFacts, reason: str, now: datetime) -> Done | Gone:
    """Open a frozen account for an owner whom the operator has recognised. What came to be beside the freeze ends
    before. Gone: it was not frozen."""
    people.contacts.lock(person.id)
    if not people.directory.reopen(person.id, now=now):
        return Gone()
    _end_everything(person, now)
    entry = audit_log.record_event(
        "account_reopened", now=now, person_id=person.id, outcome="by_operator", reason=reason[:LONGEST_REASON]
    )
    notices.tell(person, "account_reopened", now=now, browser=Browser(), entry=entry)
    return Done()


def _lock(person: people.PersonFacts, suspect: datetime) -> None:
    """The person, and those for whom the person as an agent has begun something, by one statement as everywhere."""
    since = suspect - settings.MASSAR.contact_wait
    people.contacts.lock(person.id, *take_back.concerned(person.id, since=since))


def _freeze(
    person: people.PersonFacts, suspect: datetime, outcome: str, browser: Browser, now: datetime,
    denied: str = "", reason: str = "",
) -> None:  # fmt: skip
    """suspect: the moment of what was denied."""
    people.directory.freeze(person.id, now=now)
    ended, told, undone = _end_everything(person, now, suspect)
    audit_log.record_event(
        "account_frozen", now=now, person_id=person.id, outcome=outcome, browser=browser,
        sessions_ended=ended, changes_cancelled=len(undone), sites_told=told, denied=denied,
        reason=reason,
    )  # fmt: skip
    dropped = edit_profile.as_undone(undone, now).dropped
    notices.tell(person, "account_frozen", now=now, browser=browser, dropped=dropped)
    guardians.tell(person, "child_frozen", browser=browser, now=now)


def _end_everything(
    person: people.PersonFacts, now: datetime, suspect: datetime | None = None
) -> tuple[int, int, list[people.Contact]]:
    """End all that may be another's: (sessions ended, messages that wait for sites, contacts as they were undone)."""
    undone = people.contacts.undo_pending_changes(
        person.id, now=now, wait=settings.MASSAR.contact_wait, suspect=suspect
    )
    factors.losses.cancel(person.id, now=now)
    credentials.temporary.end_all(person.id, now=now, why="frozen")
    guardians.end_what_was_told(person, now=now, why="frozen")
    if suspect:
        since = suspect - settings.MASSAR.contact_wait
        void_slips.void_of(person.id, since=since, reason=VOIDED, now=now)
        take_back.of_agent(person.id, since=since, now=now)
    credentials.passwords.distrust_devices(person.id, now=now)
    ended, told = close_sessions.end_everything(person, now=now, why="frozen")
    return len(ended), told, undone
