"""An account is disabled when its person leaves, and enabled again when that was a mistake.

A disabled account is refused at every door by its state alone; what ends here is what was open at that moment:
sessions, half-done changes, temporary passwords, what sites were granted. The sites are told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from massar.core.audit import api as audit_log
from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.journeys.sso import log_out_of_sites

WHY = "disabled"
LONGEST_REASON = 200


@dataclass(frozen=True)
class Closed:
    """What ended. changed False: it was so before. told: messages that wait for sites."""

    changed: bool
    sessions: int
    told: int


@transaction.atomic
def disable(*, person: people.PersonFacts, reason: str, now: datetime) -> Closed:
    """Shut the account. The state comes first: what is opened beside this is refused by it."""
    changed = people.directory.disable(person.id)
    closed = _ended(person, changed, now)
    audit_log.record_event(
        "account_disabled",
        now=now,
        person_id=person.id,
        outcome=_outcome(changed),
        reason=reason[:LONGEST_REASON],
        ended=closed.sessions,
    )
    return closed


@transaction.atomic
def enable(*, person: people.PersonFacts, reason: str, now: datetime) -> Closed:
    """Open the account. A session that came to be while it was being shut must not live again: it ends before."""
    closed = _ended(person, True, now)
    changed = people.directory.enable(person.id)
    audit_log.record_event(
        "account_enabled", now=now, person_id=person.id, outcome=_outcome(changed), reason=reason[:LONGEST_REASON]
    )
    return Closed(changed, closed.sessions, closed.told)


def _ended(person: people.PersonFacts, changed: bool, now: datetime) -> Closed:
    ended = sessions.signed_in.end_all(person.id, now=now, why=WHY)
    sessions.changing.end_all(person.id, now=now)
    credentials.temporary.end_all(person.id, now=now, why=WHY)
    return Closed(changed, len(ended), log_out_of_sites.end_grants_and_notify(person, ended, now=now, programs=True))


def _outcome(changed: bool) -> str:
    return "" if changed else "already"
