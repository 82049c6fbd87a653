"""One sheet of an XLSX file (ECMA-376 part 1, 18.3): its cells as a person sees them, and what can't be seen.

It is read twice. The first look counts what a person has to hear of before anything is used: hidden rows and columns,
merged cells, formulas. Those of merged cells stand at the file's end, so there is no other way to know them in time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

from massar.core.sheets.sheet import Bounds, Choices, Note, SheetRefused, SheetRow
from massar.core.sheets.workbook import Format, SheetEntry, Texts, Workbook, local, new_parser, unescaped

_REFERENCE = re.compile("([A-Z]{1,3})([1-9][0-9]{0,6})")
_MOST_MERGED = 10_000
_EXACT_DIGITS = 15  # what a number of a spreadsheet keeps
_LAST_DAY = 2_958_465  # 9999-12-31
_FIRST_DAYS = {False: date(1899, 12, 30), True: date(1904, 1, 1)}
_MISSING_DAY = 60  # 29 February 1900, which never was (part 1, 18.17.4.1)
_ISO_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:T00:00:00(?:\.0*)?Z?)?")
_PLAIN = Format()
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # what an escape may hold and no database, nor UTF-8, takes


class _Merged(NamedTuple):
    top: int
    bottom: int
    first: int
    last: int


class Worksheet:
    """A sheet of a file on disk."""

    def __init__(self, path: Path, bounds: Bounds, choices: Choices) -> None:
        self._path, self._bounds = path, bounds
        with Workbook(path, bounds) as book:
            self._sheet = _chosen(book, choices.sheet)
            survey = _Cells(book, bounds)
            self.size = 0
            for row in survey.read(self._sheet):
                survey.count(row)
                self.size += 1
        self._merged = sorted(survey.merged)
        others = [sheet.name for sheet in book.sheets if sheet != self._sheet]
        hidden = [sheet.name for sheet in book.sheets if sheet.hidden and sheet != self._sheet]
        self.notes: tuple[Note, ...] = tuple(note for note in (
            Note("sheet", len(others), self._sheet.name),
            Note("hidden_sheets", len(hidden), ", ".join(hidden)),
            Note("hidden_rows", survey.seen["hidden"]),
            Note("hidden_columns", len(survey.hidden_columns), ", ".join(map(letters, sorted(survey.hidden_columns)))),
            Note("merged", len(self._merged)),
            Note("formulas", survey.seen["formula"]),
        ) if note.many)  # fmt: skip

    def rows(self) -> Iterator[SheetRow]:
        waiting, open_ = list(reversed(self._merged)), list[_Merged]()
        with Workbook(self._path, self._bounds) as book:
            for row in _Cells(book, self._bounds).read(self._sheet):
                while waiting and waiting[-1].top <= row.number:
                    open_.append(waiting.pop())
                if open_:
                    open_ = [one for one in open_ if one.bottom >= row.number]
                yield _without_covered(row, open_) if open_ else row


def _chosen(book: Workbook, name: str | None) -> SheetEntry:
    """The sheet of that name; without one, the only one that is not hidden."""
    if name is not None:
        found = [sheet for sheet in book.sheets if sheet.name == name]
    else:
        found = [sheet for sheet in book.sheets if not sheet.hidden]
    if len(found) != 1:
        raise SheetRefused("choose_sheet", detail=", ".join(sheet.name for sheet in book.sheets))
    return found[0]


def _without_covered(row: SheetRow, merged: list[_Merged]) -> SheetRow:
    """Of merged cells only the first holds a value. The others are not empty to whoever looks at the sheet."""
    faults = dict(row.faults)
    for one in merged:
        for place in range(one.first, min(one.last, len(row.cells) - 1) + 1):
            if (row.number, place) != (one.top, one.first):
                faults[place] = "merged"
    return row._replace(faults=faults)


class _Cells:
    """Handlers of expat: no element is kept, a row is gone when it was given."""

    def __init__(self, book: Workbook, bounds: Bounds) -> None:
        self._book, self._bounds, self._texts = book, bounds, Texts()
        self.merged: set[_Merged] = set()
        self.hidden_columns: set[int] = set()
        self.seen: Counter[str] = Counter()
        self._rows: list[SheetRow] = []
        self._number, self._hidden, self._given = 0, False, 0
        self._cells: list[str] = []
        self._faults: dict[int, str] = {}
        self._place, self._kind, self._style, self._formula = -1, "n", "", False
        self._value: list[str] = []
        self._in_value = False

    def read(self, sheet: SheetEntry) -> Iterator[SheetRow]:
        parser = new_parser()
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._data
        for _ in self._book.read(sheet.part, parser):
            yield from self._rows
            self._rows.clear()

    def count(self, row: SheetRow) -> None:
        self.seen["hidden"] += row.hidden
        self.seen.update(row.faults.values())

    def _start(self, name: str, given: dict[str, str]) -> None:
        name = local(name)
        if name == "c":
            self._begin_cell(given)
        elif name == "v":
            self._in_value = True
        elif name == "f":
            self._formula = True
        elif name == "row":
            self._begin_row(given)
        elif name == "col" and _is_on(given.get("hidden")):
            first, last = _number(given.get("min")), _number(given.get("max"))
            self.hidden_columns.update(range(first - 1, min(last, self._bounds.columns)))
        elif name == "mergeCell":
            self._merge(given.get("ref", ""))
        else:
            self._texts.start(name)

    def _end(self, name: str) -> None:
        name = local(name)
        if name == "c":
            self._end_cell()
        elif name == "v":
            self._in_value = False
        elif name == "row":
            self._end_row()
        else:
            self._texts.end(name)

    def _data(self, piece: str) -> None:
        if self._in_value:
            self._value.append(piece)
        else:
            self._texts.data(piece)

    def _begin_row(self, given: dict[str, str]) -> None:
        number = _number(given["r"]) if "r" in given else self._number + 1
        if number <= self._number:
            raise SheetRefused("broken", line=number)
        self._number, self._hidden = number, _is_on(given.get("hidden"))
        self._cells, self._faults, self._place = [], {}, -1

    def _begin_cell(self, given: dict[str, str]) -> None:
        place = _column(given["r"]) if "r" in given else self._place + 1
        if place <= self._place:
            raise SheetRefused("broken", line=self._number)
        if place >= self._bounds.columns:
            raise SheetRefused("columns", line=self._number, detail=str(self._bounds.columns))
        self._place, self._kind, self._style = place, given.get("t", "n"), given.get("s", "")
        self._formula, self._in_value = False, False
        self._value.clear()

    def _end_cell(self) -> None:
        typed, inline = "".join(self._value), self._texts.taken()
        if not (typed or inline or self._formula):
            return
        self._cells.extend([""] * (self._place + 1 - len(self._cells)))
        read = self._read(typed, inline)
        if isinstance(read, _Fault):
            self._faults[self._place] = read.why
        elif len(read) > self._bounds.cell:
            self._faults[self._place] = "long"
        elif _NO_TEXT.search(read):
            self._faults[self._place] = "broken"
        else:
            self._cells[self._place] = read

    def _end_row(self) -> None:
        if not any(self._cells) and not self._faults:
            return
        self._given += 1
        if self._given > self._bounds.rows:
            raise SheetRefused("rows", line=self._number, detail=str(self._bounds.rows))
        self._rows.append(SheetRow(self._number, tuple(self._cells), self._faults, self._hidden))

    def _read(self, typed: str, inline: str) -> str | _Fault:
        """A cell as text. What a formula gave last is refused: nobody typed it, and nobody can say when it was true."""
        if self._formula:
            return _Fault("formula")
        match self._kind:
            case "s":
                place = _number(typed)
                return self._book.shared[place] if place < len(self._book.shared) else _Fault("broken")
            case "inlineStr":
                return inline
            case "str":
                return unescaped(typed)
            case "d":
                day = _ISO_DATE.fullmatch(typed)
                return day[1] if day else _Fault("date")
            case "n":
                return self._read_number(typed)
        return _Fault("value")  # TRUE, #N/A

    def _read_number(self, typed: str) -> str | _Fault:
        formats = self._book.formats
        form = formats[int(self._style)] if self._style.isdecimal() and int(self._style) < len(formats) else _PLAIN
        try:
            number = Decimal(typed)
        except InvalidOperation:
            return _Fault("broken")
        if not number.is_finite() or abs(number.adjusted()) > 2 * _EXACT_DIGITS:
            return _Fault("digits")
        if form.is_date:
            return _day(number, since_1904=self._book.since_1904)
        shown = f"{number.normalize():f}"
        if len(shown.strip("-0.").replace(".", "")) > _EXACT_DIGITS or number.adjusted() >= _EXACT_DIGITS:
            return _Fault("digits")
        return shown.zfill(form.padded)

    def _merge(self, reference: str) -> None:
        ends = [_REFERENCE.fullmatch(one) for one in reference.split(":")]
        corners = [(int(one[2]), _column(one[0])) for one in ends if one]
        if len(corners) != 2 or len(self.merged) == _MOST_MERGED:
            raise SheetRefused("broken")
        (top, first), (bottom, last) = corners
        self.merged.add(_Merged(top, bottom, first, last))


class _Fault(NamedTuple):
    why: str


def _day(number: Decimal, *, since_1904: bool) -> str | _Fault:
    """The day of a serial number (part 1, 18.17.4.1)."""
    if number != int(number) or not 0 < number <= _LAST_DAY or (number == _MISSING_DAY and not since_1904):
        return _Fault("date")
    days = int(number)
    began = _FIRST_DAYS[since_1904]
    if not since_1904 and days < _MISSING_DAY:
        began += timedelta(days=1)
    try:
        return (began + timedelta(days=days)).isoformat()
    except OverflowError:
        return _Fault("date")


def _is_on(given: str | None) -> bool:
    return given in ("1", "true")


def _number(given: str | None) -> int:
    if not given or not given.isdecimal() or len(given) > 9:
        raise SheetRefused("broken")
    return int(given)


def _column(reference: str) -> int:
    """The place of a cell in its row, from 0: `C7` is 2."""
    found = _REFERENCE.fullmatch(reference)
    if not found:
        raise SheetRefused("broken")
    place = 0
    for letter in found[1]:
        place = 26 * place + ord(letter) - ord("A") + 1
    return place - 1


def letters(place: int) -> str:
    """The name of a column: 2 is `C`."""
    name, place = "", place + 1
    while place:
        place, rest = divmod(place - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
