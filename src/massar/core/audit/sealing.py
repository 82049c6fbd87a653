"""The sealer: gives rows their place and hash, up to a thousand at a time, after they were committed.

Ids are given before a transaction commits, so the row with the smaller id may come later: places follow the order of
sealing. Ids that are missing below the newest are remembered as gaps until nobody can commit them any more. Any worker
may seal; of two at once the second finds the cursor moved on, and has done nothing."""

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction

from massar.core import clock, ids, sql
from massar.core.audit import verifier
from massar.core.audit.verifier import HASH, Row

MOST = 1000  # rows of one seal
GAPS_FOR = timedelta(minutes=1)
_CURSOR = "database, version, last_id, last_seq, gaps, signed_seq, sent_seq"


class Gap(NamedTuple):
    """Ids that were given and not seen. at: when that was noticed, in microseconds. transaction: no older one may be
    running before the gap is forgotten (PostgreSQL)."""

    first: int
    last: int
    at: int
    transaction: int


class Place(NamedTuple):
    """How far the sealer, the checkpoints (`signed_seq`) and the export by syslog (`sent_seq`) have come."""

    database: str
    version: int
    last_id: int
    last_seq: int
    gaps: str
    signed_seq: int
    sent_seq: int


@dataclass(frozen=True)
class Head:
    """The end of a segment's chain."""

    count: int
    seq: int
    hash: bytes


class Lag(NamedTuple):
    """Since when something waits to be sealed, signed and sent; None where nothing does."""

    unsealed: datetime | None
    unsigned: datetime | None
    unsent: datetime | None


def cursor() -> Place:
    """Read the cursor; the first who asks makes it, and with it the name of this log."""
    statement = f"SELECT {_CURSOR} FROM audit_cursor WHERE id = 1"
    found = sql.select_one(Place, statement)
    if found is None:
        sql.execute(
            f"INSERT INTO audit_cursor (id, {_CURSOR}, sender) "
            "VALUES (1, %s, 0, 0, 0, '[]', 0, 0, '') ON CONFLICT (id) DO NOTHING",
            (ids.short_token(),),
        )
        found = sql.select(Place, statement)[0]
    return found


def seal(*, now: datetime) -> int:
    """Seal what is committed and has no place yet, a thousand rows at most. Returns how many."""
    here = cursor()
    gaps = [Gap(*gap) for gap in json.loads(here.gaps)]
    late = _in_gaps(gaps)
    fresh = _rows("id > %s", [here.last_id], MOST - len(late))
    rows = sorted([*late, *fresh], key=lambda pair: pair[1].id)
    open_gaps = _still_open(gaps, here.last_id, [row.id for _, row in rows], now)
    if not rows and len(open_gaps) == len(gaps):
        return 0
    seals = list(_sealed(here, rows, now))
    last_id, gap_text = max([here.last_id, *(row.id for _, row in rows)]), json.dumps(open_gaps)
    with transaction.atomic():
        moved = sql.execute(
            "UPDATE audit_cursor SET version = version + 1, last_id = %s, last_seq = %s, gaps = %s "
            "WHERE id = 1 AND version = %s AND database = %s",
            (last_id, here.last_seq + len(rows), gap_text, here.version, here.database),
        )
        if not moved:
            return 0  # somebody else was faster
        if seals:
            columns = "first_seq, segment, count, total, ids, hashes, at"
            values = [value for one in seals for value in one]
            sql.execute(f"INSERT INTO audit_seal ({columns}) VALUES {sql.values(len(seals), 7)}", values)
    return len(rows)


Placed = tuple[str, Row]  # a segment, and a row of it


def _rows(where: str, params: list[int], most: int) -> list[Placed]:
    statement = f"SELECT segment, {verifier.COLUMNS} FROM audit_event WHERE {where} ORDER BY id LIMIT %s"
    return [(row[0], verifier.read_row(row[1:])) for row in sql.rows(statement, [*params, max(most, 0)])]


def _in_gaps(gaps: list[Gap]) -> list[Placed]:
    """Rows that have been committed late."""
    if not gaps:
        return []
    ranges = " OR ".join(["id BETWEEN %s AND %s"] * len(gaps))
    between = [gaps[0].first, gaps[-1].last]  # by which the index is read
    return _rows(f"id BETWEEN %s AND %s AND ({ranges})", between + [n for gap in gaps for n in gap[:2]], MOST)


