"""A list as a person sends it, whatever it is of: what was said about it, its header, what each column holds.

open → find the header → its rows, one after the other → a report of what came of them"""

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from massar.core import normalize, text
from massar.core.sheets import api as sheets
from massar.domain.people import api as people
from massar.domain.people.api import Kind
from massar.journeys.outcomes import Problem

LOOKED_FOR_HEADER = 30
SHOWN = 50  # differences that a report keeps
_CHUNK = 1024 * 1024
_ISO = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_DAY_FIRST = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})")
_IN_WORDS = re.compile(r"(\d{1,2}) (\w+) (\d{4})")
_FIRST_YEAR = 1900  # before it nobody who is alive belonged anywhere


class ListField(StrEnum):
    """What a column may hold. label: a message id after `import.field.`."""

    @property
    def label(self) -> str:
        return str(self)


F = TypeVar("F", bound=ListField)
Faults = dict[ListField, Problem]


@lru_cache(maxsize=5000)
def plain(title: str) -> str:
    """A word of a list as it is compared: its letters and digits alone, words apart."""
    return " ".join(re.findall(r"\w+", normalize.skeleton(title).replace("_", " ")))


WORDS = tomllib.loads(Path(__file__).with_name("sheet_words.toml").read_text("utf-8"))
_NEVER = frozenset(map(plain, WORDS["refused"]["titles"]))
_MONTHS = {plain(word): number for number, words in enumerate(WORDS["months"]["names"], 1) for word in words}


class Shape(NamedTuple):
    """What lists of one kind hold. titles: the fields by their plain titles. one_of: fields of which one is needed;
    without: what is said where there is none, after `import.refused.`."""

    titles: Mapping[str, ListField]
    one_of: frozenset[ListField]
    without: str


def shape(
    fields: type[ListField], titles: Mapping[str, Sequence[str]], one_of: Sequence[ListField], without: str
) -> Shape:
    known = {plain(title): fields(name) for name, several in titles.items() for title in several}
    return Shape(known, frozenset(one_of), without)


@dataclass(frozen=True)
class Said:
    """What a person said about a list. columns: what they hold, by their titles. kind: of people, where no column says
    so; None: who has an account stays what it is, anybody else is staff. hidden: whether rows that a filter hides are
    taken too; None: not said. spares_agents: whoever has a role is not touched."""

    choices: sheets.Choices = field(default_factory=sheets.Choices)
    columns: Mapping[str, ListField | None] = field(default_factory=dict)
    kind: Kind | None = None
    hidden: bool | None = None
    spares_agents: bool = False


class Mapped(NamedTuple):
    """Which column holds what. columns: the place of each field. unused: titles of columns that are left alone.
    refused: titles of columns with which the list is not taken at all. twice: fields that two columns claim."""

    columns: Mapping[ListField, int]
    unused: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    twice: tuple[ListField, ...] = ()


class Change(NamedTuple):
    """What a row would change. of: the login or the code of whom. was and becomes are what a person can read."""

    row: int
    of: str
    what: str
    was: str
    becomes: str


class RefusedRow(NamedTuple):
    """A row that is not taken, with its cells as they were, and why."""

    row: int
    cells: tuple[str, ...]
    faults: Faults


class UnusableList(Exception):
    """The list can't be imported as it is; `kind` is a message id after `import.refused.`, detail what it is about.
    titles and mapped: of its header, where it was found."""

    def __init__(self, kind: str, detail: str = "", titles: tuple[str, ...] = (), mapped: Mapped | None = None) -> None:
        super().__init__(kind, detail)
        self.kind, self.detail, self.titles, self.mapped = kind, detail, titles, mapped


@dataclass
class ImportReport:
    """What came of a list, or would. changes: the first of them. refuse: told of each row that is not taken. earlier:
    how many were refused before the import was stopped; of these nothing is told."""

    tally: people.import_runs.ImportTally = field(default_factory=people.import_runs.ImportTally)
    changes: list[Change] = field(default_factory=list)
    reasons: dict[tuple[str, str], int] = field(default_factory=dict)
    refuse: Callable[[RefusedRow], None] = lambda _: None
    earlier: int = 0

    def change(self, row: int, of: str, found: Sequence[tuple[str, str, str]]) -> None:
        """Keep what a row changes, while there is room. found: (what, was, becomes)."""
        room = SHOWN - len(self.changes)
        self.changes += [Change(row, of, *one) for one in found[:room]]

    def refused(self, row: sheets.SheetRow, faults: Faults) -> None:
        for name, problem in faults.items():
            why = (str(name), problem.id)
            self.reasons[why] = self.reasons.get(why, 0) + 1
        self.refuse(RefusedRow(row.number, row.cells, faults))


