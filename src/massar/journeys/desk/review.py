"""Approved cases looked at once more: by an agent above those who decided, who had no part in it (security design §4).

What is found is a row of the audit log, and where something is to be asked about, an alarm of the operators: it stands
until somebody above has found the case right after all."""

from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from massar.core.audit import api as audit_log
from massar.domain.desk import api as desk
from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.journeys.desk import agents, watch_cases
from massar.journeys.desk.agents import Agent
from massar.journeys.outcomes import Done, Gone

Review = desk.reviews.Review
MOST = 100  # cases that are looked through for one page
SHOWN = 20


class Drawn(NamedTuple):
    """A case with whom it was about, and who decided, by which role."""

    case: desk.CaseFacts
    person: people.PersonFacts
    deciders: list[tuple[people.PersonFacts, str]]


def waiting(agent: Agent, *, now: datetime) -> list[Drawn]:
    """What waits for this agent, oldest first."""
    branches, found = watch_cases.branches_of(agent, now), list[Drawn]()
    for number in desk.reviews.waiting(branches, besides=agent.person.id, most=MOST):
        drawn = look(agent, number, now)
        found += [drawn] if drawn else []
        if len(found) == SHOWN:
            break
    return found


@transaction.atomic
def settle(agent: Agent, *, number: str, to: Review, reason: str = "", now: datetime) -> Done | Gone:
    """Note that it is right, or that it is asked about, with a reason."""
    drawn = look(agent, number, now)
    if drawn is None or not desk.reviews.settle(drawn.case.id, to, by=agent.person.id, now=now):
        return Gone()
    audit_log.record_event(
        "desk_reviewed", now=now, person_id=agent.person.id, session_id=agent.session.id, outcome=to.value,
        case=drawn.case.shown, of=drawn.case.agent_id or 0,
        reason=reason[: agents.LONGEST_REASON],
    )  # fmt: skip
    return Done()


def look(agent: Agent, number: str, now: datetime) -> Drawn | None:
    """The case, if it waits and this agent is above all who decided, and may look at the person."""
    case = desk.cases.by_number(number)
    if case is None or case.review not in desk.reviews.WAITS or not _decided_below(agent, case):
        return None
    if case.person_id is None or agents.weigh(agent, case.person_id, rights.Right.STATE, now=now).by is None:
        return None
    parties = [(case.agent_id, case.agent_role), (case.second_id, case.second_role)]
    if not all(_is_above(agent, id, rights.Role(role), now) for id, role in parties if id):
        return None
    person = people.directory.by_id(case.person_id, now=now)
    known = [(people.directory.by_id(id, now=now), role) for id, role in parties if id]
    return Drawn(case, person, [(one, role) for one, role in known if one]) if person else None


def _decided_below(agent: Agent, case: desk.CaseFacts) -> bool:
    """By the roles alone, which costs nothing."""
    mine = [rights.Role(held.role) for held in agent.roles]
    roles = [rights.Role(role) for role in (case.agent_role, case.second_role) if role]
    mixed_in = agent.person.id in (case.agent_id, case.second_id, case.person_id)
    return not mixed_in and all(any(rights.is_above(one, role) for one in mine) for role in roles)


def _is_above(agent: Agent, person_id: int, role: rights.Role, now: datetime) -> bool:
    """Over the agent too, not only over the branch. Colleagues of the ministry's desk look at each other's cases."""
    if role == rights.Role.MINISTRY_DESK:
        return agent.serves_ministry
    return agents.weigh(agent, person_id, rights.Right.STATE, now=now).by is not None