def _still_open(gaps: list[Gap], last_id: int, sealed: list[int], now: datetime) -> list[Gap]:
    """The gaps that are left when those ids are sealed, in order, without overlap."""
    running, ended = _transactions() if gaps or sealed else (0, 0)
    kept = [gap for gap in gaps if not _is_over(gap, ended, now)]
    newest, at = max([last_id, *sealed]), clock.micros(now)
    if newest > last_id:
        kept.append(Gap(last_id + 1, newest, at, running))
    left = []
    for gap in kept:
        first = gap.first
        for id in (id for id in sealed if gap.first <= id <= gap.last):
            if id > first:
                left.append(gap._replace(first=first, last=id - 1))
            first = id + 1
        if first <= gap.last:
            left.append(gap._replace(first=first))
    return left


def _transactions() -> tuple[int, int]:
    """(The number that the next transaction gets, the number below which all have ended)."""
    if connection.vendor != "postgresql":
        return 0, 1  # one writer at a time: what is missing will never come
    snapshot = "pg_current_snapshot()"
    [(following, oldest)] = sql.rows(
        f"SELECT CAST(CAST(pg_snapshot_xmax({snapshot}) AS text) AS bigint), "
        f"CAST(CAST(pg_snapshot_xmin({snapshot}) AS text) AS bigint)"
    )
    return following, oldest


def _is_over(gap: Gap, ended: int, now: datetime) -> bool:
    """Rolled back: everybody who was at work when it was noticed has ended, and time has passed."""
    return ended > gap.transaction and now - clock.from_micros(gap.at) > GAPS_FOR


def _sealed(here: Place, rows: Iterable[Placed], now: datetime) -> Iterable[tuple[object, ...]]:
    """One row of audit_seal for each segment."""
    by_segment: dict[str, list[Row]] = {}
    for segment, row in rows:
        by_segment.setdefault(segment, []).append(row)
    seq = here.last_seq
    for segment, own in sorted(by_segment.items()):
        head, first = head_of(segment), seq + 1
        last = head.hash if head else verifier.first_hash(here.database, segment)
        hashes = bytearray()
        for row in own:
            seq += 1
            last = verifier.next_hash(last, segment, seq, row)
            hashes += last
        numbers = struct.pack(f">{len(own)}q", *(row.id for row in own))
        total = (head.count if head else 0) + len(own)
        yield first, segment, len(own), total, numbers, bytes(hashes), sql.at(now)


def head_of(segment: str, *, up_to: int = 1 << 62) -> Head | None:
    """Where the segment's chain ends; up_to: as it was when the log ended there."""
    statement = "SELECT total, first_seq + count - 1, hashes FROM audit_seal WHERE segment = %s AND first_seq <= %s"
    found = sql.row(f"{statement} ORDER BY first_seq DESC LIMIT 1", (segment, up_to))
    return Head(found[0], found[1], bytes(found[2])[-HASH:]) if found else None


def lag() -> Lag:
    """What the alarms judge. What is counted and not written yet waits too."""
    here = sql.row("SELECT last_id, signed_seq, sent_seq FROM audit_cursor WHERE id = 1") or (0, 0, 0)
    waiting = sql.row("SELECT at FROM audit_event WHERE id > %s ORDER BY id LIMIT 1", here[:1])
    counted = sql.row("SELECT at FROM audit_tally ORDER BY id LIMIT 1")
    after = "SELECT at FROM audit_seal WHERE first_seq > %s ORDER BY first_seq LIMIT 1"
    unsigned, unsent = (sql.row(after, (seq,)) for seq in here[1:])
    told = (min((one for one in (waiting, counted) if one), default=None), unsigned, unsent)
    return Lag(*(sql.moment(row[0]) if row else None for row in told))


def claim_sending(name: str, *, until: datetime, now: datetime) -> bool:
    """Whether this worker is the one who sends, until then."""
    cursor()
    claimed = sql.execute(
        "UPDATE audit_cursor SET sender = %s, sender_until = %s WHERE id = 1 AND (sender = %s OR sender_until IS NULL "
        "OR sender_until < %s OR sender_until > %s)",  # the last: by a clock that was put right since
        (name, sql.at(until), name, sql.at(now), sql.at(until + clock.SKEW)),
    )
    return claimed == 1


def note_sent(seq: int) -> None:
    sql.execute("UPDATE audit_cursor SET sent_seq = %s WHERE id = 1 AND sent_seq < %s", (seq, seq))
