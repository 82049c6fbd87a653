"""Consume rate limits by the generic cell rate algorithm: before anything is verified, in one atomic statement.

Sources: decision 18; NIST SP 800-63B-4 §3.2.2 (at most 100 consecutive failures); OWASP "Slow down online guessing
with device cookies". No limit ever locks an account: a known device has a limit of its own, and recovery stays open.

No bucket owes more than it holds, whatever a clock did: `tat` is read as now + room at most. A row that was written by
a clock ahead of ours gives nothing, and is corrected by the first request that is refused because of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from massar.core import clock, encryption, sql


class RateLimit(NamedTuple):
    """`burst` units at once; then one more every `refill`."""

    name: str
    burst: int
    refill: timedelta

    @property
    def cost(self) -> int:
        """Microseconds until one unit comes back."""
        return self.refill // timedelta(microseconds=1)

    @property
    def room(self) -> int:
        """Microseconds until an empty bucket is full."""
        return self.cost * self.burst

    def bucket(self, *owner: object, units: int = 1) -> Bucket:
        """The bucket of that owner. Its key is a blind index: the table tells nothing about what was typed."""
        return Bucket(self, encryption.data_keys().blind_index("limit", self.name, *owner), units)


class Bucket(NamedTuple):
    """What one owner has left of a rate limit, and how many units a call takes from it."""

    limit: RateLimit
    key: str
    units: int = 1

    @property
    def cost(self) -> int:
        """More units than the bucket ever holds count as all of it."""
        return self.limit.cost * min(self.units, self.limit.burst)


class RateLimited(NamedTuple):
    """A bucket is empty; a unit comes back at `until`. `spent`: the names of all limits that had too little."""

    limit: str
    until: datetime
    spent: frozenset[str] = frozenset()


def consume(buckets: Iterable[Bucket], *, now: datetime) -> RateLimited | None:
    """Take the units from every bucket, or from none; one statement decides, so parallel calls can't overrun. A bucket
    that stands in the list twice gives both or none. Returns why nothing was taken."""
    taken = take(buckets, now=now)
    return taken if isinstance(taken, RateLimited) else None


def consume_first(buckets: Sequence[Bucket], *, now: datetime) -> Bucket | RateLimited:
    """Take the units from the first of these buckets that has them, asked one by one; return it, or why the last gave
    nothing."""
    *others, last = buckets
    found = next((one for one in others if consume([one], now=now) is None), None)
    return found or consume([last], now=now) or last


def take(buckets: Iterable[Bucket], *, silent: Sequence[Bucket] = (), now: datetime) -> dict[str, int] | RateLimited:
    """Do what `consume` does, and tell by each key how many units are gone now, with those of this call. silent: taken
    from too, in the same statement, where they have enough; a spent one refuses nothing, and its key is missing."""
    quiet = {one.key for one in silent}
    ordered = _by_key((*buckets, *silent))
    moment = clock.micros(now)
    # excluded.tat - excluded.cost is now.
    most = "excluded.tat - excluded.cost + excluded.room"
    owed = f"{sql.greatest()}(limits_bucketstate.tat, excluded.tat - excluded.cost)"
    rows = sql.rows(
        f"INSERT INTO limits_bucketstate (key, tat, cost, room) VALUES {sql.values(len(ordered), 4)} "
        f"ON CONFLICT (key) DO UPDATE SET tat = {owed} + excluded.cost, cost = excluded.cost, room = excluded.room "
        f"WHERE {owed} <= {most} - excluded.cost RETURNING key, tat",
        [value for one in ordered for value in (one.key, moment + one.cost, one.cost, one.limit.room)],
    )
    taken: dict[str, int] = dict(rows)
    missing = [one for one in ordered if one.key not in taken and one.key not in quiet]
    if not missing:
        return {one.key: units_gone(one, taken[one.key], now=now) for one in ordered if one.key in taken}
    refund([one for one in ordered if one.key in taken], now=now)
    return _refusal(missing, now)


def refund(buckets: Iterable[Bucket], *, now: datetime | None = None, reset: Iterable[Bucket] = ()) -> None:
    """Put the units back (the try was right, or never came about), and fill the buckets of `reset` to the brim.

    now: when they were taken. A bucket that owed nothing then owes nothing again, whatever a clock says later.

    One statement locks the rows in the order of `consume`: of two in one transaction, the second could wait for a
    `consume` that waits for it."""
    filled, returned = [one.key for one in reset], _by_key(buckets)
    keys = filled + [one.key for one in returned]
    if not keys:
        return
    cases = "WHEN key = %s THEN 0 " * len(filled)
    cases += "WHEN key = %s THEN CASE WHEN tat - %s <= %s THEN 0 ELSE tat - %s END " * len(returned)
    moment = clock.micros(now) if now else 0
    # The keys stand outside too: without statistics PostgreSQL would lock them once for each row of the whole table.
    these = f"key IN ({sql.placeholders(len(keys))})"
    sql.execute(
        f"UPDATE limits_bucketstate SET tat = CASE {cases}ELSE tat END WHERE {these} AND key IN "
        f"(SELECT key FROM limits_bucketstate WHERE {these} {sql.lock_in_order('key')})",
        [*filled, *(value for one in returned for value in (one.key, one.cost, moment, one.cost)), *keys, *keys],
    )


def _by_key(buckets: Iterable[Bucket]) -> list[Bucket]:
    """Each bucket once, in one order for all: no deadlock between rows."""
    found: dict[str, Bucket] = {}
    for one in buckets:
        known = found.get(one.key)
        found[one.key] = one._replace(units=known.units + one.units) if known else one
    return sorted(found.values(), key=lambda one: one.key)


def remaining(bucket: Bucket, *, now: datetime) -> int:
    found = sql.row("SELECT tat FROM limits_bucketstate WHERE key = %s", (bucket.key,))
    owed = min(max(0, (found[0] if found else 0) - clock.micros(now)), bucket.limit.room)
    return (bucket.limit.room - owed) // bucket.limit.cost


def count_spent(limit: RateLimit, *, now: datetime) -> int:
    """How many of this limit's buckets have no unit left. It is known by its room, which no other may have."""
    least, most = clock.micros(now) + limit.room - limit.cost, clock.micros(now) + limit.room
    statement = "SELECT COUNT(*) FROM limits_bucketstate WHERE tat > %s AND tat <= %s AND room = %s"
    return int(sql.rows(statement, (least, most, limit.room))[0][0])


