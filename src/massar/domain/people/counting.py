"""Counting everybody at once, by unit: statements that read whole tables, for workers and never for a page."""

from datetime import date, datetime
from typing import NamedTuple

from massar.core import sql
from massar.domain.people import units

_HOLDS = units.HOLDS.format("b")
# Where each active person belongs on a day, once: the lowest kind, the first of several. Who only completes hours
# elsewhere (4, COMPLEMENT) is counted at home. Takes the day four times.
MAIN = f"""SELECT b.person_id, b.unit_id, b.kind FROM people_belonging b JOIN people_person p ON p.id = b.person_id
WHERE p.state = 'active' AND b.kind <> 4 AND {_HOLDS} AND NOT EXISTS (
SELECT 1 FROM people_belonging o WHERE o.person_id = b.person_id AND {units.HOLDS.format("o")}
AND (o.kind, o.since, o.unit_id) < (b.kind, b.since, b.unit_id))"""


class CountedUnit(NamedTuple):
    """How many belong to a unit itself as that kind; of them with a password, with one counting contact, with two."""

    unit_id: int
    kind: int
    people: int
    activated: int
    one: int
    two: int


class UnitPlace(NamedTuple):
    """A unit in the tree; its parent is open too, or it stands alone."""

    id: int
    parent_id: int | None
    kind: int


def main_params(on: date) -> tuple[object, ...]:
    """What MAIN takes."""
    return units.params(on) * 2


def by_unit(*, passwords: str, on: date, now: datetime) -> list[CountedUnit]:
    """Count everybody at the unit of each. passwords: the table of those who have one."""
    contacts = (
        "SELECT person_id, COUNT(*) AS held FROM people_contact WHERE state = 'proved' AND counts_from <= %s "
        "AND (ends_at IS NULL OR ends_at > %s) GROUP BY person_id"
    )
    return sql.select(
        CountedUnit,
        "SELECT m.unit_id, m.kind, COUNT(*) AS people, COUNT(w.person_id) AS activated, COUNT(c.held) AS one, "
        f"COUNT(CASE WHEN c.held > 1 THEN 1 END) AS two FROM ({MAIN}) m "
        f"LEFT JOIN {passwords} w ON w.person_id = m.person_id LEFT JOIN ({contacts}) c ON c.person_id = m.person_id "
        "GROUP BY m.unit_id, m.kind",
        (*main_params(on), sql.at(now), sql.at(now)),
    )


def places(*, on: date) -> list[UnitPlace]:
    """The open units, higher kinds first."""
    statement = f"SELECT u.id, u.parent_id, u.kind FROM people_unit u WHERE {units.HOLDS.format('u')} ORDER BY u.kind"
    return sql.select(UnitPlace, statement, units.params(on))
