"""The tree of units: ministry, academies, provincial directorates, establishments, classes.

A unit stands below one of a higher kind; an establishment also below another one (a satellite school). What holds for a
unit holds for all below it, on days on which every unit between is open."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from massar.core import sql, text
from massar.domain.people.models import Unit

Kind = Unit.Kind
# Of a table with these two columns, last day included. Takes the day twice.
HOLDS = "({0}.since IS NULL OR {0}.since <= %s) AND ({0}.until IS NULL OR {0}.until >= %s)"
_OPEN = HOLDS.format("u")
_COLUMNS = "u.id, u.code, u.kind, u.parent_id, u.name_ar, u.name_latin, u.since, u.until"
_FIELDS = "id, code, kind, parent_id, name_ar, name_latin, since, until"
# This unit and all below it. Takes the unit, and the day four times.
BELOW = f"""WITH RECURSIVE below(id) AS (
SELECT u.id FROM people_unit u WHERE u.id = %s AND {_OPEN}
UNION SELECT u.id FROM below JOIN people_unit u ON u.parent_id = below.id WHERE {_OPEN})"""


class UnitFacts(NamedTuple):
    """One unit, with names in two scripts."""

    id: int
    code: str
    kind: int
    parent_id: int | None
    name_ar: str
    name_latin: str
    since: date | None
    until: date | None

    def name(self, language: str) -> str:
        return text.of_language(language, self.name_ar, self.name_latin)

    def open_on(self, day: date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or self.until >= day)


class Counted(NamedTuple):
    """A unit of a tree with how many people belong to it and to all below it, by kind of belonging."""

    unit: UnitFacts
    people: dict[int, int]


def params(day: date) -> tuple[object, object]:
    """What HOLDS takes."""
    return sql.day(day), sql.day(day)


def by_code(code: str) -> UnitFacts | None:
    return sql.select_one(UnitFacts, f"SELECT {_COLUMNS} FROM people_unit u WHERE u.code = %s", (code,))


def by_typed_code(code: str) -> UnitFacts | None:
    """By a code as people type it: small letters will do."""
    return by_code(code) or by_code(code.upper())


def with_above(codes: Collection[str]) -> dict[str, UnitFacts]:
    """The units of these codes and all above them, open or not, by code."""
    found: dict[int, UnitFacts] = {}
    rows = sql.find(_FIELDS, "people_unit", "code", codes)
    while rows:
        found.update((unit.id, unit) for unit in (sql.make(UnitFacts, UnitFacts._fields, row) for row in rows))
        above = {unit.parent_id for unit in found.values() if unit.parent_id} - found.keys()
        rows = sql.find(_FIELDS, "people_unit", "id", above) if above else []
    return {unit.code: unit for unit in found.values()}


def by_ids(unit_ids: Sequence[int]) -> list[UnitFacts]:
    """The units of these ids, by code."""
    if not unit_ids:
        return []
    these = sql.placeholders(len(unit_ids))
    return sql.select(
        UnitFacts, f"SELECT {_COLUMNS} FROM people_unit u WHERE u.id IN ({these}) ORDER BY code", unit_ids
    )


def by_id(unit_id: int) -> UnitFacts | None:
    return sql.select_one(UnitFacts, f"SELECT {_COLUMNS} FROM people_unit u WHERE u.id = %s", (unit_id,))


def children(unit_id: int, *, on: date) -> list[UnitFacts]:
    """The open units just below it."""
    statement = f"SELECT {_COLUMNS} FROM people_unit u WHERE u.parent_id = %s AND {_OPEN} ORDER BY u.code"
    return sql.select(UnitFacts, statement, (unit_id, *params(on)))


def way_up(unit_id: int) -> list[UnitFacts]:
    """The unit itself, the one above it, and so on to the top."""
    found: list[UnitFacts] = []
    at = by_id(unit_id)
    while at and at not in found:
        found.append(at)
        at = by_id(at.parent_id) if at.parent_id else None
    return found


def ids(codes: Collection[str]) -> dict[str, int | None]:
    """The unit of each code; None where there is none."""
    return dict.fromkeys(codes) | dict(sql.find("code, id", "people_unit", "code", codes) if codes else ())


def fits_below(kind: int, parent: int | None) -> bool:
    """Whether a unit of that kind may stand there; without a parent it is not placed yet."""
    if parent is None:
        return kind != Kind.CLASS
    if kind == Kind.CLASS:
        return parent == Kind.ESTABLISHMENT
    return parent < kind or parent == kind == Kind.ESTABLISHMENT


def add(
    code: str, kind: int, names: tuple[str, str], *, parent: UnitFacts | None = None, since: date | None = None,
    until: date | None = None,
) -> int:  # fmt: skip
    """Add a unit and return its id; names are (Arabic, Latin). Raises ValueError where it does not fit there."""
    if not fits_below(kind, parent.kind if parent else None):
        raise ValueError(f"{Kind(kind).label} {code} does not fit there")
    return Unit.objects.create(
        code=code, kind=kind, name_ar=names[0], name_latin=names[1], parent_id=parent.id if parent else None,
        since=since, until=until,
    ).pk  # fmt: skip


def add_many(units: Sequence[tuple[str, int, str, str, str]], *, known: Mapping[str, int]) -> dict[str, int]:
    """Add units (code, kind, code of the one above or '', Arabic name, Latin name), higher kinds first, a statement for
    each kind; return the id of each code. known: ids of units that stand there already."""
    ids: dict[str, int] = {}
    for kind in Kind:
        rows = [one for one in units if one[1] == kind]
        for some in (rows[first : first + 500] for first in range(0, len(rows), 500)):
            values: list[object] = []
            for code, _, above, *names in some:
                values += [code, int(kind), ids.get(above, known.get(above)), *names]
            columns = "code, kind, parent_id, name_ar, name_latin"
            statement = f"INSERT INTO people_unit ({columns}) VALUES {sql.values(len(some), 5)}"
            ids.update(sql.rows(f"{statement} RETURNING code, id", values))
    return ids


def lock() -> None:
    """Have nobody else change the tree until the caller's transaction ends. SQLite has one writer anyway."""
    sql.lock_table("people_unit")


