"""Roles granted to a person at a unit, for a time: in one's own right, as an acting head, as a deputy.

Each has an end, so that every list of who may do what is looked at once a year. A grant holds for the unit and all that
stands below it, on days on which they are open. What a role may do stands in `rights`."""

from collections import defaultdict
from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import NamedTuple

from massar.core import sql, text
from massar.domain.people import belonging, contacts, units
from massar.domain.people.models import RoleGrant
from massar.domain.people.rights import AT, Role, Standing

Kind = RoleGrant.Kind
LONGEST = timedelta(days=400)  # a school year, and its summer
LONGEST_REASON = 200
OPERATOR = "operator"  # the kind of person who watches over the installation
_HOLDS = f"g.revoked_at IS NULL AND {units.HOLDS.format('g')}"
_GRANTS = """SELECT g.id, g.role, u.code, g.kind, g.since, g.until, g.reason, g.revoked_at, u.id AS unit_id,
u.name_ar, u.name_latin FROM people_rolegrant g JOIN people_unit u ON u.id = g.unit_id"""
_STANDING = f"""{belonging.ABOVE_EACH}
SELECT above.person_id, 'over', g.role, above.kind FROM above JOIN people_rolegrant g ON g.unit_id = above.id
WHERE g.person_id = %s AND {_HOLDS}
UNION ALL SELECT g.person_id, 'held', g.role, 0 FROM people_rolegrant g JOIN people_unit u ON u.id = g.unit_id
WHERE g.person_id IN ([people]) AND {_HOLDS} AND {units.HOLDS.format("u")}
UNION ALL SELECT p.id, 'is', p.role, 0 FROM people_person p WHERE p.id IN ([people])"""


# The grant by which a person helps others on a day, a teacher's last; in a statement where `p` is the person. Takes
# the day four times.
HELPS_BY = f"""SELECT g.id FROM people_rolegrant g JOIN people_unit d ON d.id = g.unit_id
WHERE g.person_id = p.id AND {_HOLDS} AND {units.HOLDS.format("d")}
ORDER BY CASE g.role WHEN '{Role.TEACHER}' THEN 1 ELSE 0 END, g.id LIMIT 1"""


class HeldRole(NamedTuple):
    """One grant: which role, where, in whose place, from when to when, why, since when it is taken back."""

    id: int
    role: str
    code: str
    kind: str
    since: date
    until: date
    reason: str
    revoked_at: datetime | None
    unit_id: int
    name_ar: str
    name_latin: str

    def name(self, language: str) -> str:
        return text.of_language(language, self.name_ar, self.name_latin)


def grant(
    person_id: int, role: Role, unit: units.UnitFacts, *, kind: str = Kind.OWN, since: date, until: date, reason: str,
    by: int | None, now: datetime,
) -> int | str:  # fmt: skip
    """Grant a role and return the grant's id, or why not: 'role_unit', 'role_days', 'role_held' (until a later or the
    same day). Inside the caller's transaction."""
    if unit.kind != AT[role]:
        return "role_unit"
    if not since <= until <= since + LONGEST or not unit.open_on(since):
        return "role_days"
    contacts.lock(person_id)
    if any(one.until >= until for one in _live(person_id, role, unit.code)):
        return "role_held"
    return RoleGrant.objects.create(
        person_id=person_id, unit_id=unit.id, role=role, kind=kind, since=since, until=until,
        reason=reason[:LONGEST_REASON], granted_by=by, granted_at=now,
    ).pk  # fmt: skip


def revoke(person_id: int, role: Role, code: str, *, on: date, now: datetime) -> int:
    """Take the role back at once, at that unit, what begins later too; how many grants ended. Inside the caller's
    transaction."""
    contacts.lock(person_id)
    live = [one.id for one in _live(person_id, role, code) if one.until >= on]
    return RoleGrant.objects.filter(pk__in=live, revoked_at=None).update(revoked_at=now)


