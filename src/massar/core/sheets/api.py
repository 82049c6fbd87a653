"""Rows out of a file that somebody made: CSV or XLSX, told by what it holds and never by its name."""

from pathlib import Path

from massar.core.sheets.delimited import DELIMITERS, ENCODINGS, DelimitedFile
from massar.core.sheets.export import MOST_ROWS, write_csv, write_xlsx
from massar.core.sheets.sheet import BY_COMMAND, BY_PAGE, MIB, Bounds, Choices, Note, Sheet, SheetRefused, SheetRow
from massar.core.sheets.worksheet import Worksheet, letters

__all__ = [
    "BY_COMMAND", "BY_PAGE", "DELIMITERS", "ENCODINGS", "MIB", "MOST_ROWS", "Bounds", "Choices", "Note", "Sheet",
    "SheetRefused", "SheetRow", "letters", "open_sheet", "write_csv", "write_xlsx",
]  # fmt: skip
_ZIP = b"PK\x03\x04"
_COMPOUND = bytes.fromhex("d0cf11e0a1b11ae1")  # files of old Excel, and XLSX behind a password


def open_sheet(path: Path, *, bounds: Bounds, choices: Choices | None = None) -> Sheet:
    """Look the file through and say what is to be told of it. Its rows are read when they are asked for. Raises
    SheetRefused."""
    size = path.stat().st_size
    if not size:
        raise SheetRefused("empty")
    if size > bounds.file:
        raise SheetRefused("file", detail=str(bounds.file // MIB))
    with path.open("rb") as file:
        start = file.read(len(_COMPOUND))
    if start == _COMPOUND:
        raise SheetRefused("locked")
    kind = Worksheet if start.startswith(_ZIP) else DelimitedFile
    return kind(path, bounds, choices or Choices())
