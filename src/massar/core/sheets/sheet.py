"""What a file of rows is to its reader, whichever format it came in: cells as text, and what must be told."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

MIB = 1024 * 1024


class SheetRefused(Exception):
    """The file can't be read, or not without a choice that only a person can make. `kind` is a message id after
    `sheet.`; line: of the file, from 1, where there is one; detail: what a person has to see (names of sheets …)."""

    def __init__(self, kind: str, *, line: int = 0, detail: str = "") -> None:
        super().__init__(kind, line, detail)
        self.kind, self.line, self.detail = kind, line, detail


@dataclass(frozen=True)
class Bounds:
    """How much is read at most (ASVS 5.0 5.2.1 and 5.2.3). file, unpacked: bytes. ratio: of unpacked to packed."""

    file: int
    unpacked: int
    rows: int
    ratio: int = 100
    columns: int = 100
    cell: int = 1000  # characters


BY_PAGE = Bounds(file=10 * MIB, unpacked=100 * MIB, rows=200_000)
BY_COMMAND = Bounds(file=4096 * MIB, unpacked=4096 * MIB, rows=20_000_000)


@dataclass(frozen=True)
class Choices:
    """What a person said about a file. None: not asked yet, and then it is told what was taken."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None


class Note(NamedTuple):
    """Something about the file that a person must hear before it is used. `kind` is a message id after `sheet.note.`;
    many: how many rows, cells, columns; detail: which."""

    kind: str
    many: int = 0
    detail: str = ""


class SheetRow(NamedTuple):
    """number: the row's number in the sheet, or the line of the file where it begins, from 1. faults: why a cell can't
    be taken, by the cell's place from 0 (a message id after `sheet.cell.`); such a cell is ''."""

    number: int
    cells: tuple[str, ...]
    faults: dict[int, str]
    hidden: bool = False


class Sheet(Protocol):
    """size: how many rows there are, about: lines of CSV may belong together."""

    notes: tuple[Note, ...]
    size: int

    def rows(self) -> Iterator[SheetRow]:
        """Rows in which something stands, in order. May be asked for again. Raises SheetRefused."""
        ...
