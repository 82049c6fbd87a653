"""Approved cases looked at once more: by an agent above those who decided, who had no part in it (security design §4).

What is found is a row of the audit log, and where something is to be asked about, an alarm of the operators: it stands
for `reviews.ALARM`, or until somebody above has found the case right after all."""

from collections.abc import Sequence
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
    numbers = desk.reviews.waiting(
        watch_cases.branches_of(agent, now), _roles_below(agent), besides=agent.person.id, most=MOST
    )
    return _judge(agent, desk.cases.by_numbers(numbers), now)[:SHOWN]


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
    return next(iter(_judge(agent, [case], now)), None)


def _decided_below(agent: Agent, case: desk.CaseFacts) -> bool:
    """By the roles alone, which costs nothing."""
    roles = {role for role in (case.agent_role, case.second_role) if role}
    mixed_in = agent.person.id in (case.agent_id, case.second_id, case.person_id)
    return not mixed_in and all(role in _roles_below(agent) for role in roles)


def _roles_below(agent: Agent) -> list[rights.Role]:
    mine = [rights.Role(held.role) for held in agent.roles]
    return [role for role in rights.Role if any(rights.is_above(one, role) for one in mine)]


def _judge(agent: Agent, found: Sequence[desk.CaseFacts], now: datetime) -> list[Drawn]:
    """Of these cases, decided below, those of people whom the agent may look at. Over the deciding agents too, not only
    over the branch; the ministry's desk is over all of them, those who have left and its own colleagues included."""
    concerned = {id for case in found for id in (case.person_id, case.agent_id, case.second_id) if id}
    permissions = agents.weigh_all(agent, concerned, rights.Right.STATE, now=now)
    may = {id for id, permission in permissions.items() if permission.by}
    facts, drawn = people.directory.by_ids(concerned, now=now), list[Drawn]()
    for case in found:
        if case.person_id in may and (agent.serves_ministry or all(id in may for id, _ in case.deciders)):
            deciders = [(facts[id], role) for id, role in case.deciders if id in facts]
            drawn.append(Drawn(case, facts[case.person_id], deciders))
    return drawn
