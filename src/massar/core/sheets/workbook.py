"""The outside of an XLSX file (ECMA-376 part 2): the archive, bounded, and where its parts are.

Files come from strangers' hands. Nothing is unpacked to disk, names in the archive are only looked up, and every part
is read by expat with document types refused, so no entity is ever expanded and no tree of elements is built."""

import errno
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self
from xml.parsers import expat

from massar.core.sheets.sheet import MIB, Bounds, SheetRefused

_CHUNK = 64 * 1024
_MOST_PARTS = 2000
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")  # ECMA-376 part 1, 22.9.2.19
_DATE_FORMATS = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}  # part 1, 18.8.30
_NOT_OF_A_DATE = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.|General|E[+-]', re.IGNORECASE)
_PADDED = re.compile("0{2,}")
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, KeyError, UnicodeDecodeError, expat.ExpatError,
)  # fmt: skip
_ENCODINGS = {None, "utf-8", "utf-16", "us-ascii", "iso-8859-1"}  # expat's own; for others Python's codecs are asked

Start = Callable[[str, dict[str, str]], None]


@dataclass(frozen=True)
class SheetEntry:
    name: str
    part: str
    hidden: bool


@dataclass(frozen=True)
class Format:
    """How numbers of a cell are shown. padded: digits that are shown at least, zeros in front."""

    is_date: bool = False
    padded: int = 0


