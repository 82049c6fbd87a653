"""Importing a list of units: the tree that it would make is judged as a whole, and written whole or not at all.

A row may stand before the one it belongs below. A unit is never removed and never becomes another kind; it is closed by
its last day. One wrong row keeps the list out: half a tree would put schools, and their agents, under the wrong branch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from django.db import transaction

from massar.core.audit import api as audit_log
from massar.core.sheets import api as sheets
from massar.domain.people import api as people
from massar.journeys.outcomes import Problem
from massar.journeys.people import unit_rows
from massar.journeys.people.sheet_list import Faults, ImportReport, OpenList, Said
from massar.journeys.people.unit_rows import UnitField, UnitKind, UnitRow

Tell = Callable[[int], None]
Tally = people.import_runs.ImportTally
Unit = people.units.UnitFacts


@dataclass
class _Tree:
    """What a list makes of the tree. rows: those that can be read, by code. unread: codes of the others. standing: the
    units of the list, and all above them, as they stand. codes: of these, by id."""

    rows: dict[str, tuple[sheets.SheetRow, UnitRow]] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    standing: Mapping[str, Unit] = field(default_factory=dict)
    codes: Mapping[int, str] = field(default_factory=dict)

    def kind(self, code: str) -> int | None:
        """What kind of unit has that code; None where there is none, there or here."""
        if code in self.standing:
            return self.standing[code].kind
        return (self.rows[code][1].kind or UnitKind.ESTABLISHMENT) if code in self.rows else None

    def above(self, code: str) -> str:
        """The code of the unit above: by the list where it says so, else as it stands; '' for none."""
        return (self.rows[code][1].above if code in self.rows else "") or self.stands_below(code)

    def stands_below(self, code: str) -> str:
        unit = self.standing.get(code)
        return self.codes[unit.parent_id] if unit and unit.parent_id else ""

    def circles(self) -> set[str]:
        """The codes that would stand below themselves."""
        done, found = set[str](), set[str]()
        for code in self.rows:
            way: list[str] = []
            on_way = set[str]()
            while code and code not in done and code not in on_way:
                way.append(code)
                on_way.add(code)
                code = self.above(code)
            if code in on_way:
                found.update(way[way.index(code) :])
            done |= on_way
        return found

    def days(self, entry: UnitRow) -> tuple[date | None, date | None]:
        """First and last day as they would be."""
        unit = self.standing.get(entry.code)
        since, until = (unit.since, unit.until) if unit else (None, None)
        if entry.until:
            until = entry.until if isinstance(entry.until, date) else None
        return entry.since or since, until

    def becomes(self, entry: UnitRow) -> Unit:
        """The unit as it would be, what stands above it apart. id: 0 of a new one."""
        unit = self.standing.get(entry.code) or Unit(
            0, entry.code, self.kind(entry.code) or 0, None, "", "", None, None
        )
        since, until = self.days(entry)
        names = entry.name_ar or unit.name_ar, entry.name_latin or unit.name_latin
        return unit._replace(name_ar=names[0], name_latin=names[1], since=since, until=until)

    def differences(self, entry: UnitRow) -> list[tuple[str, str, str]]:
        """What changes of a unit that stands: (what, was, becomes)."""
        unit, then = self.standing[entry.code], self.becomes(entry)
        both: tuple[tuple[UnitField, object, object], ...] = (
            (UnitField.PARENT, self.stands_below(entry.code), self.above(entry.code)),
            (UnitField.NAME_AR, unit.name_ar, then.name_ar),
            (UnitField.NAME_LATIN, unit.name_latin, then.name_latin),
            (UnitField.SINCE, unit.since, then.since),
            (UnitField.UNTIL, unit.until, then.until),
        )
        return [(what.label, str(was or ""), str(new or "")) for what, was, new in both if was != new]


class UnitList(OpenList):
    """An open list of units."""

    def __init__(self, path: Path, said: Said, *, bounds: sheets.Bounds = sheets.BY_COMMAND) -> None:
        super().__init__(path, said, unit_rows.SHAPE, bounds=bounds)

    def compare(self, report: ImportReport, *, now: datetime, tell: Tell = lambda _: None) -> ImportReport:
        """Say what an import would do, and write nothing. tell: how many rows more were read."""
        self._judge(report, tell)
        return report

    def write(self, report: ImportReport, *, now: datetime, tell: Tell = lambda _: None) -> ImportReport:
        """Import it if no row is refused, in one transaction."""
        with transaction.atomic():
            people.units.lock()
            tree, tally = self._judge(report, tell), report.tally
            if not tally.refused:
                _put(tree)
                listed = self.digest()[:12]
                audit_log.record_event("units_imported", now=now, added=tally.added, changed=tally.changed, list=listed)
        return report

    def _judge(self, report: ImportReport, tell: Tell) -> _Tree:
        tree = self._read(report, tell)
        circles = tree.circles()
        for row, entry in tree.rows.values():
            faults = _faults(tree, entry, in_circle=entry.code in circles)
            if faults:
                report.refused(row, faults)
                report.tally += Tally(refused=1)
            elif entry.code not in tree.standing:
                report.tally += Tally(added=1)
            else:
                found = tree.differences(entry)
                report.change(entry.number, entry.code, found)
                report.tally += Tally(changed=1) if found else Tally(unchanged=1)
        return tree

    def _read(self, report: ImportReport, tell: Tell) -> _Tree:
        tree = _Tree()
        for row in self.rows():
            read = unit_rows.read(row, self.mapped.columns)
            if isinstance(read, UnitRow) and read.code in tree.rows:
                read = {UnitField.CODE: Problem("unit_twice")}
            if isinstance(read, UnitRow):
                tree.rows[read.code] = row, read
            else:
                tree.unread.add(unit_rows.code_of(row, self.mapped.columns))
                report.refused(row, read)
                report.tally += Tally(refused=1)
            tell(1)
        named = {entry.above for _, entry in tree.rows.values() if entry.above}
        tree.standing = people.units.with_above(tree.rows.keys() | named)
        tree.codes = {unit.id: code for code, unit in tree.standing.items()}
        return tree


def _faults(tree: _Tree, entry: UnitRow, *, in_circle: bool) -> Faults:
    """What is wrong with a row in the tree that the list would make."""
    faults: Faults = {}
    unit, then, above = tree.standing.get(entry.code), tree.becomes(entry), tree.above(entry.code)
    if unit and entry.kind and entry.kind != unit.kind:
        faults[UnitField.KIND] = Problem("unit_kind_differs")
    if in_circle:
        faults[entry.above_in] = Problem("unit_circle")
    elif above and above not in tree.unread and tree.kind(above) is None:
        faults[entry.above_in] = Problem("unit_unknown")
    elif above not in tree.unread and not people.units.fits_below(then.kind, tree.kind(above) if above else None):
        faults[entry.above_in] = Problem("unit_parent_fits")
    if then.since and then.until and then.until < then.since:
        faults[UnitField.UNTIL] = Problem("unit_days")
    if not (then.name_ar or then.name_latin):
        faults[UnitField.NAME_AR] = Problem("unit_name_empty")
    return faults


def _put(tree: _Tree) -> None:
    fresh = [code for code in tree.rows if code not in tree.standing]
    ids = {code: unit.id for code, unit in tree.standing.items()}
    ids.update(zip(fresh, people.units.draw_ids(len(fresh)), strict=True))
    then = [
        tree.becomes(entry)._replace(id=ids[code], parent_id=ids.get(tree.above(code)))
        for code, (_, entry) in tree.rows.items()
    ]
    people.units.put(
        [unit for unit in then if unit.code not in tree.standing],
        [unit for unit in then if unit.code in tree.standing and unit != tree.standing[unit.code]],
    )