def units_gone(bucket: Bucket, tat: int, *, now: datetime) -> int:
    """How many units a bucket lacks whose row says `tat`; one that is half back still counts."""
    owed = min(max(0, tat - clock.micros(now)), bucket.limit.room)
    return -(-owed // bucket.limit.cost)


def sweep(*, now: datetime) -> int:
    """Remove the buckets that are full again; returns how many."""
    return sql.execute("DELETE FROM limits_bucketstate WHERE tat < %s", (clock.micros(now),))


def _refusal(missing: list[Bucket], now: datetime) -> RateLimited:
    """Name the bucket that takes longest to hold what was asked for: before that no try would pass."""
    keys, moment = [one.key for one in missing], clock.micros(now)
    statement = f"SELECT key, tat FROM limits_bucketstate WHERE key IN ({sql.placeholders(len(keys))})"
    full_at: dict[str, int] = dict(sql.rows(statement, keys))
    for one in missing:  # in the order of `consume`
        most = moment + one.limit.room
        if full_at.get(one.key, 0) > most:
            # Written down, or every later reader would count the whole room anew and nothing would ever come back.
            full_at[one.key] = most
            sql.execute("UPDATE limits_bucketstate SET tat = %s WHERE key = %s AND tat > %s", (most, one.key, most))
    # Not found: its owner filled it since, the next try finds it open.
    again = [full_at[one.key] + one.cost - one.limit.room if one.key in full_at else moment for one in missing]
    until, name = max(zip(again, (one.limit.name for one in missing), strict=True))
    return RateLimited(name, clock.from_micros(until), frozenset(one.limit.name for one in missing))