def holders(person_ids: Collection[int], *, on: date) -> set[int]:
    """Those of these people who have a role that day, or will."""
    rows = sql.find("person_id, until, revoked_at", "people_rolegrant", "person_id", person_ids) if person_ids else ()
    return {person_id for person_id, until, revoked_at in rows if revoked_at is None and sql.as_day(until) >= on}


def of_person(person_id: int) -> list[HeldRole]:
    """All that were ever granted, newest first."""
    return sql.select(HeldRole, f"{_GRANTS} WHERE g.person_id = %s ORDER BY g.id DESC", (person_id,))


def holds_one_of(number: int) -> str:
    """A statement that finds something if the person `named.id` of the one around it holds one of so many roles. Takes
    what `holds_params` gives."""
    return (
        f"SELECT 1 FROM people_rolegrant g JOIN people_unit d ON d.id = g.unit_id WHERE g.person_id = named.id "
        f"AND g.role IN ({sql.placeholders(number)}) AND {_HOLDS} AND {units.HOLDS.format('d')}"
    )


def holds_params(held: Collection[str], on: date) -> tuple[object, ...]:
    return (*held, *units.params(on) * 2)


def holding(person_id: int, *, on: date) -> list[HeldRole]:
    """Those that hold on that day, at units that are open, oldest first."""
    held = f"{_GRANTS} WHERE g.person_id = %s AND {_HOLDS} AND {units.HOLDS.format('u')} ORDER BY g.id"
    return sql.select(HeldRole, held, (person_id, *units.params(on) * 2))


def standing(agent_id: int, person_id: int, *, on: date) -> Standing:
    """How they stand to each other on that day: what `rights.judge` decides by, read in one statement."""
    return standings(agent_id, [person_id], on=on)[person_id]


def standings(agent_id: int, person_ids: Collection[int], *, on: date) -> dict[int, Standing]:
    """The same to each of many people, a statement for each five hundred."""
    over, held = defaultdict[int, set[tuple[Role, belonging.Kind]]](set), defaultdict[int, set[Role]](set)
    operates, days = set[int](), units.params(on)
    for some in sql.parts(sorted(person_ids)):
        statement = _STANDING.replace("[people]", sql.placeholders(len(some)))
        params = (*some, *days * 3, agent_id, *days, *some, *days * 2, *some)
        for person_id, what, role, kind in sql.rows(statement, params):
            if what == "over":
                over[person_id].add((Role(role), belonging.Kind(kind)))
            elif what == "held":
                held[person_id].add(Role(role))
            elif role == OPERATOR:
                operates.add(person_id)
    return {
        id: Standing(agent_id, id, frozenset(over[id]), frozenset(held[id]), id in operates) for id in person_ids
    }  # fmt: skip


def heads_of(person_id: int, *, on: date) -> list[int]:
    """Who is head, in whosever place, of an establishment to which the person belongs that day."""
    statement = f"""{belonging.ABOVE} SELECT DISTINCT g.person_id FROM above JOIN people_rolegrant g
    ON g.unit_id = above.id WHERE g.role = %s AND g.person_id <> %s AND {_HOLDS} ORDER BY g.person_id"""
    mine = (*belonging.above_params(person_id, on), str(Role.HEAD), person_id, *units.params(on))
    return [found for (found,) in sql.rows(statement, mine)]


def depend(one_id: int, other_id: int, *, on: date) -> bool:
    """Whether one of these two granted the other a role that holds that day: they are no two pairs of eyes."""
    granted = "(g.person_id = %s AND g.granted_by = %s)"
    statement = f"SELECT 1 FROM people_rolegrant g WHERE ({granted} OR {granted}) AND {_HOLDS} LIMIT 1"
    return bool(sql.rows(statement, (one_id, other_id, other_id, one_id, *units.params(on))))


def _live(person_id: int, role: Role, code: str) -> list[HeldRole]:
    return [g for g in of_person(person_id) if (g.role, g.code) == (role, code) and g.revoked_at is None]