class OpenList:
    """An open list with its header read. Raises SheetRefused and UnusableList."""

    def __init__(self, path: Path, said: Said, of: Shape, *, bounds: sheets.Bounds = sheets.BY_COMMAND) -> None:
        self._path, self._said = path, said
        self._sheet = sheets.open_sheet(path, bounds=bounds, choices=said.choices)
        self.notes = self._sheet.notes
        first = list(islice(self._sheet.rows(), LOOKED_FOR_HEADER))
        header = _find_header(first, said, of)
        if header is None:
            raise UnusableList("header", "; ".join(first[0].cells) if first else "")
        self.header = header
        self.mapped = _mapped(header.cells, said, of)
        if wrong := self._wrong(of):
            raise UnusableList(*wrong, header.cells, self.mapped)

    def _wrong(self, of: Shape) -> tuple[str, str] | None:
        """Why the list can't be taken, and what that is about."""
        if self.mapped.refused:
            return "columns", ", ".join(self.mapped.refused)
        if self.mapped.twice:
            return "twice", ", ".join(self.mapped.twice)
        if not of.one_of & set(self.mapped.columns):
            return of.without, ", ".join(self.header.cells)
        hidden = next((note.many for note in self.notes if note.kind == "hidden_rows"), 0)
        return ("hidden_rows", str(hidden)) if hidden and self._said.hidden is None else None

    @property
    def size(self) -> int:
        """About how many rows it has."""
        return self._sheet.size

    def rows(self) -> Iterator[sheets.SheetRow]:
        """Those below the header in which something stands, without the hidden ones that nobody wants."""
        for row in self._sheet.rows():
            if row.number <= self.header.number or (row.hidden and not self._said.hidden):
                continue
            if row.faults or any(map(str.strip, row.cells)):
                yield row

    def digest(self) -> str:
        """SHA-256 over the list and all that was said about it: another word about it makes another run."""
        said, columns = self._said, sorted((title, str(f)) for title, f in self._said.columns.items())
        whole = hashlib.sha256(repr((said.choices, columns, str(said.kind), said.hidden, said.spares_agents)).encode())
        with self._path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                whole.update(chunk)
        return whole.hexdigest()


def _mapped(header: Sequence[str], said: Said, of: Shape) -> Mapped:
    """Find the fields of a header. What a person said about a column counts more than its title."""
    columns: dict[ListField, int] = {}
    unused, refused, twice = [], [], []
    for place, title in enumerate(header):
        key = plain(title)
        field = said.columns[title] if title in said.columns else of.titles.get(key)
        if key in _NEVER:
            refused.append(title)
        elif field is None:
            unused += [title] if title.strip() else []
        elif field in columns:
            twice.append(field)
        else:
            columns[field] = place
    return Mapped(columns, tuple(unused), tuple(refused), tuple(twice))


def _find_header(rows: Sequence[sheets.SheetRow], said: Said, of: Shape) -> sheets.SheetRow | None:
    """The first of these rows in which two columns are known, by their titles or by what a person said about them:
    titles of the whole list may stand above it. None: there is none."""
    return next((row for row in rows if _known(_mapped(row.cells, said, of)) > 1), None)


def _known(found: Mapped) -> int:
    return len(found.columns) + len(found.refused) + len(found.twice)


def read_cells(
    row: sheets.SheetRow, columns: Mapping[ListField, int], readers: Mapping[F, Callable[[str], object]]
) -> tuple[dict[F, Any], Faults]:
    """By field what the cells of a row say, and what is wrong with the others. readers: they make of what was typed,
    in their order, what is kept, or a Problem."""
    fields = {place: field for field, place in columns.items()}
    faults: Faults = {fields[place]: Problem(f"cell_{why}") for place, why in row.faults.items() if place in fields}
    said: dict[F, Any] = {}
    for one, reader in readers.items():
        place = columns.get(one, len(row.cells))
        typed = row.cells[place].strip() if place < len(row.cells) else ""
        value = reader(typed) if typed else None
        if isinstance(value, Problem):
            faults[one] = value
        elif typed:
            said[one] = value
    return said, faults


@lru_cache(maxsize=5000)
def day(typed: str) -> date | Problem:
    """A day as lists have it: `2025-09-04`, `04/09/2025` (the day first, as in Morocco), `4 septembre 2025`."""
    clean = text.one_line(typed)
    iso, day_first, words = _ISO.fullmatch(clean), _DAY_FIRST.fullmatch(clean), _IN_WORDS.fullmatch(clean)
    parts: tuple[str | int, ...] = iso.groups() if iso else ()
    if day_first:
        parts = day_first.groups()[::-1]
    elif words:
        parts = (words[3], _MONTHS.get(plain(words[2]), 0), words[1])
    try:
        year, month, of_month = map(int, parts)
        return date(year, month, of_month) if year >= _FIRST_YEAR else Problem("day_shape")
    except ValueError:
        return Problem("day_shape")


@lru_cache(maxsize=5000)
def unit_code(typed: str) -> str:
    """The code of a unit as it is kept."""
    return text.one_line(typed).upper()
