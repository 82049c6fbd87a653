"""What the columns of a list of units are called, and what one row of it says about one unit."""

from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from massar.core.sheets.api import SheetRow
from massar.domain.people import api as people
from massar.journeys.outcomes import Problem
from massar.journeys.people import import_people, sheet_list
from massar.journeys.people.sheet_list import WORDS, Faults, ListField, plain

UnitKind = people.units.Kind
LONGEST_CODE, LONGEST_NAME = 32, 200


class UnitField(ListField):
    """What a column of a list of units may hold. parent, directorate, academy: the unit above, of which a row takes the
    nearest: lists of establishments have columns for each."""

    CODE = "code"
    KIND = "kind"
    PARENT = "parent"
    DIRECTORATE = "directorate"
    ACADEMY = "academy"
    NAME_AR = "name_ar"
    NAME_LATIN = "name_latin"
    SINCE = "since"
    UNTIL = "until"

    @property
    def label(self) -> str:
        return f"unit_{self}"


class UnitRow(NamedTuple):
    """What a row says of one unit, in canonical form; '' and None: nothing. until: 'open' where it is open again."""

    number: int
    code: str
    kind: people.units.Kind | None = None
    parent: str = ""
    directorate: str = ""
    academy: str = ""
    name_ar: str = ""
    name_latin: str = ""
    since: date | None = None
    until: date | str | None = None

    @property
    def above(self) -> str:
        """The code of the unit above; a satellite names its mother school, and often itself where it has none."""
        return next((one for one in self[3:6] if one and one != self.code), "")

    @property
    def above_in(self) -> UnitField:
        """Which column says what stands above."""
        said = zip((UnitField.PARENT, UnitField.DIRECTORATE, UnitField.ACADEMY), self[3:6], strict=True)
        return next((field for field, one in said if one and one == self.above), UnitField.PARENT)


_KINDS = {
    plain(word): UnitKind.__members__[name.upper()] for name, words in WORDS["unit_kinds"].items() for word in words
}
_OPEN = frozenset(map(plain, WORDS["open"]["words"]))
SHAPE = sheet_list.shape(UnitField, WORDS["unit_titles"], (UnitField.CODE,), "no_code")


def read(row: SheetRow, columns: Mapping[ListField, int]) -> UnitRow | Faults:
    """The unit of a row, or by field what is wrong."""
    said, faults = sheet_list.read_cells(row, columns, _READERS)
    if UnitField.CODE not in said:
        faults.setdefault(UnitField.CODE, Problem("unit_code_shape"))
    return faults or UnitRow(row.number, **said)


def code_of(row: SheetRow, columns: Mapping[ListField, int]) -> str:
    """The code that a row names, whatever else is wrong with it."""
    place = columns[UnitField.CODE]
    return sheet_list.unit_code(row.cells[place]) if place < len(row.cells) else ""


def _code(typed: str) -> str | Problem:
    code = sheet_list.unit_code(typed)
    return code if import_people.name_fits(code, LONGEST_CODE) and " " not in code else Problem("unit_code_shape")


@lru_cache(maxsize=1000)
def _kind(typed: str) -> people.units.Kind | Problem:
    return _KINDS.get(plain(typed)) or Problem("unit_kind_unknown")


def _name(typed: str) -> str | Problem:
    name = " ".join(typed.split())
    return name if import_people.name_fits(name, LONGEST_NAME) else Problem("name_shape")


def _until(typed: str) -> date | str | Problem:
    return "open" if plain(typed) in _OPEN else sheet_list.day(typed)


_READERS: Mapping[UnitField, Callable[[str], object]] = {
    UnitField.KIND: _kind,
    **dict.fromkeys((UnitField.CODE, UnitField.PARENT, UnitField.DIRECTORATE, UnitField.ACADEMY), _code),
    **dict.fromkeys((UnitField.NAME_AR, UnitField.NAME_LATIN), _name),
    UnitField.SINCE: sheet_list.day,
    UnitField.UNTIL: _until,
}
