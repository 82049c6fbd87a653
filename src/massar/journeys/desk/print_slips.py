"""Slips are printed: a code on paper for whoever has no password yet, by class, by school or for one person.

begin:  the batch has its number; nothing serves   (one commit)
draw:   codes, in this process alone; the caller makes pages of them and puts these where they are kept
finish: all of them serve, older ones of the same people end   (one commit)

So whatever serves was printed. Whoever dies before `finish` has changed nothing for anybody (ADR 78)."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from massar.core import local_time
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.journeys.account import notices
from massar.journeys.desk import agents
from massar.journeys.desk.agents import Agent
from massar.journeys.outcomes import Problem, TooManyAttempts

MOST = 2000  # slips of one batch
handed = credentials.handed


class Holder(NamedTuple):
    """Who gets a slip. unit: where the person belongs. recovers: the account may be in use, and is recovered by it.
    permission: the agent's; None: a command prints."""

    person: people.PersonFacts
    unit: people.units.UnitFacts | None = None
    recovers: bool = False
    permission: rights.Permission | None = None


class Chosen(NamedTuple):
    """Who gets a slip of a unit, by class and name; how many have a password already, are shut, or are not the agent's
    to help."""

    holders: list[Holder]
    active: int
    shut: int
    others: int


class Slip(NamedTuple):
    """What stands on one slip. until: the moment at which it is over."""

    holder: Holder
    number: str
    code: str
    until: datetime

    def __repr__(self) -> str:
        return f"Slip({self.number})"


class Printing(NamedTuple):
    """A batch that is begun. until: when its slips are over, the end of a day."""

    batch_id: int
    holders: Sequence[Holder]
    until: datetime
    made: Sequence[credentials.handed.Made] = ()

    @property
    def slips(self) -> list[Slip]:
        pairs = zip(self.holders, self.made, strict=True)
        return [Slip(one, handed.number(self.batch_id, made.place), made.code, self.until) for one, made in pairs]


def choose(
    unit: people.units.UnitFacts, kinds: Collection[people.Kind], *, agent: Agent | None, now: datetime
) -> Chosen:
    """Who belongs to the unit or below it as one of these kinds, and has no password yet."""
    today = local_time.local(now).date()
    below = {one.id: one for one in people.units.below(unit.id, on=today)}
    belong = people.directory.members(list(below), kinds, now=now)
    active = credentials.passwords.activated([person.id for person, _ in belong])
    left = [person.id for person, _ in belong if person.id not in active]
    permissions = agents.weigh_all(agent, left, rights.Right.SLIP, now=now) if agent else {}
    above = {one.id for one in people.units.above(unit.id, on=today)}
    branches = {held.role: held.code for held in (agent.roles if agent else ()) if held.unit_id in above}
    chosen, shut, others = list[Holder](), 0, 0
    for person, unit_id in belong:
        if person.id in active:
            continue
        permission = permissions.get(person.id)
        if permission and permission.by is None:
            others += 1
        elif not person.active:
            shut += 1
        else:
            at = branches.get(permission.by or "", "") if permission else ""
            chosen.append(Holder(person, below[unit_id], permission=permission and permission._replace(unit=at)))
    return Chosen(sorted(chosen, key=_by_class_and_name), len(active), shut, others)


def _by_class_and_name(holder: Holder) -> tuple[object, ...]:
    place = (holder.unit.kind, holder.unit.code) if holder.unit else (0, "")
    return (*place, *holder.person.by_name)


def for_one(
    person: people.PersonFacts, *, permission: rights.Permission | None, recovers: bool, now: datetime
) -> Holder | Problem:
    """One person. recovers: whoever prints may recover an account in use by a slip, as a pupil's by whoever may give
    a class code, and a command that is told so. Nobody disabled gets one; a frozen account none from an agent."""
    in_use = bool(credentials.passwords.activated([person.id])) or person.frozen_at is not None
    if not person.enabled:
        return Problem("slip_shut")
    if permission and person.frozen_at:
        return Problem("case_frozen")
    if in_use and not recovers:
        return Problem("slip_active")
    return Holder(person, _main_unit(person, now), in_use, permission)


