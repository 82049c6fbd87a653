"""Counts of what unknown browsers failed: one password at many accounts, and all failures of the country.

A span is ten minutes. In each, 4 096 places count passwords: a failed try marks, at the place of its password, the cell
of its account (one of 64). Marked cells tell on how many accounts a password failed (linear counting, Whang et al.
1990). The places after them count all failures; four, so that commits don't queue for one row.

A failed password is often one slip away from a right one, so a row must not betray it. Its place is 12 bits of an HMAC
under a data key and the day, its account 6 bits. Whoever has the database and the key finds some hundred accounts and
thousands of words behind every mark: too many to spare him the Argon2id of each guess. Rows live for an hour."""

import math
from collections.abc import Iterable
from datetime import datetime
from statistics import median

from massar.core import clock, encryption, sql

SPAN = 600_000_000  # µs
SPANS = 7  # what counts as the last hour: this span and six before
PLACES, CELLS, SHARDS = 4096, 64, 4
_TABLE = "limits_failurecount"
_SLOTS = 2 * PLACES  # ids of one span
_DAY, _HOUR = 144, 6  # spans
_WEEK = 7
KEPT = 8 * _DAY  # spans for which failures of the country are remembered


def span_of(now: datetime) -> int:
    return clock.micros(now) // SPAN


def ids_of_password(password: str, *, now: datetime) -> list[int]:
    """The rows that tell of this password in the last hour."""
    spans = range(span_of(now) - SPANS + 1, span_of(now) + 1)
    places = {day: _place(password, day) for day in {span // _DAY for span in spans}}
    return [span * _SLOTS + places[span // _DAY] for span in spans]


def ids_of_all(*, now: datetime) -> list[int]:
    """The rows that tell how many tries failed in the last hour, whatever their password."""
    return _ids_of_spans(range(span_of(now) - SPANS + 1, span_of(now) + 1))


def count_failure(*, password: str, account: str, now: datetime) -> None:
    """Count one failed try of an unknown browser in one statement. `password` '': it was none, but a code. `account`:
    the key of its bucket."""
    span, drawn = span_of(now), int(account[:8], 16)
    rows = [(span * _SLOTS + PLACES + drawn % SHARDS, 0)]
    if password:
        mark = 1 << (drawn // SHARDS % CELLS)
        rows.insert(0, (span * _SLOTS + _place(password, span // _DAY), mark - (1 << 64) if mark >> 63 else mark))
    cells, number = (f"{_TABLE}.cells | excluded.cells", f"{_TABLE}.number + excluded.number")
    sql.execute(
        f"INSERT INTO {_TABLE} (id, cells, number) VALUES {sql.values(len(rows), 3)} "
        f"ON CONFLICT (id) DO UPDATE SET cells = {cells}, number = {number}",
        [value for row in rows for value in (*row, 1)],
    )


def accounts(cells: Iterable[int], *, failures: int) -> float:
    """On about how many accounts a password failed, of whose places these are the cells. failures: all those of the
    hour; what other passwords have left at the same place is taken off. Where that is more than the cells can tell,
    the answer is no more than their number: enough for a challenge, and no ground to refuse a password."""
    marked = 0
    for one in cells:
        marked |= one
    empty = CELLS - (marked & (1 << CELLS) - 1).bit_count()
    found = CELLS * math.log(CELLS / max(empty, 0.5))
    noise = failures / PLACES
    return min(found, CELLS) if noise > CELLS else max(0.0, found - noise)


def failures(*, now: datetime) -> tuple[int, int, float]:
    """Failures of the last hour; of this span and the one before; and how many are usual in two spans at this time of
    day (the median of the same hour on seven days)."""
    last = span_of(now)
    before = {day: range(last - day * _DAY - _HOUR // 2, last - day * _DAY + _HOUR // 2) for day in range(1, _WEEK + 1)}
    hour = range(last - SPANS + 1, last + 1)
    count = _by_span([*hour, *(span for spans in before.values() for span in spans)])
    usual = median(sum(count.get(span, 0) for span in spans) for spans in before.values())
    recent = sum(count.get(span, 0) for span in (last - 1, last))
    return sum(count.get(span, 0) for span in hour), recent, usual * 2 / _HOUR


def sprayed(more_than: int, *, failures: int, now: datetime) -> int:
    """How many passwords failed on more than so many accounts in the last hour, across midnight apart by day. failures:
    all those of the hour; where they are more than the cells can tell, none is named."""
    if failures > CELLS * PLACES:
        return 0
    last = span_of(now)
    place, bounds = f"id %% {_SLOTS}", ((last - SPANS + 1) * _SLOTS, last * _SLOTS + PLACES)
    here = f"FROM {_TABLE} WHERE id BETWEEN %s AND %s AND {place} < {PLACES}"
    found = sql.rows(
        f"SELECT {place}, id / {_SLOTS} / {_DAY}, cells {here} AND {place} IN "
        f"(SELECT {place} {here} GROUP BY {place} HAVING SUM(number) > %s)",
        (*bounds, *bounds, more_than),
    )
    by_place: dict[tuple[int, int], list[int]] = {}
    for at, day, cells in found:
        by_place.setdefault((at, day), []).append(cells)
    return sum(accounts(cells, failures=failures) > more_than for cells in by_place.values())


def sweep(*, now: datetime) -> int:
    """Remove what no longer counts, and what a clock ahead of ours has counted into spans to come."""
    last = span_of(now)
    return sql.execute(
        f"DELETE FROM {_TABLE} WHERE id < %s OR id >= %s OR (id < %s AND id %% {_SLOTS} < {PLACES})",
        ((last - KEPT) * _SLOTS, (last + 2) * _SLOTS, (last - SPANS) * _SLOTS),
    )


def _ids_of_spans(spans: Iterable[int]) -> list[int]:
    return [span * _SLOTS + PLACES + shard for span in spans for shard in range(SHARDS)]


def _by_span(spans: list[int]) -> dict[int, int]:
    keys = _ids_of_spans(spans)
    found = sql.rows(
        f"SELECT id / {_SLOTS}, SUM(number) FROM {_TABLE} WHERE id IN ({sql.placeholders(len(keys))}) "
        f"GROUP BY id / {_SLOTS}",
        keys,
    )
    return {int(span): int(number) for span, number in found}


def _place(password: str, day: int) -> int:
    return int(encryption.data_keys().blind_index("sprayed", day, password)[:8], 16) % PLACES
