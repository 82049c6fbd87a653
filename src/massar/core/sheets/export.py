"""Rows into a file that no spreadsheet can be harmed by, and that comes back through `open_sheet` unchanged.

XLSX is offered first: each cell is a text there, so a phone keeps its `+`, a code its zeros, and what looks like a
formula is none. A CSV file is only text to whoever opens it: a sign that begins a formula gets an apostrophe in front
(ASVS 5.0 1.2.10; OWASP, CSV Injection), which `without_guard` takes away."""

import csv
import re
from collections.abc import Iterable, Sequence
from typing import BinaryIO, TextIO

from xlsxwriter import Workbook

# What a spreadsheet takes for the beginning of a formula, wide forms and marks that can't be seen before it included.
_BEGINS_FORMULA = re.compile(
    "[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff\\s]*[=+@\uff0b\uff0d\uff1d\uff20\t\r\0-]"
)
_WIDEST = 48  # characters
_LONGEST_FOOT = 200
MOST_ROWS = 1_048_576  # of a sheet, all that stands above the rows included
_OPTIONS = {
    "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
    "in_memory": False,
}  # fmt: skip


def write_xlsx(
    file: BinaryIO, header: Sequence[str], rows: Iterable[Sequence[str]], *, name: str, right_to_left: bool = False,
    above: str = "",
) -> int:  # fmt: skip
    """Write a workbook with one sheet of texts, the header frozen; return how many rows there were. Memory stays the
    same however many there are. above: stands over the header, and below each page that is printed. Raises ValueError
    for more rows than a sheet has."""
    first = 1 if above else 0
    with Workbook(file, _OPTIONS) as book:
        sheet = book.add_worksheet(name)
        text, head = book.add_format({"num_format": "@"}), book.add_format({"num_format": "@", "bold": True})
        if right_to_left:
            sheet.right_to_left()
        if above:
            sheet.write_string(0, 0, above, text)
            sheet.set_footer("&C" + above[:_LONGEST_FOOT].replace("&", "&&"))
        sheet.freeze_panes(first + 1, 0)
        for place, title in enumerate(header):
            sheet.set_column(place, place, min(_WIDEST, max(14, len(title) + 2)), text)
            sheet.write_string(first, place, title, head)
        written = 0
        for written, row in enumerate(rows, start=1):
            if first + written >= MOST_ROWS:
                raise ValueError(f"a sheet has {MOST_ROWS} rows")
            for place, cell in enumerate(row):
                if cell:
                    sheet.write_string(first + written, place, cell, text)
    return written


def write_csv(file: TextIO, header: Sequence[str], rows: Iterable[Sequence[str]], *, above: str = "") -> int:
    """Write semicolons and CR LF, as spreadsheets in Morocco expect, and return how many rows there were. Open the file
    as `utf-8-sig` with newline=''. above: stands over the header, in a row with as many cells: whoever reads the first
    line to tell the delimiter finds it."""
    writer, written = csv.writer(file, delimiter=";", lineterminator="\r\n"), 0
    if above:
        writer.writerow([guarded(above), *[""] * (len(header) - 1)])
    writer.writerow([guarded(title) for title in header])
    for row in rows:
        writer.writerow([guarded(cell) for cell in row])
        written += 1
    return written


def guarded(cell: str) -> str:
    """The cell with an apostrophe in front where a spreadsheet would read a formula (or where one stood already)."""
    return f"'{cell}" if _BEGINS_FORMULA.match(cell.lstrip("'")) else cell


def without_guard(cell: str) -> str:
    """What `guarded` was given."""
    return cell[1:] if cell.startswith("'") and _BEGINS_FORMULA.match(cell.lstrip("'")) else cell