def draw_ids(number: int) -> list[int]:
    return sql.draw_ids("people_unit", number)


def put(new: Sequence[UnitFacts], changed: Sequence[UnitFacts]) -> None:
    """Add units, by ids that were drawn, and let others be as given, in any order. Inside the caller's transaction, who
    has judged that each fits where it stands (`fits_below`), and that none stands in a circle."""
    sql.insert("people_unit", _FIELDS, [(*one[:6], *map(_day, one[6:])) for one in new])
    statement = (
        "UPDATE people_unit SET parent_id = %s, name_ar = %s, name_latin = %s, since = %s, until = %s WHERE id = %s"
    )
    for one in changed:
        days = _day(one.since), _day(one.until)
        sql.execute(statement, (one.parent_id, one.name_ar, one.name_latin, *days, one.id))


def _day(day: date | None) -> object:
    return sql.day(day) if day else None


def named(code: str, name_ar: str, name_latin: str) -> int:
    """The id of the establishment of that code, added or renamed where need be; the kind of a known unit stays."""
    names = {"name_ar": name_ar, "name_latin": name_latin}
    unit, _ = Unit.objects.update_or_create(
        code=code, defaults=names, create_defaults={**names, "kind": Kind.ESTABLISHMENT}
    )
    return unit.pk


def place(code: str, parent: UnitFacts) -> None:
    """Put a unit that is not placed yet, or was placed wrongly, below another one. Raises ValueError as `add` does."""
    unit = by_code(code)
    if unit is None or not fits_below(unit.kind, parent.kind) or _reaches(parent.id, unit.id):
        raise ValueError(f"{code} does not fit below {parent.code}")
    Unit.objects.filter(pk=unit.id).update(parent_id=parent.id)


def below(unit_id: int, *, on: date, kinds: Collection[int] = tuple(Kind)) -> list[UnitFacts]:
    """The open units of these kinds that are this one or below it on that day, higher kinds first."""
    statement = (
        f"{BELOW} SELECT {_COLUMNS} FROM below JOIN people_unit u ON u.id = below.id "
        f"WHERE u.kind IN ({sql.placeholders(len(kinds))}) ORDER BY u.kind, u.code"
    )
    return sql.select(UnitFacts, statement, (unit_id, *params(on) * 2, *kinds))


