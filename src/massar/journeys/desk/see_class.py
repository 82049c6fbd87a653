"""The classes and schools of an agent, and who belongs to a class: for slips, codes and the list on paper."""

from datetime import date, datetime
from typing import NamedTuple

from massar.core import local_time
from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.journeys.desk.agents import Agent

Kind = people.units.Kind


class SchoolOrClass(NamedTuple):
    """A class or an establishment of the agent's, and as which kinds people there may be given what was asked for."""

    unit: people.units.UnitFacts
    kinds: tuple[people.Kind, ...]


class Pupil(NamedTuple):
    """A pupil of a class. active: has chosen a password. stands: how the last slip stands, '' without one."""

    person: people.PersonFacts
    active: bool
    stands: str


def branch(agent: Agent, unit_id: int, right: rights.Right, *, now: datetime) -> SchoolOrClass | None:
    """The class or establishment of that id, where it is one of the agent's or lies below one; None for any other."""
    above = people.units.above(unit_id, on=_day(now))
    unit = next((one for one in above if one.id == unit_id), None)
    if unit is None or unit.kind < Kind.ESTABLISHMENT:
        return None
    held = {one.role for one in agent.roles if one.unit_id in {up.id for up in above}}
    tables = [rights.RIGHTS[rights.Role(role)] for role in held]
    kinds = tuple(kind for kind in people.Kind if any(right in table.get(kind, ()) for table in tables))
    return SchoolOrClass(unit, kinds) if kinds else None


def own(agent: Agent, right: rights.Right, *, now: datetime) -> list[people.units.UnitFacts]:
    """The classes and establishments at which the agent holds a role with this right, with the classes below. Who
    helps for a directorate or more names one by its code."""
    found = dict[int, people.units.UnitFacts]()
    for held in agent.roles:
        at = rights.AT[rights.Role(held.role)]
        may = any(right in some for some in rights.RIGHTS[rights.Role(held.role)].values())
        if may and at >= Kind.ESTABLISHMENT:
            found |= {one.id: one for one in people.units.below(held.unit_id, on=_day(now))}
    return sorted(found.values(), key=lambda one: (one.kind, one.code))


def classes(of: people.units.UnitFacts, *, now: datetime) -> list[people.units.UnitFacts]:
    """The open classes of an establishment; of a class none."""
    found = people.units.below(of.id, on=_day(now), kinds=[Kind.CLASS])
    return [one for one in found if one.parent_id == of.id]


def by_code(agent: Agent, code: str, right: rights.Right, *, now: datetime) -> people.units.UnitFacts | None:
    """The class or establishment of that code, if it is the agent's; None for any other. Small letters will do."""
    unit = people.units.by_typed_code(code)
    found = branch(agent, unit.id, right, now=now) if unit else None
    return found.unit if found else None


def pupils(of: people.units.UnitFacts, *, now: datetime) -> list[Pupil]:
    """Who belongs to the class today, by name."""
    belong = [person for person, _ in people.directory.members([of.id], [people.Kind.PUPIL], now=now)]
    active = credentials.passwords.activated([one.id for one in belong])
    last = credentials.handed.newest_slips([one.id for one in belong])
    listed = [Pupil(one, one.id in active, last[one.id].stands(now) if one.id in last else "") for one in belong]
    return sorted(listed, key=lambda one: one.person.by_name)


def _day(now: datetime) -> date:
    return local_time.local(now).date()
