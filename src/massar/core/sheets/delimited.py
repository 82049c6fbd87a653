"""CSV as it is found: UTF-8, UTF-16 or windows-1256; semicolons, commas or tabs (RFC 4180, and what Excel makes of it).

Nothing is guessed in silence: what was taken stands in the notes. An encoding is told from the bytes of the whole file,
as one line is too little: valid UTF-8 is UTF-8; what is not is windows-1256, whose Arabic and French letters are those
that Excel writes in Morocco, unless so much of it is UTF-8 that it is a damaged file."""

import codecs
import csv
import re
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from massar.core.sheets.export import without_guard
from massar.core.sheets.sheet import Bounds, Choices, Note, SheetRefused, SheetRow

ENCODINGS = ("utf-8", "utf-16", "windows-1256")
DELIMITERS = (";", ",", "\t")
_CHUNK = 1024 * 1024
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HIGH = re.compile(rb"[\x80-\xff]")
_SAID = re.compile(r"sep=([;,\t])\s*", re.IGNORECASE)  # Excel's own first line


class DelimitedFile:
    """A CSV file on disk."""

    def __init__(self, path: Path, bounds: Bounds, choices: Choices) -> None:
        self._path, self._bounds = path, bounds
        self._encoding, encoding_note = _encoding(path, choices.encoding)
        self.size = _count_lines(path)
        first = next(self._lines(), "")
        said = _SAID.fullmatch(first)
        self._skipped = 1 if said else 0
        self._delimiter = choices.delimiter or (said[1] if said else _most_frequent(first))
        taken = () if choices.delimiter or said else (Note("delimiter", detail=self._delimiter),)
        self.notes: tuple[Note, ...] = (*encoding_note, *taken)

    def rows(self) -> Iterator[SheetRow]:
        lines = self._lines()
        for _ in range(self._skipped):
            next(lines)
        # A field that never ends stops here, long before the end of the file is in memory.
        csv.field_size_limit(4 * self._bounds.cell)
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        begins = seen = 0
        while True:
            begins = reader.line_num + 1 + self._skipped
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as trouble:
                raise SheetRefused("quotes", line=begins) from trouble
            if len(cells) > self._bounds.columns:
                raise SheetRefused("columns", line=begins, detail=str(self._bounds.columns))
            if not any(cells):
                continue
            seen += 1
            if seen > self._bounds.rows:
                raise SheetRefused("rows", line=begins, detail=str(self._bounds.rows))
            yield self._row(begins, cells)

    def _row(self, number: int, cells: list[str]) -> SheetRow:
        whole = "".join(cells)
        if len(whole) <= self._bounds.cell and "'" not in whole:  # none is too long, none has a guard
            return SheetRow(number, tuple(cells), {})
        faults = {place: "long" for place, cell in enumerate(cells) if len(cell) > self._bounds.cell}
        read = ("" if place in faults else without_guard(cell) for place, cell in enumerate(cells))
        return SheetRow(number, tuple(read), faults)

    def _lines(self) -> Iterator[str]:
        longest = self._bounds.columns * self._bounds.cell
        with self._path.open("rb") as raw, TextIOWrapper(raw, self._encoding, newline="") as text:
            number = 0
            try:
                while line := text.readline(longest + 1):
                    number += 1
                    if len(line) > longest:
                        raise SheetRefused("line", line=number)
                    if "\0" in line:
                        raise SheetRefused("binary", line=number)
                    yield line
            except UnicodeDecodeError as trouble:  # of UTF-16 alone: the rest was looked through
                raise SheetRefused("binary", line=number + 1) from trouble


def _most_frequent(line: str) -> str:
    """The sign that parts the most fields of the first line. A lone column has none; then any will do."""
    unquoted = re.sub(r'"[^"]*"', "", line)
    return max(DELIMITERS, key=unquoted.count)


def _encoding(path: Path, chosen: str | None) -> tuple[str, tuple[Note, ...]]:
    """The codec to read with, and what to tell of it."""
    with path.open("rb") as file:
        start = file.read(4)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16", ()
        file.seek(0)
        stopped = _first_not_utf8(file)
        if chosen == "utf-8" and stopped:
            raise SheetRefused("damaged_utf8", line=stopped)
        if chosen == "windows-1256":
            return chosen, ()
        if not stopped:
            return "utf-8-sig", ()
        file.seek(0)
        if _is_mostly_utf8(file):
            raise SheetRefused("damaged_utf8", line=stopped)
    return "windows-1256", (Note("encoding", detail=_sample(path)),)


def _first_not_utf8(file: BinaryIO) -> int:
    """The line of the first byte that is not UTF-8, from 1; 0 where the whole file is."""
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    while True:
        chunk = file.read(_CHUNK)
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as trouble:
            return line + bytes(trouble.object)[: trouble.start].count(b"\n")
        if not chunk:
            return 0
        line += chunk.count(b"\n")


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK), b""))


def _is_mostly_utf8(file: BinaryIO) -> bool:
    """Whether most of the bytes beyond ASCII stand in whole signs of UTF-8, which text of windows-1256 hardly has."""
    high = whole = 0
    while chunk := file.read(_CHUNK):
        high += len(_HIGH.findall(chunk))
        whole += sum(map(len, _MULTIBYTE.findall(chunk)))
    return whole > high / 2


def _sample(path: Path) -> str:
    """The first line with letters beyond ASCII, as it will be read: a person sees at once whether it is right."""
    with path.open("rb") as raw:
        for line in raw:
            if _HIGH.search(line):
                return line[:200].decode("windows-1256", "replace").strip()
    return ""
