"""Proves that no row of the audit log was changed, removed, added, moved or forged; names the first that was.

A program by itself: this one file, copied to another machine, needs Python 3.11, `cryptography` and, for PostgreSQL,
`psycopg`. It reads the database or an export (JSON lines), the files of checkpoints, and a public key; it needs no
secret of the installation and writes nothing.

    python verifier.py --export audit.jsonl --checkpoints checkpoints-2026-11.jsonl --public-key KEY
    python verifier.py --database sqlite:///var/massar.sqlite3 --checkpoints DIR --public-key KEY

A row's hash is SHA-256 over the hash of the row before it in its segment, and the row. A segment holds the rows of one
kind and month, so that old ones can be deleted without breaking the rest. A checkpoint is one signed line (Ed25519,
RFC 8032) with count, last place and last hash of segments; it stands outside the database. Ends with code 0 when all
fits, 1 when something does not, 2 when something can't be read."""

import argparse
import base64
import hashlib
import json
import sqlite3
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

try:
    import psycopg
except ImportError:  # only a database of PostgreSQL needs it
    psycopg = None  # type: ignore[assignment]

VERSION = 1
HASH = 32  # bytes
COLUMNS = "id, uid, at, event, outcome, person_id, session_id, network, browser, detail, signature"
MOST_TOLD = 20  # problems that are told one by one
_AT_ONCE = 5000  # rows that one statement reads
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOWEST = -(1 << 62)  # below every id


class Unreadable(Exception):
    """A file, key or database that can't be read; the message is a sentence."""


class Row(NamedTuple):
    """One event as it is hashed. at: microseconds since 1970. detail: its JSON as it is stored, or ''."""

    id: int
    uid: str
    at: int
    event: str
    outcome: str
    person_id: int | None
    session_id: int | None
    network: str
    browser: str
    detail: str
    signature: str


class Entry(NamedTuple):
    """One place of the log: the hash that was recorded for it, and the row; None where it is gone."""

    seq: int
    segment: str
    hash: bytes
    row: Row | None
    id: int = 0
    previous: bytes | None = None  # as an export tells it


@dataclass(frozen=True, order=True)
class Mark:
    """What a checkpoint says of one segment: so many rows, the last at this place with this hash."""

    count: int
    seq: int
    head: bytes
    at: str