def above(unit_id: int, *, on: date) -> list[UnitFacts]:
    """The unit itself and those above it, the highest first, as far as they are open that day."""
    statement = f"""WITH RECURSIVE up(id) AS (SELECT u.id FROM people_unit u WHERE u.id = %s AND {_OPEN}
    UNION SELECT u.id FROM up JOIN people_unit c ON c.id = up.id JOIN people_unit u ON u.id = c.parent_id WHERE {_OPEN})
    SELECT {_COLUMNS} FROM up JOIN people_unit u ON u.id = up.id ORDER BY u.kind, u.code"""
    return sql.select(UnitFacts, statement, (unit_id, *params(on) * 2))


def _reaches(unit_id: int, other: int) -> bool:
    """Whether a way up leads from one to the other, open or not: below it that one would stand in a circle."""
    statement = """WITH RECURSIVE up(id) AS (SELECT CAST(%s AS integer)
    UNION SELECT u.parent_id FROM up JOIN people_unit u ON u.id = up.id WHERE u.parent_id IS NOT NULL)
    SELECT 1 FROM up WHERE id = %s"""
    return bool(sql.rows(statement, (unit_id, other)))


def tops() -> list[UnitFacts]:
    """The units without a parent: the ministry, and what is not placed yet."""
    return sql.select(UnitFacts, f"SELECT {_COLUMNS} FROM people_unit u WHERE u.parent_id IS NULL ORDER BY kind, code")


def branches(*, on: date) -> list[tuple[UnitFacts, list[UnitFacts]]]:
    """The academies with their provincial directorates, as the tree stands that day; a directorate of the ministry's
    own stands below the ministry. Read from above: no school is looked at."""
    top = [one for one in tops() if one.kind == Kind.MINISTRY and one.open_on(on)]
    groups = {one.id: (one, list[UnitFacts]()) for one in top}
    below: Sequence[UnitFacts] = top
    for _ in range(2):
        if not below:
            break
        statement = (
            f"SELECT {_COLUMNS} FROM people_unit u WHERE u.parent_id IN ({sql.placeholders(len(below))}) "
            f"AND u.kind IN ({Kind.ACADEMY}, {Kind.DIRECTORATE}) AND {_OPEN} ORDER BY u.code"
        )
        found = sql.select(UnitFacts, statement, (*(one.id for one in below), *params(on)))
        for one in found:
            if one.kind == Kind.DIRECTORATE and one.parent_id in groups:
                groups[one.parent_id][1].append(one)
            elif one.kind == Kind.ACADEMY:
                groups[one.id] = (one, [])
        below = [one for one in found if one.kind == Kind.ACADEMY]
    return [group for group in groups.values() if group[1]]


def count(unit_id: int, *, on: date) -> list[Counted]:
    """This unit and those below it on that day in the order of a tree, each with the people of its whole branch. One
    statement reads the units, another counts each unit's own people."""
    found = below(unit_id, on=on)
    own: dict[int, dict[int, int]] = {}
    statement = (
        f"{BELOW} SELECT b.unit_id, b.kind, COUNT(*) FROM below JOIN people_belonging b ON b.unit_id = below.id "
        f"WHERE {HOLDS.format('b')} GROUP BY b.unit_id, b.kind"
    )
    for unit, kind, number in sql.rows(statement, (unit_id, *params(on) * 3)):
        own.setdefault(unit, {})[kind] = number
    return _in_order(found, own, unit_id)


def _in_order(found: list[UnitFacts], own: dict[int, dict[int, int]], top: int) -> list[Counted]:
    """Depth first; the numbers of a unit join those of its parent when all below it are known."""
    children: dict[int | None, list[UnitFacts]] = {}
    for one in found:
        if one.id != top:
            children.setdefault(one.parent_id, []).append(one)
    order: list[UnitFacts] = []
    left = [one for one in found if one.id == top]
    while left:
        one = left.pop()
        order.append(one)
        left.extend(reversed(children.get(one.id, [])))
    whole = {one.id: dict(own.get(one.id, {})) for one in order}
    for one in reversed(order):
        if one.id != top and one.parent_id in whole:
            above = whole[one.parent_id]
            for kind, number in whole[one.id].items():
                above[kind] = above.get(kind, 0) + number
    return [Counted(one, whole[one.id]) for one in order]
