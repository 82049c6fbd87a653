"""Everybody of many units, a part at a time: for lists that leave. Operators never stand in one."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import NamedTuple

from massar.core import sql
from massar.domain.people import roles, units
from massar.domain.people.belonging import TODAY


class Member(NamedTuple):
    """Who belongs to a unit, since when. enabled: not disabled."""

    id: int
    login: str
    first_ar: str
    last_ar: str
    first_latin: str
    last_latin: str
    language: str
    enabled: bool
    frozen_at: datetime | None
    unit_id: int
    since: date

    @property
    def by_name(self) -> tuple[str, str, str]:
        return self.last_ar or self.last_latin, self.first_ar or self.first_latin, self.login


def count(unit_id: int, kinds: Sequence[int], *, most: int, on: date) -> int:
    """How many belong to the unit and below it as one of these kinds; one more than `most`: there are more. Who belongs
    to two of them counts twice: telling them apart would read the whole country before it stops."""
    statement = f"""{units.BELOW} SELECT COUNT(*) FROM (SELECT 1 FROM below
    JOIN people_belonging b ON b.unit_id = below.id AND b.kind IN ({sql.placeholders(len(kinds))}) AND {TODAY}
    LIMIT %s) AS counted"""
    days = units.params(on)
    [(many,)] = sql.rows(statement, (unit_id, *days * 2, *kinds, *days, most + 1))
    return int(many)


def of_units(unit_ids: Sequence[int], kind: int, *, spared: Collection[str], on: date) -> list[Member]:
    """Who belongs to one of these units that day as that kind. spared: whoever holds one of these roles is none."""
    held = spared or ("",)
    statement = f"""SELECT named.id, named.login, named.first_name_ar AS first_ar, named.last_name_ar AS last_ar,
    named.first_name_latin AS first_latin, named.last_name_latin AS last_latin, named.language,
    named.state = 'active' AS enabled, named.frozen_at, b.unit_id, b.since
    FROM people_belonging b JOIN people_person named ON named.id = b.person_id
    WHERE b.unit_id IN ({sql.placeholders(len(unit_ids))}) AND b.kind = %s AND {TODAY} AND named.role <> %s
    AND NOT EXISTS ({roles.holds_one_of(len(held))})"""
    params = (*unit_ids, int(kind), *units.params(on), roles.OPERATOR, *roles.holds_params(held, on))
    return sql.select(Member, statement, params)


def other_names(person_ids: Collection[int]) -> dict[int, list[tuple[str, str]]]:
    """By person the other names that lead to the account: (before the @, domain) or (payroll number, ''), oldest
    first."""
    found: dict[int, list[tuple[str, str]]] = {}
    for person_id, _, name, domain in sorted(
        sql.find("person_id, id, name, domain", "people_alias", "person_id", person_ids) if person_ids else ()
    ):
        found.setdefault(person_id, []).append((name, domain))
    return found
