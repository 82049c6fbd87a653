"""Conversion: of the codes sent to phones, how many were typed in. Who pumps numbers for a share of the toll types
none.

Counted from the outbox itself: codes that prove a contact, handed over to a provider, and either used or older than
`RIPE`. A stop is not written anywhere. It holds for an hour from the last code, because no more are sent meanwhile;
then counting starts anew. What is typed in late opens it sooner. A provider that is far behind another is stopped
likewise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from massar.core import sql
from massar.domain.delivery import outbox


@dataclass(frozen=True)
class Rule:
    """From `enough` codes on: no more codes below the share `stop`. When to raise an alarm is the alarm's own limit."""

    enough: int
    stop: float


BLOCK = Rule(20, stop=0.10)  # of 1 000 numbers
NATION = Rule(200, stop=0.10)
PROVIDER = Rule(20, stop=0.10)
PROVIDER_BEHIND = 0.30  # so far behind the best provider: it accepts and does not deliver
WINDOW = timedelta(hours=1)
RIPE = timedelta(minutes=5)

_CODES = "purpose = 'contact_code' AND channel = 'sms' AND submitted_at IS NOT NULL"
_COUNTS = "used_at IS NOT NULL OR submitted_at <= %s"


@dataclass(frozen=True)
class Tally:
    """Codes sent that tell something by now, and those of them that were used. `last`: when the newest was put in.
    `delivered`: of a provider's, how many it says have arrived.
    """

    sent: int
    used: int
    last: datetime | None = None
    delivered: int = 0

    @property
    def share(self) -> float:
        return self.used / self.sent if self.sent else 1.0

    def low(self, rule: Rule, share: float) -> bool:
        """Enough codes, and fewer of them used than that share."""
        return self.sent >= rule.enough and self.share < share

    def stopped_until(self, rule: Rule) -> datetime | None:
        """Until when no code is sent; None while codes are sent."""
        if self.last is None or not self.low(rule, rule.stop):
            return None
        return self.last + WINDOW


@dataclass(frozen=True)
class Block:
    """A block of 1 000 numbers by its readable beginning, as `+212661123`."""

    numbers: str
    tally: Tally


def stopped(number: str, *, now: datetime) -> datetime | None:
    """Until when no code goes to this number, because of its block or of the whole country. None: it may go."""
    of_block = _tally("AND block_hmac = %s", [outbox.block_hmac(number)], now).stopped_until(BLOCK)
    of_nation = national(now=now).stopped_until(NATION)
    return max(filter(None, (of_block, of_nation)), default=None)


def national(*, now: datetime) -> Tally:
    """Of all codes sent to phones in the hour up to the newest."""
    return _tally("", [], now)


def by_block(*, now: datetime) -> list[Block]:
    """Blocks with enough codes to tell something, the worst first; each in the hour up to its newest code."""
    found = sql.rows(
        "WITH codes AS (SELECT id, block_hmac, created_at, submitted_at, used_at, "
        "MAX(created_at) OVER (PARTITION BY block_hmac) AS last FROM delivery_message "
        f"WHERE {_CODES} AND block_hmac <> '' AND created_at > %s) "
        f"SELECT MAX(id), MAX(last), SUM(CASE WHEN {_COUNTS} THEN 1 ELSE 0 END), COUNT(used_at) FROM codes "
        f"WHERE last > %s AND {sql.seconds_between('created_at', 'last')} < %s GROUP BY block_hmac",
        [sql.at(now - 2 * WINDOW), sql.at(now - RIPE), sql.at(now - WINDOW), WINDOW.total_seconds()],
    )
    told = {row[0]: Tally(row[2], row[3], sql.moment(row[1])) for row in found if row[2] >= BLOCK.enough}
    numbers = _readable(list(told))
    return sorted((Block(numbers[one], told[one]) for one in told), key=lambda b: b.tally.share)


def stopped_blocks(*, now: datetime) -> list[Block]:
    """Blocks to which no code is sent just now."""
    return [block for block in by_block(now=now) if block.tally.stopped_until(BLOCK)]


def by_provider(*, now: datetime) -> dict[str, Tally]:
    """Of each provider that accepted codes within the last hour; each in the hour up to its newest code."""
    found = sql.rows(
        "WITH codes AS (SELECT provider, created_at, submitted_at, used_at, delivered_at, "
        "MAX(created_at) OVER (PARTITION BY provider) AS last "
        f"FROM delivery_message WHERE {_CODES} AND created_at > %s) "
        f"SELECT provider, SUM(CASE WHEN {_COUNTS} THEN 1 ELSE 0 END), COUNT(used_at), MAX(last), "
        "COUNT(delivered_at) FROM codes "
        f"WHERE last > %s AND {sql.seconds_between('created_at', 'last')} < %s GROUP BY provider ORDER BY provider",
        [sql.at(now - 2 * WINDOW), sql.at(now - RIPE), sql.at(now - WINDOW), WINDOW.total_seconds()],
    )
    return {row[0]: Tally(row[1], row[2], sql.moment(row[3]), row[4]) for row in found}


@dataclass(frozen=True)
class Compared:
    """Providers beside each other. behind: far behind the best, which accept and do not deliver: nothing is sent by
    them while another can, until an hour after their last code. low: below the stop, though no other has sent enough
    to compare with, and without receipts that say otherwise: some messages try whether another does better.
    """

    behind: tuple[str, ...] = ()
    low: tuple[str, ...] = ()


def compared(*, now: datetime) -> Compared:
    """All low at once is no provider's fault: then the stops of blocks and of the country speak."""
    told = {name: tally for name, tally in by_provider(now=now).items() if tally.sent >= PROVIDER.enough}
    best = max((tally.share for tally in told.values()), default=0.0)
    behind = tuple(name for name, tally in told.items() if tally.share <= best - PROVIDER_BEHIND)
    low = [
        name for name, tally in told.items() if tally.low(PROVIDER, PROVIDER.stop) and 2 * tally.delivered < tally.sent
    ]
    return Compared(behind, tuple(low) if len(told) == 1 else ())


def behind(*, now: datetime) -> list[str]:
    """Providers that are stopped because others do far better."""
    return list(compared(now=now).behind)


class _Newest(NamedTuple):
    last: datetime | None


def _tally(scope: str, params: list[str], now: datetime) -> Tally:
    """Within the hour up to the newest code; nothing if that is an hour old."""
    [newest] = sql.select(
        _Newest,
        f"SELECT MAX(created_at) AS last FROM delivery_message WHERE {_CODES} AND created_at > %s {scope}",
        [sql.at(now - WINDOW), *params],
    )
    if newest.last is None:
        return Tally(0, 0)
    [(sent, used)] = sql.rows(
        f"SELECT SUM(CASE WHEN {_COUNTS} THEN 1 ELSE 0 END), COUNT(used_at) FROM delivery_message "
        f"WHERE {_CODES} AND created_at > %s {scope}",
        [sql.at(now - RIPE), sql.at(newest.last - WINDOW), *params],
    )
    return Tally(sent, used, newest.last)


def _readable(message_ids: list[int]) -> dict[int, str]:
    if not message_ids:
        return {}
    found = sql.rows(
        f"SELECT id, uid, block_ciphertext FROM delivery_message WHERE id IN ({sql.placeholders(len(message_ids))})",
        message_ids,
    )
    return {row_id: outbox.block_of(uid, ciphertext) for row_id, uid, ciphertext in found}