class Workbook:
    """An open XLSX file. sheets: in their order; shared: the texts that cells refer to, read when first asked for."""

    def __init__(self, path: Path, bounds: Bounds) -> None:
        self._bounds = bounds
        with _damage_told():
            self._archive = zipfile.ZipFile(path)
        try:
            self._parts = self._judged_parts()
            self._main = self._main_part()
            self.since_1904 = False
            self.sheets = self._read_sheets()
            self.formats = self._read_formats()
        except BaseException:
            self._archive.close()
            raise
        self._shared: list[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    @property
    def shared(self) -> list[str]:
        if self._shared is None:
            self._shared = self._read_shared()
        return self._shared

    def read(self, part: str, parser: expat.XMLParserType) -> Iterator[None]:
        """Feed a part to a parser, and give the turn after every piece."""
        with _damage_told(), self._archive.open(self._parts[part.lower()]) as stream:
            while piece := stream.read(_CHUNK):
                parser.Parse(piece, False)
                yield
            parser.Parse(b"", True)
        yield

    def _judged_parts(self) -> dict[str, zipfile.ZipInfo]:
        """Parts by their names in small letters: names of parts differ by more than their case (part 2, 6.2.2)."""
        infos = [info for info in self._archive.infolist() if not info.is_dir()]
        parts = {info.filename.lower().lstrip("/"): info for info in infos}
        if len(infos) > _MOST_PARTS or sum(info.file_size for info in infos) > self._bounds.unpacked:
            raise SheetRefused("unpacked", detail=str(self._bounds.unpacked // MIB))
        if any(i.file_size > max(MIB, self._bounds.ratio * i.compress_size) for i in infos) or len(parts) < len(infos):
            raise SheetRefused("broken")
        if any(info.flag_bits & 1 for info in infos):
            raise SheetRefused("locked")
        if "mimetype" in parts:
            raise SheetRefused("other_format", detail="ODS")
        if any(name.endswith("vbaproject.bin") for name in parts):
            raise SheetRefused("macros")
        return parts

    def _main_part(self) -> str:
        found = [part for kind, part in self._relations("").values() if kind == "officeDocument"]
        if len(found) != 1:
            raise SheetRefused("broken")
        if found[0].endswith(".bin"):
            raise SheetRefused("other_format", detail="XLSB")
        return found[0]

    def _relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Kind and part of each relation of a part, by id (part 2, 6.5.2)."""
        place = PurePosixPath(part)
        found: dict[str, tuple[str, str]] = {}

        def start(name: str, given: dict[str, str]) -> None:
            if name == "Relationship" and given.get("TargetMode") != "External":
                target = given.get("Target", "")
                inside = PurePosixPath(target[1:]) if target.startswith("/") else place.parent / target
                found[given.get("Id", "")] = (given.get("Type", "").rpartition("/")[2], _flat(inside))

        rels = _flat(place.parent / "_rels" / f"{place.name}.rels")
        if rels.lower() in self._parts:
            self._scan(rels, start)
        return found

    def _scan(self, part: str, start: Start) -> None:
        parser = new_parser()
        parser.StartElementHandler = lambda name, given: start(local(name), given)
        for _ in self.read(part, parser):
            pass

    def _read_sheets(self) -> tuple[SheetEntry, ...]:
        relations, sheets = self._relations(self._main), []

        def start(name: str, given: dict[str, str]) -> None:
            if name == "workbookPr":
                self.since_1904 = given.get("date1904") in ("1", "true")
            elif name == "sheet":
                # The id stands in another name space than the rest, whose address is one of two.
                found = next((relations.get(value) for key, value in given.items() if key.endswith(" id")), None)
                hidden = given.get("state", "visible") != "visible"
                if found and found[0] == "worksheet":  # no chart
                    sheets.append(SheetEntry(given.get("name", ""), found[1], hidden))

        self._scan(self._main, start)
        if not sheets:
            raise SheetRefused("empty")
        return tuple(sheets)

    def _part_of_kind(self, kind: str) -> str | None:
        return next((part for k, part in self._relations(self._main).values() if k == kind), None)

    def _read_formats(self) -> list[Format]:
        """By the number of a cell's style (part 1, 18.8.10 and 18.8.30)."""
        codes: dict[str, str] = {}
        styles: list[Format] = []
        inside = [""]

        def start(name: str, given: dict[str, str]) -> None:
            if name in ("cellXfs", "cellStyleXfs", "dxfs"):
                inside[0] = name
            elif name == "numFmt":
                codes[given.get("numFmtId", "")] = given.get("formatCode", "")
            elif name == "xf" and inside[0] == "cellXfs":
                number = given.get("numFmtId", "0")
                styles.append(_format(number, codes.get(number, "")))

        part = self._part_of_kind("styles")
        if part:
            self._scan(part, start)
        return styles

    def _read_shared(self) -> list[str]:
        part, texts = self._part_of_kind("sharedStrings"), Texts()
        found: list[str] = []
        if part is None:
            return found

        def end(name: str) -> None:
            texts.end(local(name))
            if local(name) == "si":
                found.append(texts.taken())
                if len(found) > self._bounds.rows * self._bounds.columns:
                    raise SheetRefused("unpacked", detail=str(self._bounds.unpacked // MIB))

        parser = new_parser()
        parser.StartElementHandler = lambda name, _: texts.start(local(name))
        parser.EndElementHandler, parser.CharacterDataHandler = end, texts.data
        for _ in self.read(part, parser):
            pass
        return found


@contextmanager
def _damage_told() -> Iterator[None]:
    """Whatever Python says of an archive or an XML part that is broken becomes one refusal."""
    try:
        yield
    except _DAMAGED as trouble:
        raise SheetRefused("broken") from trouble
    except OSError as trouble:
        if trouble.errno != errno.EINVAL:  # the archive points before its own beginning
            raise
        raise SheetRefused("broken") from trouble


class Texts:
    """The text of a string item (part 1, 18.4.8): its runs in a row, without the phonetic ones."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._open, self._phonetic = False, False

    def start(self, name: str) -> None:
        if name == "t":
            self._open = not self._phonetic
        elif name == "rPh":
            self._phonetic = True

    def end(self, name: str) -> None:
        if name == "t":
            self._open = False
        elif name == "rPh":
            self._phonetic = False

    def data(self, piece: str) -> None:
        if self._open:
            self._pieces.append(piece)

    def taken(self) -> str:
        text = "".join(self._pieces)
        self._pieces.clear()
        return unescaped(text)


def new_parser() -> expat.XMLParserType:
    """A parser that refuses document types (nothing of OOXML has one: part 1, 8) and encodings of others."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise SheetRefused("broken")

    def declared(_: str, encoding: str | None, __: int) -> None:
        if (encoding and encoding.lower()) not in _ENCODINGS:
            refuse()

    parser.StartDoctypeDeclHandler, parser.XmlDeclHandler = refuse, declared
    return parser


def local(name: str) -> str:
    """The name without its name space: transitional and strict files have different ones, and mean the same."""
    return name[name.rfind(" ") + 1 :]


def unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _format(number: str, code: str) -> Format:
    """Only the section of positive numbers counts. Colours, locales and calendars in brackets are no letters of it."""
    if not code:
        return Format(is_date=number.isdecimal() and int(number) in _DATE_FORMATS)
    shown = code.partition(";")[0]
    letters = _NOT_OF_A_DATE.sub("", shown).lower()
    is_date = bool(set(letters) & set("dy")) or ("m" in letters and not set(letters) & set("hs0#?"))
    return Format(is_date=is_date, padded=len(shown) if _PADDED.fullmatch(shown) else 0)


def _flat(place: PurePosixPath) -> str:
    """A path without `..`, which may point out of the archive: then it names nothing."""
    steps: list[str] = []
    for step in place.parts:
        if step == "..":
            steps = steps[:-1]
        elif step != ".":
            steps.append(step)
    return "/".join(steps)