def micros(at: str | datetime) -> int:
    """Microseconds since 1970 of a moment as a database or an export gives it; one without a zone is in UTC."""
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> str:
    return (_EPOCH + timedelta(microseconds=at)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_row(values: Sequence[Any]) -> Row:
    """Make a row of COLUMNS as a database gave them."""
    return Row(values[0], values[1], micros(values[2]), *values[3:11])


def unpack_ids(packed: bytes, count: int) -> tuple[int, ...]:
    """Read the ids of a seal, 8 bytes each."""
    return struct.unpack(f">{count}q", packed)


def first_hash(database: str, segment: str) -> bytes:
    """What stands before the first row of a segment: no segment passes for another, no log for another's."""
    return hashlib.sha256(f"massar-audit-{VERSION}|{database}|{segment}".encode()).digest()


def next_hash(previous: bytes, segment: str, seq: int, row: Row) -> bytes:
    line = json.dumps([segment, seq, *row], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(previous + line.encode()).digest()


def canonical(line: Mapping[str, object]) -> bytes:
    """What the signature of a checkpoint covers: the line without it."""
    rest = {name: value for name, value in line.items() if name != "signature"}
    return json.dumps(rest, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode()


def key_id(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]


# --- what is told


@dataclass
class Findings:
    """What was found. `problems`: in the order of the log, each a sentence."""

    rows: int = 0
    last_seq: int = 0
    unsealed: int = 0
    marks: int = 0  # of checkpoints, held against the rows
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problem(self, sentence: str) -> None:
        self.problems.append(sentence)


class ProgressBar:
    """A line on the terminal with rate and what is left; nothing where nobody looks."""

    def __init__(self, total: int, *, shown: bool | None = None) -> None:
        self.total, self.shown = total, sys.stderr.isatty() if shown is None else shown
        self.begun = self.told = time.monotonic()

    def step(self, rows: int) -> None:
        now = time.monotonic()
        if not self.shown or now - self.told < 0.5:
            return
        self.told = now
        rate = rows / (now - self.begun)
        share = min(1.0, rows / self.total) if self.total else 1.0
        bar = "#" * int(30 * share)
        left = timedelta(seconds=int(max(0, self.total - rows) / rate)) if rate else "?"
        print(f"\r[{bar:<30}] {rows:,} of {self.total:,} rows  {rate:,.0f}/s  {left} left  ", end="", file=sys.stderr)

    def end(self) -> None:
        if self.shown:
            print(file=sys.stderr)


# --- checkpoints


class Checkpoints:
    """The signed lines: what they say of each segment, and which segments were deleted by retention."""

    def __init__(self, public_keys: Iterable[bytes] = ()) -> None:
        self._keys = {key_id(key): Ed25519PublicKey.from_public_bytes(key) for key in public_keys}
        self.marks: dict[str, list[Mark]] = {}
        self.retired: dict[str, Mark] = {}
        self.databases: set[str] = set()
        self.lines = 0

    def read(self, path: Path, report: Findings) -> None:
        """Read files in the order of their names; a folder stands for all that it holds."""
        files = sorted(path.glob("checkpoints-*.jsonl")) if path.is_dir() else [path]
        if not files:
            raise Unreadable(f"There is no file of checkpoints in {path}.")
        before = ""
        for file in files:
            try:
                lines = file.read_bytes().split(b"\n")
            except OSError as trouble:
                raise Unreadable(f"{file} can't be read: {trouble.strerror}.") from None
            for number, line in enumerate(lines, 1):
                if line:
                    before = self.take(line, before, f"{file.name}, line {number}", report)

    def take(self, line: bytes, before: str, place: str, report: Findings) -> str:
        """Judge one line; returns its hash, for the one that follows."""
        try:
            told = json.loads(line)
            signature = base64.b64decode(told["signature"], validate=True)
            segments, retired = told["segments"], told.get("retired", {})
            marks = [_mark(name, said, told) for name, said in [*segments.items(), *retired.items()]]
        except (ValueError, KeyError, TypeError, AttributeError):
            report.notes.append(f"{place}: not a whole checkpoint; left out.")
            return before
        if not self._signed(told, signature):
            report.problem(f"{place}: the signature of this checkpoint does not fit the public key.")
            return before
        if before and told.get("previous") != before:
            report.problem(f"{place}: a checkpoint before this line was changed or removed.")
        self.lines += 1
        self.databases.add(str(told.get("database")))
        for name, mark in marks:
            self.marks.setdefault(name, []).append(mark)
        self.retired |= {name: mark for name, mark in marks if name in retired}
        return hashlib.sha256(line).hexdigest()

    def _signed(self, told: Mapping[str, object], signature: bytes) -> bool:
        key = self._keys.get(str(told.get("key")))
        if key is None:
            return False
        try:
            key.verify(signature, canonical(told))
        except InvalidSignature:
            return False
        return True


def _mark(name: str, said: Sequence[Any], told: Mapping[str, Any]) -> tuple[str, Mark]:
    count, seq, head = said
    return name, Mark(int(count), int(seq), bytes.fromhex(head), str(told["at"]))


# --- the log


class Chain:
    """One segment while its rows come by: how many, the last place, the last hash, and the last that was vouched for
    by a checkpoint."""

    def __init__(self, segment: str, start: bytes | None, marks: list[Mark]) -> None:
        self.segment, self.hash = segment, start
        self.count, self.seq, self.vouched = 0, 0, 0
        # Every one of a place: a chain that was written anew is signed anew too, and the older line still tells.
        self.by_count: dict[int, list[Mark]] = {}
        self.by_seq: dict[int, list[Mark]] = {}
        for mark in marks:
            self.by_count.setdefault(mark.count, []).append(mark)
            self.by_seq.setdefault(mark.seq, []).append(mark)
        self.broken = False


class Judge:
    """Takes the entries of a log in the order of their places. `fits`: whether a row's own signature is right, where
    the installation's keys are at hand."""

    def __init__(
        self, database: str, checkpoints: Checkpoints, report: Findings, *, whole: bool = True,
        fits: Callable[[Row], bool] | None = None,
    ) -> None:  # fmt: skip
        self.database, self.checkpoints, self.report, self.whole, self.fits = database, checkpoints, report, whole, fits
        self.chains: dict[str, Chain] = {}
        self.gone = 0  # places that nothing stands at
        self.first_gap = ""
        others = checkpoints.databases - {database}
        if others:
            report.problem(f"These checkpoints are of another database ({', '.join(sorted(others))}), not {database}.")

    def take(self, entry: Entry) -> None:
        report, chain = self.report, self._chain(entry)
        if entry.seq != report.last_seq + 1 and (self.whole or report.last_seq):
            self.gone += entry.seq - report.last_seq - 1
            self.first_gap = self.first_gap or f"{report.last_seq + 1} to {entry.seq - 1}"
        report.last_seq, report.rows = entry.seq, report.rows + 1
        chain.count, chain.seq = chain.count + 1, entry.seq
        if entry.segment in self.checkpoints.retired:
            return  # what is left of it was to be deleted
        self._judge_row(entry, chain)
        chain.hash = entry.hash  # the next is judged by itself
        self._hold_against_marks(entry, chain)

    def _chain(self, entry: Entry) -> Chain:
        chain = self.chains.get(entry.segment)
        if chain is None:
            start = first_hash(self.database, entry.segment) if self.whole else entry.previous
            chain = Chain(entry.segment, start, self.checkpoints.marks.get(entry.segment, []))
            self.chains[entry.segment] = chain
        return chain

    def _judge_row(self, entry: Entry, chain: Chain) -> None:
        if entry.row is None:
            self.report.problem(f"seq {entry.seq}: the row (id {entry.id}, segment {entry.segment}) is missing.")
            return
        named = f"seq {entry.seq}, uid {entry.row.uid}"
        if chain.hash is not None and next_hash(chain.hash, entry.segment, entry.seq, entry.row) != entry.hash:
            follows = entry.previous is None or entry.previous == chain.hash
            why = "was changed, or is not the one that was sealed here" if follows else "does not follow the row before"
            self.report.problem(f"{named}: the row {why}.")
        elif self.fits and not self.fits(entry.row):
            self.report.problem(f"{named}: the row's own signature does not fit: it was written without the key.")

    def _hold_against_marks(self, entry: Entry, chain: Chain) -> None:
        marks = chain.by_count.get(chain.count) if self.whole else chain.by_seq.get(entry.seq)
        if not marks or chain.broken:
            return
        self.report.marks += len(marks)
        mark = next((mark for mark in marks if (mark.seq, mark.head) != (entry.seq, entry.hash)), None)
        if mark is None:
            chain.vouched = entry.seq
            return
        chain.broken = True
        self.report.problem(
            f"seq {chain.vouched + 1} to {entry.seq}, segment {entry.segment}: not the rows that the checkpoint of "
            f"{mark.at} signed ({mark.count} rows, the last at seq {mark.seq}). Of these at least one was changed, "
            "added, removed or moved, and the chain was written anew."
        )

    def end(self) -> None:
        """What is missing at the end, and whether what is gone was deleted by retention."""
        if not self.whole:
            return
        retired, explained = self.checkpoints.retired, 0
        for segment, marks in sorted(self.checkpoints.marks.items()):
            last, chain = max(marks), self.chains.get(segment)
            have = chain.count if chain else 0
            if segment in retired:
                explained += retired[segment].count - have
                said = f"{segment}: {retired[segment].count} rows up to seq {retired[segment].seq} were deleted by"
                head = retired[segment].head.hex()
                self.report.notes.append(f"{said} retention on {retired[segment].at}; the head was {head}.")
            elif have < last.count and not (chain and chain.broken):
                begin, there = (chain.vouched + 1, f" ({chain.seq} is the last)") if chain else (1, "")
                self.report.problem(
                    f"seq {begin} and after{there}: {last.count - have} rows of segment {segment} are missing; the "
                    f"checkpoint of {last.at} signed {last.count}, the last at seq {last.seq}."
                )
        if self.gone > explained:
            self.report.problem(f"seq {self.first_gap}: {self.gone - explained} sealed rows are missing altogether.")


# --- where rows are read


class Export:
    """An export: JSON lines as `massar audit export` writes them."""

    def __init__(self, path: Path) -> None:
        self._path, self.database, self.whole = path, "", True
        first = next(iter(self._lines()), None)
        if first is not None:
            self.database, self.whole = str(first["database"]), first["seq"] == 1
        self.total = 0

    def _lines(self) -> Iterator[Any]:
        try:
            with self._path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    yield self._parsed(number, line)
        except OSError as trouble:
            raise Unreadable(f"{self._path} can't be read: {trouble.strerror}.") from None

    def _parsed(self, number: int, line: bytes) -> Any:
        try:
            return json.loads(line)
        except ValueError:
            raise Unreadable(f"{self._path}, line {number}: not a line of an export.") from None

    def entries(self, report: Findings) -> Iterator[Entry]:
        for line in self._lines():
            try:
                yield exported_entry(line)
            except (KeyError, ValueError, TypeError):
                place = line.get("seq") if isinstance(line, dict) else "?"
                report.problem(f"seq {place}: a line that is no row.")


def exported_entry(line: Mapping[str, Any]) -> Entry:
    """Read one line of an export. Raises KeyError, ValueError or TypeError."""
    detail = line["detail"]
    text = detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False, sort_keys=True)
    row = Row(**{**{name: line[name] for name in Row._fields}, "at": micros(line["at"]), "detail": text})
    own, previous = bytes.fromhex(line["hash"]), bytes.fromhex(line["previous"])
    return Entry(line["seq"], line["segment"], own, row, row.id, previous)


Ask = Callable[[str, Sequence[Any]], list[Any]]
SEAL = "first_seq, segment, count, total, ids, hashes"


class Database:
    """The tables, by a function that runs one statement (with `%s`) and gives its rows. Reads whatever was sealed when
    it began; takes no lock and holds no transaction."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        found = ask("SELECT database, last_id, last_seq, gaps FROM audit_cursor", ())
        self.database: str
        self.last_id: int
        self.total: int
        self.database, self.last_id, self.total, gaps = found[0] if found else ("", 0, 0, "[]")
        self._open = [gap[:2] for gap in json.loads(gaps)]
        self.whole = True
        self._read_up_to: dict[str, int] = {}
        self._waiting: dict[str, dict[int, Row]] = {}  # rows that were read and whose seal has not come by yet

    def retired_lines(self) -> list[bytes]:
        return [line.encode() for (line,) in self._ask("SELECT line FROM audit_retired ORDER BY segment", ())]

    def entries(self, report: Findings) -> Iterator[Entry]:
        after = 0
        statement = (
            f"SELECT {SEAL} FROM audit_seal WHERE first_seq > %s AND first_seq <= %s ORDER BY first_seq LIMIT 200"
        )
        while seals := self._ask(statement, (after, self.total)):
            for first_seq, segment, count, _total, ids, hashes in seals:
                yield from self._sealed(first_seq, segment, count, bytes(ids), bytes(hashes), report)
            after = seals[-1][0]
        self._judge_rest(report)

    def _sealed(
        self, first: int, segment: str, count: int, ids: bytes, hashes: bytes, report: Findings
    ) -> Iterator[Entry]:
        if len(ids) != 8 * count or len(hashes) != HASH * count:
            report.problem(f"seq {first} to {first + count - 1}: the seal itself was changed.")
            return
        numbers = unpack_ids(ids, count)
        rows = self._rows(segment, numbers)
        for place, id in enumerate(numbers):
            own = hashes[HASH * place : HASH * (place + 1)]
            yield Entry(first + place, segment, own, rows.pop(id, None), id)

    def _rows(self, segment: str, numbers: Sequence[int]) -> dict[int, Row]:
        """Those rows, and what stands before them without a seal."""
        waiting = self._read(segment, max(numbers))
        for id in (id for id in numbers if id not in waiting):  # it was committed late, or is gone
            statement = f"SELECT {COLUMNS} FROM audit_event WHERE segment = %s AND id = %s"
            waiting |= {values[0]: read_row(values) for values in self._ask(statement, (segment, id))}
        return waiting

    def _read(self, segment: str, newest: int) -> dict[int, Row]:
        """Rows up to that id are read, each once. Returns those that no seal has named yet."""
        waiting, read = self._waiting.setdefault(segment, {}), self._read_up_to.get(segment, _LOWEST)
        statement = (
            f"SELECT {COLUMNS} FROM audit_event WHERE segment = %s AND id > %s AND id <= %s "
            f"ORDER BY id LIMIT {_AT_ONCE}"
        )
        while newest > read:
            found = self._ask(statement, (segment, read, newest))
            for values in found:
                waiting[values[0]] = read_row(values)
            read = found[-1][0] if len(found) == _AT_ONCE else newest
        self._read_up_to[segment] = read
        return waiting

    def _judge_rest(self, report: Findings) -> None:
        """Rows that no seal names: they wait for the sealer, or were put in behind it."""
        for (segment,) in self._ask("SELECT DISTINCT segment FROM audit_event ORDER BY segment", ()):
            self._read(segment, self.last_id)
        behind = [row for rows in self._waiting.values() for row in rows.values() if not self._may_wait(row.id)]
        for row in sorted(behind):
            report.problem(f"id {row.id}, uid {row.uid}: a row that was never sealed: it was put in later.")

    def unsealed(self) -> Iterator[Row]:
        """The rows that wait, once everything else was read."""
        for rows in self._waiting.values():
            yield from (row for row in rows.values() if self._may_wait(row.id))
        after = self.last_id
        statement = f"SELECT {COLUMNS} FROM audit_event WHERE id > %s ORDER BY id LIMIT {_AT_ONCE}"
        while found := self._ask(statement, (after,)):
            yield from map(read_row, found)
            after = found[-1][0]

    def _may_wait(self, id: int) -> bool:
        return id > self.last_id or any(first <= id <= last for first, last in self._open)


def verify(
    source: Export | Database, checkpoints: Checkpoints, report: Findings, *, fits: Callable[[Row], bool] | None = None,
    progress: ProgressBar | None = None,
) -> Findings:  # fmt: skip
    """Judge every row of the source. Raises Unreadable."""
    if isinstance(source, Database):
        for line in source.retired_lines():
            checkpoints.take(line, "", "the table audit_retired", report)
    judge = Judge(source.database, checkpoints, report, whole=source.whole, fits=fits)
    for entry in source.entries(report):
        judge.take(entry)
        if progress and not report.rows % 500:
            progress.step(report.rows)
    judge.end()
    for row in source.unsealed() if isinstance(source, Database) else ():
        report.unsealed += 1
        if fits and not fits(row):
            report.problem(f"uid {row.uid}, not sealed yet: the row's own signature does not fit.")
    if progress:
        progress.end()
    return report


def tell(report: Findings, checkpoints: Checkpoints) -> int:
    """Print what was found; returns the exit code."""
    for sentence in report.notes:
        print(sentence)
    for sentence in report.problems[:MOST_TOLD]:
        print(f"!! {sentence}")
    if len(report.problems) > MOST_TOLD:
        print(f"!! and {len(report.problems) - MOST_TOLD} more.")
    waiting = f", {report.unsealed} not sealed yet" if report.unsealed else ""
    print(f"{report.rows} rows read{waiting}, up to seq {report.last_seq}; {checkpoints.lines} checkpoints read, "
          f"{report.marks} held against the rows; {len(report.problems)} problem(s).")  # fmt: skip
    if not checkpoints.lines:
        print("Without checkpoints nobody sees rows cut off at the end, or a chain that was written anew.")
    return 1 if report.problems else 0


# --- the program


def connect(url: str) -> Ask:
    """Open a database for reading only. Raises Unreadable."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return read_sqlite(Path(unquote(parts.path[1:])))
    if psycopg is None:
        raise Unreadable("A database of PostgreSQL needs the package psycopg on this machine.")
    try:
        opened = psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=on")
    except psycopg.Error as trouble:
        raise Unreadable(f"The database can't be reached: {str(trouble).splitlines()[0]}.") from None

    def ask(statement: str, params: Sequence[Any]) -> list[Any]:
        try:
            return opened.execute(statement.encode(), params).fetchall()
        except psycopg.Error as trouble:
            raise Unreadable(f"The database can't be read: {str(trouble).splitlines()[0]}.") from None

    return ask


def read_sqlite(path: Path) -> Ask:
    try:
        opened = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        opened.execute("SELECT 1 FROM audit_seal LIMIT 1")
    except sqlite3.Error as trouble:
        raise Unreadable(f"{path} can't be read: {trouble}.") from None

    def ask(statement: str, params: Sequence[Any]) -> list[Any]:
        try:
            return opened.execute(statement.replace("%s", "?"), params).fetchall()
        except sqlite3.Error as trouble:
            raise Unreadable(f"{path} can't be read: {trouble}.") from None

    return ask


def read_key(text: str) -> bytes:
    """A public key as `massar audit key` prints it: 32 bytes in base64. Raises Unreadable."""
    with suppress(ValueError):
        if len(key := base64.b64decode(text, validate=True)) == HASH:
            return key
    raise Unreadable(f"{text[:60]!r} is no public key: give what `massar audit key` prints.")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Verify the audit log of Massar Account.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--export", type=Path, metavar="FILE", help="JSON lines written by `massar audit export`")
    source.add_argument("--database", metavar="URL", help="sqlite:///PATH or postgres://...")
    parser.add_argument("--checkpoints", type=Path, action="append", default=[], metavar="PATH", help="file or folder")
    parser.add_argument(
        "--public-key", action="append", default=[], metavar="KEY", help="of the checkpoints; may repeat"
    )
    options = parser.parse_args(argv)
    try:
        report, checkpoints = Findings(), Checkpoints(map(read_key, options.public_key))
        for path in options.checkpoints:
            checkpoints.read(path, report)
        opened = Export(options.export) if options.export else Database(connect(options.database))
        verify(opened, checkpoints, report, progress=ProgressBar(opened.total))
    except Unreadable as sentence:
        print(sentence, file=sys.stderr)
        return 2
    return tell(report, checkpoints)


if __name__ == "__main__":
    sys.exit(main())
