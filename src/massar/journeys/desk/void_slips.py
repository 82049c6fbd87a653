"""Slips that were printed are withdrawn, one by one or a whole batch, and listed with how each stands."""

from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from massar.core import local_time, sql
from massar.core.audit import api as audit_log
from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.journeys.desk import agents
from massar.journeys.desk.agents import Agent

handed = credentials.handed


class ListedSlip(NamedTuple):
    """A slip, whose it is, and how it stands (`SlipFacts.stands`)."""

    slip: credentials.handed.SlipFacts
    person: people.PersonFacts
    stands: str


def slips_of(batch_id: int, place: int | None = None, *, agent: Agent | None, now: datetime) -> list[ListedSlip]:
    """The slips of a batch, or one of them; of an agent, those of people whom the agent may help."""
    found = handed.slips(batch_id, place)
    facts = people.directory.by_ids({one.person_id for one in found}, now=now)
    permissions = agents.weigh_all(agent, facts, rights.Right.SLIP, now=now) if agent else {}
    mine = {id for id in facts if agent is None or permissions[id].by}
    return [ListedSlip(one, facts[one.person_id], one.stands(now)) for one in found if one.person_id in mine]


@transaction.atomic
def void(
    batch_id: int, place: int | None = None, *, agent: Agent | None, reason: str, now: datetime
) -> list[ListedSlip]:
    """Withdraw a slip, or all of a batch that the agent may; returns those that served until now."""
    people.contacts.lock(*(handed.people_of(batch_id, place) or [0]))
    ended = list[ListedSlip]()
    for one in slips_of(batch_id, place, agent=agent, now=now):
        if handed.void(batch_id, one.slip.place, now=now):
            ended.append(one)
            permission = agents.weigh(agent, one.person.id, rights.Right.SLIP, now=now) if agent else None
            agents.record("slip_voided", agent, one.person, permission, now=now, reason=reason, number=one.slip.number)
    return ended


def waiting_of(printer_id: int, *, below: people.units.UnitFacts | None = None, now: datetime) -> int:
    """How many slips that this agent printed still serve: all, or those for a unit and what is below it."""
    return sum(count for _, count in _batches_of(printer_id, below, None, now).values())


@transaction.atomic
def void_printer(printer: people.PersonFacts, *, reason: str, now: datetime) -> int:
    """Withdraw all that this agent printed; how many served until now."""
    people.contacts.lock(printer.id)
    return void_of(printer.id, reason=reason, now=now)


def void_of(
    printer_id: int, *, reason: str, now: datetime, below: people.units.UnitFacts | None = None,
    since: datetime | None = None,
) -> int:  # fmt: skip
    """Withdraw what this agent printed: all, or since then, or for a unit and what is below it; how many served until
    now. Inside the caller's transaction, which holds the agent's lock: what is being printed beside it serves already,
    or never will (`print_slips.finish`).

    Its people are not locked, there may be thousands: nothing of them is read, and what one of the slips has opened
    ends with it."""
    detail = {"reason": reason[: agents.LONGEST_REASON]}
    ended = [
        audit_log.AuditEvent(
            "slip_voided", now, person_id=person_id, detail={**detail, "number": handed.number(batch_id, place)}
        )
        for batch_id in _batches_of(printer_id, below, since, now)
        for place, person_id in handed.void(batch_id, now=now)
    ]
    for some in sql.parts(ended):
        audit_log.record_events(some)
    return len(ended)


def _batches_of(
    printer_id: int, below: people.units.UnitFacts | None, since: datetime | None, now: datetime
) -> dict[int, tuple[int | None, int]]:
    """As `handed.waiting_of_printer`. A batch for somebody who belonged nowhere is of every unit."""
    found, day = handed.waiting_of_printer(printer_id, since=since), local_time.local(now).date()
    if below is None:
        return found
    above = {unit_id: people.units.above(unit_id, on=day) for unit_id, _ in found.values() if unit_id}
    ours = {None, *(unit_id for unit_id, ups in above.items() if below.id in {up.id for up in ups})}
    return {batch_id: of for batch_id, of in found.items() if of[0] in ours}


def batches(unit: people.units.UnitFacts | None, *, now: datetime) -> list[credentials.handed.BatchFacts]:
    """The newest batches: of a unit and what is below it, or of all."""
    if unit is None:
        return handed.batches()
    return handed.batches_of([one.id for one in people.units.below(unit.id, on=local_time.local(now).date())])