def _main_unit(person: people.PersonFacts, now: datetime) -> people.units.UnitFacts | None:
    """Where the person belongs today: the lowest of several."""
    today = local_time.local(now).date()
    held = [one for one in people.belonging.of_person(person.id) if one.since <= today <= (one.until or today)]
    units = [unit for one in held if (unit := people.units.by_code(one.code))]
    return max(units, key=lambda unit: unit.kind, default=None)


def may_recover(agent: Agent, person_id: int, *, now: datetime) -> bool:
    """Whether the agent may print a slip for an account in use: who may give that pupil a class code."""
    return agents.weigh(agent, person_id, rights.Right.CODE, now=now).by is not None


@transaction.atomic
def begin(
    holders: Sequence[Holder], *, unit: people.units.UnitFacts | None, agent: Agent | None, now: datetime
) -> Printing | TooManyAttempts:
    """Give the batch its number, and draw a code for each. An agent's slips are counted."""
    if not 0 < len(holders) <= MOST:
        raise ValueError(f"a batch has 1 to {MOST} slips")
    if agent:
        rates, recovered = limits.rate_limits, sum(holder.recovers for holder in holders)
        buckets = [rates.SLIPS_DAY.bucket(agent.person.id, units=len(holders))]
        if recovered:  # a slip for an account in use is a class code that serves for months
            buckets.append(rates.CLASS_CODES_DAY.bucket(agent.person.id, units=recovered))
        spent = limits.consume(buckets, now=now)
        if spent:
            return TooManyAttempts(spent.until)
    printed_by = agent.person.id if agent else None
    batch_id = handed.begin_batch(unit_id=unit.id if unit else None, printed_by=printed_by, now=now)
    return Printing(batch_id, holders, last_moment(now), handed.draw([one.person.id for one in holders]))


def last_moment(now: datetime) -> datetime:
    """When a slip that is printed now is over: at the end of its last day in the country."""
    return local_time.begins(local_time.local(now).date() + settings.MASSAR.slip + timedelta(days=1))


@transaction.atomic
def finish(printing: Printing, *, agent: Agent | None, reason: str, now: datetime) -> list[Slip]:
    """Let the slips serve, now that they are printed. Returns those that don't: of people who have chosen a password,
    or were shut, while the pages were made; all, where the agent was shut out meanwhile."""
    ids = sorted(one.person.id for one in printing.holders)
    concerned = [*ids, agent.person.id] if agent else ids
    people.contacts.lock(*concerned)
    facts = people.directory.by_ids(concerned, now=now)
    shut = agent is not None and not facts[agent.person.id].active
    active = credentials.passwords.activated(ids)
    stale = {one.person.id for one in printing.holders if shut or not _still(one, facts.get(one.person.id), active)}
    serving = [one for one in printing.made if one.person_id not in stale]
    handed.put(printing.batch_id, serving, until=printing.until, now=now)
    for slip in printing.slips:
        if slip.holder.person.id not in stale:
            _record(slip, agent, reason, now)
    return [slip for slip in printing.slips if slip.holder.person.id in stale]


def _still(holder: Holder, person: people.PersonFacts | None, active: set[int]) -> bool:
    """Whether what was true when the pages were begun is true still, under the person's lock."""
    if person is None or not person.enabled or (holder.permission and person.frozen_at):
        return False
    return holder.recovers or (person.frozen_at is None and person.id not in active)


def _record(slip: Slip, agent: Agent | None, reason: str, now: datetime) -> None:
    person = slip.holder.person
    entry = agents.record(
        "slip_printed", agent, person, slip.holder.permission, now=now, reason=reason, number=slip.number,
        outcome="recovery" if slip.holder.recovers else "",
    )  # fmt: skip
    if slip.holder.recovers:  # nobody uses the other accounts, and a school's slips would be a school's messages
        notices.tell(person, "slip_printed", now=now, browser=Browser(), entry=entry)
