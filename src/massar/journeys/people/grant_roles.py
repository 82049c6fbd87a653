"""A role is granted to a person at a unit, or taken back: by command alone, with a reason, told in the log."""

from datetime import date, datetime

from django.db import transaction

from massar.core import local_time
from massar.core.audit import api as audit_log
from massar.domain.people import api as people
from massar.journeys.desk import void_slips
from massar.journeys.outcomes import Done, Problem


@transaction.atomic
def grant(
    *, person: people.PersonFacts, role: people.rights.Role, unit: people.units.UnitFacts, kind: str, since: date,
    until: date, reason: str, now: datetime,
) -> Done | Problem:  # fmt: skip
    """Grant it from `since` to the last day `until`. A disabled account gets none, nor one that is frozen."""
    if not person.active:
        return Problem("role_shut")
    granted = people.roles.grant(
        person.id, role, unit, kind=kind, since=since, until=until, reason=reason, by=None, now=now
    )
    if isinstance(granted, str):
        return Problem(granted)
    audit_log.record_event(
        "role_granted", now=now, person_id=person.id, outcome=role, unit=unit.code, place=kind,
        since=since.isoformat(), until=until.isoformat(), reason=reason[: people.roles.LONGEST_REASON],
    )  # fmt: skip
    return Done()


@transaction.atomic
def revoke(
    *, person: people.PersonFacts, role: people.rights.Role, code: str, reason: str, now: datetime,
    void: bool | None = None,
) -> Done | Problem:  # fmt: skip
    """Take it back at once, at the unit of that code. void: whether slips that the person printed there are withdrawn;
    while any of them serve, somebody has to say: of who moves they may stay, of who betrayed the role not."""
    people.contacts.lock(person.id)  # who prints, and who takes the role back, wait for each other
    unit = people.units.by_code(code)
    printed = void_slips.waiting_of(person.id, below=unit, now=now) if unit else 0
    if printed and void is None:
        return Problem("role_slips", {"count": printed})
    if not people.roles.revoke(person.id, role, code, on=local_time.local(now).date(), now=now):
        return Problem("role_not_held")
    audit_log.record_event(
        "role_revoked", now=now, person_id=person.id, outcome=role, unit=code,
        reason=reason[: people.roles.LONGEST_REASON],
    )  # fmt: skip
    if void:
        void_slips.void_of(person.id, below=unit, reason=reason, now=now)
    return Done()
