"""Where people belong, from day to day. A transfer is two rows written once: on its day every question is answered
differently by itself, and no job has to run for it.

The questions of scope are one statement each, by index: they walk up from the person, five units at most."""

from datetime import date, timedelta
from typing import NamedTuple

from django.db import transaction

from massar.core import sql, text
from massar.domain.people import contacts, units
from massar.domain.people.models import Belonging

Kind = Belonging.Kind
TODAY, _OPEN = units.HOLDS.format("b"), units.HOLDS.format("u")
# From the units of people up to the top: (person, unit, kind of belonging). Takes the people, and the day six times.
ABOVE_EACH = f"""WITH RECURSIVE above(person_id, id, kind) AS (
SELECT b.person_id, b.unit_id, b.kind FROM people_belonging b JOIN people_unit u ON u.id = b.unit_id
WHERE b.person_id IN ([people]) AND {TODAY} AND {_OPEN}
UNION SELECT above.person_id, u.id, above.kind FROM above JOIN people_unit c ON c.id = above.id
JOIN people_unit u ON u.id = c.parent_id WHERE {_OPEN})"""
ABOVE = ABOVE_EACH.replace("[people]", "%s")  # of one
# The unit that is a person's own on a day, in a statement where `p` is the person. Takes the day twice.
MAIN = f"SELECT b.unit_id FROM people_belonging b WHERE b.person_id = p.id AND {TODAY} ORDER BY b.kind, b.since LIMIT 1"


class BelongingFacts(NamedTuple):
    """From when to when, as what, and the unit."""

    code: str
    name_ar: str
    name_latin: str
    kind: int
    since: date
    until: date | None

    def name(self, language: str) -> str:
        return text.of_language(language, self.name_ar, self.name_latin)


def above_params(person_id: int, on: date) -> tuple[object, ...]:
    """What ABOVE takes."""
    return (person_id, *units.params(on) * 3)


def is_below(person_id: int, unit_id: int, *, on: date) -> bool:
    """Whether the person belongs that day to this unit or one below it."""
    statement = f"{ABOVE} SELECT 1 FROM above WHERE id = %s LIMIT 1"
    return bool(sql.rows(statement, (*above_params(person_id, on), unit_id)))


def branch_of(person_id: int, *, on: date, lowest: int = units.Kind.DIRECTORATE) -> int | None:
    """The id of the provincial directorate (or of the unit of kind `lowest`) to which the person belongs that day, else
    of the lowest unit above one; None where there is none."""
    statement = f"""{ABOVE} SELECT u.id FROM above JOIN people_unit u ON u.id = above.id
    WHERE u.kind <= %s ORDER BY u.kind DESC, u.id LIMIT 1"""
    found = sql.row(statement, (*above_params(person_id, on), int(lowest)))
    return int(found[0]) if found else None


def of_person(person_id: int) -> list[BelongingFacts]:
    """All that is known, what is over and what is to come too, oldest first."""
    statement = """SELECT u.code, u.name_ar, u.name_latin, b.kind, b.since, b.until FROM people_belonging b
    JOIN people_unit u ON u.id = b.unit_id WHERE b.person_id = %s ORDER BY b.since, b.kind, u.code"""
    return sql.select(BelongingFacts, statement, (person_id,))


def begin(person_id: int, unit_id: int, kind: int, *, since: date, until: date | None = None) -> None:
    """Let a person belong to a unit from that day on, beside where they belong already. The same again changes only its
    kind and its end."""
    statement = (
        "INSERT INTO people_belonging (person_id, unit_id, since, until, kind) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT (person_id, unit_id, since) DO UPDATE SET until = excluded.until, kind = excluded.kind"
    )
    sql.execute(statement, (person_id, unit_id, sql.day(since), sql.day(until) if until else None, int(kind)))


def end(person_id: int, *, last: date, kind: int) -> None:
    """End all that the person is as that kind after its last day; what would begin later never does."""
    mine = "WHERE person_id = %s AND kind = %s"
    sql.execute(f"DELETE FROM people_belonging {mine} AND since > %s", (person_id, int(kind), sql.day(last)))
    ended = f"UPDATE people_belonging SET until = %s {mine} AND (until IS NULL OR until > %s)"
    sql.execute(ended, (sql.day(last), person_id, int(kind), sql.day(last)))


@transaction.atomic
def transfer(person_id: int, unit_id: int, kind: int, *, on: date) -> None:
    """Move a person: on that day they belong to the new unit, until the day before to the old one. Written ahead or
    afterwards; what was planned from that day on gives way."""
    contacts.lock(person_id)
    end(person_id, last=on - timedelta(days=1), kind=kind)
    begin(person_id, unit_id, kind, since=on)
