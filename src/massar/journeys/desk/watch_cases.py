"""What a branch sees of its cases: those that wait, those of late, and how long they usually take."""

from datetime import datetime, timedelta
from typing import NamedTuple

from massar.core import local_time
from massar.domain.desk import api as desk
from massar.domain.people import api as people
from massar.journeys.desk import approve
from massar.journeys.desk.agents import Agent
from massar.journeys.outcomes import TooManyAttempts

BACK = timedelta(days=30)


class BranchCases(NamedTuple):
    """Cases without names: `open` ones and those that are `over`, newest first; the usual time, in minutes."""

    open: list[desk.CaseFacts]
    over: list[desk.CaseFacts]
    minutes: float | None


class CaseReceipt(NamedTuple):
    """What the receipt of a case says, by its branch: never an agent's name, never what was typed."""

    case: desk.CaseFacts
    person: people.PersonFacts
    unit: people.units.UnitFacts | None
    ends_at: datetime | None


def of_agent(*, agent: Agent, now: datetime) -> BranchCases:
    """Of every directorate of the agent's branches, and the agent's own."""
    branches, since = branches_of(agent, now), now - BACK
    found = desk.seen.recent(branches, agent_id=agent.person.id, since=since)
    live = [one for one in found if one.state in desk.cases.LIVE and one.expires_at > now]
    over = [one for one in found if one not in live]
    return BranchCases(live, over, desk.seen.usual_minutes(branches, agent_id=agent.person.id, since=since))


def receipt(*, agent: Agent, number: str, now: datetime) -> CaseReceipt | TooManyAttempts | None:
    """None for a case that this agent may not see, or about which nothing was decided yet."""
    seen = approve.look(agent=agent, number=number, now=now)
    if isinstance(seen, TooManyAttempts):
        return seen
    if seen is None or not seen.case.kind:
        return None
    case = seen.case
    added = people.contacts.by_id(case.contact_id, seen.person.id) if case.contact_id else None
    return CaseReceipt(case, seen.person, people.units.by_code(case.unit), added.counts_from if added else None)


def branches_of(agent: Agent, now: datetime) -> list[int]:
    """The directorates, and what stands in their place, at or below the units of the agent's roles."""
    mine, found = {held.unit_id for held in agent.roles}, set[int]()
    for above, directorates in people.units.branches(on=local_time.local(now).date()):
        if mine & {above.id, above.parent_id}:
            found |= {above.id, *(one.id for one in directorates)} | (mine & {above.parent_id or 0})
        found |= mine & {one.id for one in directorates}
    return sorted(found)
