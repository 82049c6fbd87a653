"""Slips that were printed are withdrawn, one by one or a whole batch, and listed with how each stands."""

from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from massar.core import local_time
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
    mine = {id for id in facts if agent is None or agents.weigh(agent, id, rights.Right.SLIP, now=now).by}
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


def batches(unit: people.units.UnitFacts | None, *, now: datetime) -> list[credentials.handed.BatchFacts]:
    """The newest batches: of a unit and what is below it, or of all."""
    if unit is None:
        return handed.batches()
    return handed.batches_of([one.id for one in people.units.below(unit.id, on=local_time.local(now).date())])
