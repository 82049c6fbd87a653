"""An agent searches for a person of the own branch.

    what was typed is judged and charged --> sealed into an address --> the page of what was found

By an address, a payroll number or a code: the same statements whatever was typed, and who is outside is nobody. By a
name: within a directorate at most (`people.search`), so who helps for more chooses a part."""

import json
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from massar.core import local_time, text
from massar.core.audit import api as audit_log
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.journeys.desk import agents
from massar.journeys.desk.agents import Agent
from massar.journeys.outcomes import Problem, Problems, TooManyAttempts

LONGEST = 100
_WIDE = (rights.Role.MINISTRY_DESK, rights.Role.ACADEMY_DESK)  # whose branch is too wide for a name
_PARTS = {  # what an agent of that role may choose to search in
    rights.Role.MINISTRY_DESK: people.units.Kind.DIRECTORATE,
    rights.Role.ACADEMY_DESK: people.units.Kind.DIRECTORATE,
    rights.Role.DIRECTORATE_DESK: people.units.Kind.ESTABLISHMENT,
    rights.Role.HEAD: people.units.Kind.CLASS,
}


class Results(NamedTuple):
    """What was typed, where it was looked for (None: everywhere), who was found, and whether there are more."""

    typed: str
    place: people.units.UnitFacts | None
    found: list[people.PersonFacts]
    more: bool


def places(agent: Agent, *, now: datetime) -> list[people.units.UnitFacts]:
    """The parts of the agent's branches to which a search can be narrowed."""
    day, found = local_time.local(now).date(), dict[int, people.units.UnitFacts]()
    for held in agent.roles:
        kind = _PARTS.get(rights.Role(held.role))
        for unit in people.units.below(held.unit_id, on=day, kinds=[kind]) if kind else ():
            found[unit.id] = unit
    return list(found.values())


@transaction.atomic
def ask(agent: Agent, *, typed: str, place: str, now: datetime) -> str | Problems | TooManyAttempts:
    """Judge what was typed, charge the search, and seal it for the address of its results. place: code of one of
    `places`, or ''."""
    typed = text.one_line(typed)[:LONGEST]
    problems = _judge(agent, typed, place, now)
    if problems:
        return Problems(problems)
    spent = agents.charge(agent, limits.rate_limits.DESK_SEARCH, now=now)
    if spent:
        return spent
    audit_log.record_event("desk_searched", now=now, person_id=agent.person.id, session_id=agent.session.id)
    return agents.seal(agent, "search", json.dumps([typed, place], ensure_ascii=False))


@transaction.atomic
def results(agent: Agent, token: str, *, now: datetime) -> Results | TooManyAttempts | None:
    """Run the search behind such an address; None where it is none of this session's. Going back to it has a limit of
    its own, far above what a day needs: an address that is asked for all night searches as well (ATK-135)."""
    asked = agents.unseal(agent, "search", token)
    if asked is None:
        return None
    spent = agents.charge(agent, limits.rate_limits.DESK_FOUND, now=now)
    if spent:
        return spent
    typed, code = json.loads(asked)
    place = next((unit for unit in places(agent, now=now) if unit.code == code), None)
    if code and place is None:  # it was a part of the branch when it was chosen
        return Results(typed, None, [], more=False)
    named = [] if place else _named(agent, typed, now)
    if named:
        return Results(typed, None, named, more=False)
    found = _by_name(agent, people.search.words_of(typed), place, now)
    return Results(typed, place, found[: people.search.MOST], more=len(found) > people.search.MOST)


def _judge(agent: Agent, typed: str, place: str, now: datetime) -> dict[str, list[Problem]]:
    words = people.search.words_of(typed)
    if sum(map(len, words)) < people.search.LEAST_LETTERS:
        return {"who": [Problem("desk_letters")]}
    if place and place not in {unit.code for unit in places(agent, now=now)}:
        return {"place": [Problem("desk_place")]}
    if not place and not _is_a_name_of_accounts(typed) and all(held.role in _WIDE for held in agent.roles):
        return {"place": [Problem("desk_place")]}
    return {}


def _is_a_name_of_accounts(typed: str) -> bool:
    """Whether it has the shape of an address, of PRENOM.NOM, of a number or a code."""
    plain = text.login(typed)
    return plain is not None and any(sign in plain for sign in "@.0123456789")


def _named(agent: Agent, typed: str, now: datetime) -> list[people.PersonFacts]:
    """Whom a name of an account leads to, of those whom the agent may find. As many statements whoever it is."""
    plain = text.login(typed)
    if plain is None:
        return []
    named = people.search.ids_named(plain)
    permissions = agents.weigh_all(agent, named, rights.Right.SEARCH, now=now)
    allowed = [person_id for person_id in dict.fromkeys(named) if permissions[person_id].by]
    found = (people.directory.by_id(person_id, now=now) for person_id in allowed)
    return [person for person in found if person]


def _by_name(
    agent: Agent, words: list[str], place: people.units.UnitFacts | None, now: datetime
) -> list[people.PersonFacts]:
    found = dict[int, people.PersonFacts]()
    for held in agent.roles:
        role = rights.Role(held.role)
        if place is None and role in _WIDE:
            continue
        scope = people.search.Scope(role, held.unit_id)
        part = scope if place is None else _within(scope, place, now)
        for person in people.search.by_name(part, words, now=now) if part and words else ():
            found.setdefault(person.id, person)
    return list(found.values())


def _within(scope: people.search.Scope, place: people.units.UnitFacts, now: datetime) -> people.search.Scope | None:
    """The same scope in one part of it; None where that is not below this role's unit."""
    below = people.units.below(scope.unit_id, on=local_time.local(now).date(), kinds=[place.kind])
    return scope._replace(unit_id=place.id) if place in below else None
