"""Lists of the own branch that an agent takes: asked for with a reason, made by a worker, fetched while they are kept.

Each has a number, which stands in the file, in the register of the desk and in the audit log, with who took it.
Contacts are masked: no right at the desk shows many of them whole (`unmask` shows one, for a reason, and tells its
person). Whoever holds a role as high as the agent's, and whoever operates, stands in none (ATK-133, 135, 139)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from django.db import transaction

from massar.core import local_time
from massar.core.audit import api as audit_log
from massar.core.sheets import api as sheets
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.people.api import Kind, exports, rights
from massar.journeys.desk.agents import LONGEST_REASON, Agent
from massar.journeys.outcomes import Problem, Problems, TooManyAttempts
from massar.journeys.people.branch_list import ListScope

Export = exports.ExportFacts
AT_WORK = exports.AT_WORK
WHO: Mapping[str, Collection[Kind]] = {
    "": tuple(Kind),
    "staff": (Kind.STAFF, Kind.COMPLEMENT),
    "pupil": (Kind.PUPIL,),
    "guardian": (Kind.GUARDIAN,),
}
MOST = 100_000  # people of one list: a directorate. More is the operators' command
MOST_OPEN = 3
SHOWN = 20


class Taken(NamedTuple):
    """An export as the desk's register shows it. by: who took it; None: nobody any more."""

    export: Export
    unit: people.units.UnitFacts | None
    by: people.PersonFacts | None


def scope(
    roles: Sequence[people.roles.HeldRole], unit: people.units.UnitFacts, who: str, *, now: datetime
) -> tuple[ListScope, people.roles.HeldRole] | None:
    """Whom a holder of these roles may take of that unit, and by which role; None where it is nobody."""
    above = {one.id for one in people.units.above(unit.id, on=_day(now))}
    mine = {rights.Role(held.role): held for held in roles if held.unit_id in above and kinds(held.role, who)}
    if not mine or unit.id not in above:
        return None
    highest = rights.highest(mine)
    return ListScope(unit, kinds(highest, who), rights.as_high_as(highest)), mine[highest]


def still(
    one: Export, roles: Sequence[people.roles.HeldRole], *, now: datetime
) -> tuple[ListScope, people.roles.HeldRole] | None:
    """The same of a registered list, by the role for which it was asked: in it stand people whom another role of its
    holder may not take (ATK-139)."""
    unit = people.units.by_id(one.unit_id)
    return scope([held for held in roles if held.unit_id == one.desk_id], unit, one.who, now=now) if unit else None


def kinds(role: str, who: str) -> list[Kind]:
    """As what people belong whom that role may take."""
    table = rights.RIGHTS[rights.Role(role)]
    return [kind for kind in WHO[who] if rights.Right.EXPORT in table.get(kind, ())]


@transaction.atomic
def ask(
    agent: Agent, *, code: str, who: str, ending: str, reason: str, language: str, now: datetime
) -> Export | Problems | TooManyAttempts:
    """Register a list, which a worker then makes."""
    unit = people.units.by_typed_code(code)
    found = scope(agent.roles, unit, who, now=now) if unit else None
    if unit is None or found is None:
        return Problems({"code": [Problem("export_unit")]})
    taken, held = found
    total = people.members.count(unit.id, [int(kind) for kind in taken.kinds], most=MOST, on=_day(now))
    if not 0 < total <= MOST:
        return Problems({"who": [Problem("export_many", {"most": MOST}) if total else Problem("export_nobody")]})
    people.contacts.lock(agent.person.id)  # two that are asked for at once are counted one after the other
    if exports.count_open(agent.person.id) >= MOST_OPEN:
        return Problems({"who": [Problem("export_open", {"most": MOST_OPEN})]})
    spent = limits.consume([limits.rate_limits.EXPORT_ROWS.bucket(agent.person.id, units=total)], now=now)
    if spent:
        return TooManyAttempts(spent.until)
    one = exports.add(
        asked_by=agent.person.id, desk_id=held.unit_id, unit_id=unit.id, who=who, ending=ending, language=language,
        reason=reason[:LONGEST_REASON], total=total, now=now,
    )  # fmt: skip
    record("people_exported", one, unit, agent=agent, role=held.role, now=now)
    return one


@transaction.atomic
def begin(
    unit: people.units.UnitFacts, *, who: str, ending: str, reason: str, language: str, whole: bool, now: datetime
) -> Export | Problem:
    """Register a list that a command writes itself, before it does. whole: with contacts as they are."""
    total = people.members.count(unit.id, [int(kind) for kind in WHO[who]], most=sheets.BY_COMMAND.rows, on=_day(now))
    if ending == "xlsx" and total > sheets.MOST_ROWS - 2:
        return Problem("export_sheet", {"people": total})
    one = exports.add(
        asked_by=None, desk_id=None, unit_id=unit.id, who=who, ending=ending, language=language,
        reason=reason[:LONGEST_REASON], total=total, now=now,
    )  # fmt: skip
    record("people_exported", one, unit, now=now, contacts="whole" if whole else "masked")
    return one


def desks(agent: Agent) -> list[people.roles.HeldRole]:
    """The roles by which the agent may take a list."""
    return [held for held in agent.roles if kinds(held.role, "")]


def register(agent: Agent, *, now: datetime) -> list[Taken]:
    """What was taken from the agent's desks, newest first: colleagues see each other's."""
    found = exports.of_desks(sorted({held.unit_id for held in desks(agent)}), most=SHOWN)
    units = {one.id: one for one in people.units.by_ids(sorted({one.unit_id for one in found}))}
    by = people.directory.by_ids({one.asked_by for one in found if one.asked_by}, now=now)
    return [Taken(one, units.get(one.unit_id), by.get(one.asked_by or 0)) for one in found]


@transaction.atomic
def fetch(agent: Agent, uid: str, *, now: datetime) -> tuple[Export, Iterator[bytes]] | None:
    """The file, for the agent who asked for it, while it is kept and the role still holds; None for everybody else."""
    one = exports.by_uid(uid)
    if one is None or one.asked_by != agent.person.id or one.state is not exports.ExportState.MADE:
        return None
    found = still(one, agent.roles, now=now)
    if found is None:
        return None
    record("people_export_fetched", one, found[0].unit, agent=agent, role=found[1].role, now=now)
    return one, exports.pieces(one.id)


def record(
    event: str, one: Export, unit: people.units.UnitFacts, *, now: datetime, agent: Agent | None = None, role: str = "",
    **more: str,
) -> None:  # fmt: skip
    """One row with whoever took it. Nobody's own history is filled with it: a hundred thousand rows would tell none of
    these people anything that they could act upon (docs/adr/0084)."""
    about: dict[str, str | int] = {
        "number": one.number, "unit": unit.code, "who": one.who or "everybody", "people": one.done or one.total,
        "reason": one.reason, "role": role, **more,
    }  # fmt: skip
    by = (agent.person.id, agent.session.id) if agent else (None, None)
    audit_log.record_event(event, now=now, person_id=by[0], session_id=by[1], **about)  # type: ignore[arg-type]


def _day(now: datetime) -> date:
    return local_time.local(now).date()
