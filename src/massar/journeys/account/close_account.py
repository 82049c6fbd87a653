"""An account is disabled when its person leaves, and enabled again when that was a mistake.

A disabled account is refused at every door by its state alone; what ends here is what was open at that moment:
sessions, half-done changes, temporary passwords, what sites were granted. The sites are told."""

from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from massar.core.audit import api as audit_log
from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.journeys.account import close_sessions, guardians

LONGEST_REASON = 200


class Closed(NamedTuple):
    """What ended. changed False: it was so before. told: messages that wait for sites."""

    changed: bool
    sessions: int
    told: int


@transaction.atomic
def disable(*, person: people.PersonFacts, reason: str, now: datetime) -> Closed:
    """Shut the account. The state comes first: what is opened beside this is refused by it."""
    changed = people.directory.disable(person.id)
    ended, told = _end(person, now)
    why, outcome = reason[:LONGEST_REASON], "" if changed else "already"
    audit_log.record_event("account_disabled", now=now, person_id=person.id, outcome=outcome, reason=why, ended=ended)
    return Closed(changed, ended, told)


@transaction.atomic
def enable(*, person: people.PersonFacts, reason: str, now: datetime) -> Closed:
    """Open the account. A session that came to be while it was being shut must not live again: it ends before."""
    ended, told = _end(person, now)
    changed = people.directory.enable(person.id)
    why, outcome = reason[:LONGEST_REASON], "" if changed else "already"
    audit_log.record_event("account_enabled", now=now, person_id=person.id, outcome=outcome, reason=why)
    return Closed(changed, ended, told)


def _end(person: people.PersonFacts, now: datetime) -> tuple[int, int]:
    ended, told = close_sessions.end_everything(person, now=now, why="disabled")
    credentials.temporary.end_all(person.id, now=now, why="disabled")
    guardians.end_what_was_told(person, now=now, why="disabled")
    return len(ended), told
