"""Finding many people by where they belong and what role they hold: by windows of ids, so that no statement is long,
however many people there are and however few of them fit."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from massar.core import sql
from massar.domain.people import units

WINDOW = 4000  # ids


class Wanted(NamedTuple):
    """Who is looked for: people of that unit and below (None: of all), as that kind (None: any), with that role granted
    ('': any or none)."""

    unit_id: int | None = None
    belongs_as: int | None = None
    role: str = ""


class Reachable(NamedTuple):
    """Whoever may be written to."""

    id: int
    login: str
    language: str


def last_id() -> int:
    """The highest id of a person; 0 without any."""
    [(last,)] = sql.rows("SELECT COALESCE(MAX(id), 0) FROM people_person")
    return int(last)


def window(wanted: Wanted, *, after: int, most: int, on: date) -> list[Reachable]:
    """The active people who fit, by id, behind that one: of the next WINDOW ids, and `most` of them at most."""
    days, clauses, params = units.params(on), list[str](), list[object]()
    below = "" if wanted.unit_id is None else f"{units.BELOW} "
    in_unit = " AND b.unit_id IN (SELECT id FROM below)" if below else ""
    if below or wanted.belongs_as is not None:
        as_kind = "" if wanted.belongs_as is None else " AND b.kind = %s"
        clauses.append(f"people_belonging b WHERE {units.HOLDS.format('b')} AND b.person_id = p.id{in_unit}{as_kind}")
        params += [*days, *([] if wanted.belongs_as is None else [wanted.belongs_as])]
    if wanted.role:
        holds = f"g.revoked_at IS NULL AND {units.HOLDS.format('g')}"
        clauses.append(f"people_rolegrant g WHERE {holds} AND g.person_id = p.id AND g.role = %s")
        params += [*days, wanted.role]
    which = "".join(f"AND EXISTS (SELECT 1 FROM {clause}) " for clause in clauses)
    statement = (
        f"{below}SELECT p.id, p.login, p.language FROM people_person p WHERE p.id > %s AND p.id <= %s "
        f"AND p.state = 'active' AND p.frozen_at IS NULL {which}ORDER BY p.id LIMIT %s"
    )
    above = [wanted.unit_id, *days * 2] if below else []
    return sql.select(Reachable, statement, (*above, after, after + WINDOW, *params, most))


def active(person_ids: Sequence[int]) -> list[Reachable]:
    """Those of these people who may be written to, by id."""
    if not person_ids:
        return []
    statement = (
        "SELECT p.id, p.login, p.language FROM people_person p "
        f"WHERE p.id IN ({sql.placeholders(len(person_ids))}) AND p.state = 'active' AND p.frozen_at IS NULL "
        "ORDER BY p.id"
    )
    return sql.select(Reachable, statement, person_ids)
