"""Conversion: of the codes sent to phones, how many were typed in. Who pumps numbers for the toll types none.

Counted from the outbox itself: codes that prove a contact, handed over to a provider, and either used or older than
`RIPE`. A stop is not written anywhere. It holds for an hour from the last code, because no more are sent meanwhile;
then counting starts anew. What is typed in late opens it sooner. A provider that is far behind is stopped likewise."""

from datetime import datetime, timedelta
from typing import NamedTuple

from massar.core import sql
from massar.domain.delivery import outbox

# From so many codes on none is sent any more below STOP. When to raise an alarm is the alarm's own limit.
BLOCK, NATION, PROVIDER = 20, 200, 20  # a block is of 1 000 numbers
STOP = 0.10
PROVIDER_BEHIND = 0.30  # so far behind the best provider: it accepts and does not deliver
WINDOW = timedelta(hours=1)
RIPE = timedelta(minutes=5)

_CODES = "purpose = 'contact_code' AND channel = 'sms' AND submitted_at IS NOT NULL"
_SENT = "SUM(CASE WHEN used_at IS NOT NULL OR submitted_at <= %s THEN 1 ELSE 0 END)"


class Conversion(NamedTuple):
    """Codes sent that tell something by now, and those of them that were used. `last`: when the newest was put in.
    `delivered`: how many have arrived, as the provider says. `name`: of a provider; of a block the readable beginning
    of its 1 000 numbers, as `+212661123`. `newest`: the number of a message."""

    sent: int
    used: int
    last: datetime | None = None
    delivered: int = 0
    name: str = ""
    newest: int = 0

    @property
    def share(self) -> float:
        return self.used / self.sent if self.sent else 1.0

    def low(self, enough: int, share: float = STOP) -> bool:
        """Enough codes, and fewer of them used than that share."""
        return self.sent >= enough and self.share < share

    def stopped_until(self, enough: int) -> datetime | None:
        """Until when no code is sent; None while codes are sent."""
        return self.last + WINDOW if self.last and self.low(enough) else None


def stopped(number: str, *, now: datetime) -> datetime | None:
    """Until when no code goes to this number, because of its block or of the whole country. None: it may go."""
    of_block = _tally("AND block_hmac = %s", [outbox.block_hmac(number)], now).stopped_until(BLOCK)
    of_nation = national(now=now).stopped_until(NATION)
    return max(filter(None, (of_block, of_nation)), default=None)


def national(*, now: datetime) -> Conversion:
    """Of all codes sent to phones in the hour up to the newest."""
    return _tally("", [], now)


def _tally(scope: str, params: list[str], now: datetime) -> Conversion:
    """Within the hour up to the newest code; nothing if that is an hour old."""
    of_those = f"FROM delivery_message WHERE {_CODES} AND created_at > %s {scope}"
    [(newest,)] = sql.rows(f"SELECT MAX(created_at) {of_those}", [sql.at(now - WINDOW), *params])
    last = sql.moment(newest)
    if last is None:
        return Conversion(0, 0)
    counted = [sql.at(now - RIPE), sql.at(last - WINDOW), *params]
    [tally] = sql.select(Conversion, f"SELECT {_SENT} AS sent, COUNT(used_at) AS used {of_those}", counted)
    return tally._replace(last=last)


def by_block(*, now: datetime) -> list[Conversion]:
    """Blocks with enough codes to tell something, the worst first; each in the hour up to its newest code."""
    told = [tally for tally in _tallies("block_hmac", now) if tally.sent >= BLOCK]
    if not told:
        return []
    found = sql.rows(
        f"SELECT id, uid, block_ciphertext FROM delivery_message WHERE id IN ({sql.placeholders(len(told))})",
        [tally.newest for tally in told],
    )
    numbers = {message_id: outbox.block_of(uid, ciphertext) for message_id, uid, ciphertext in found}
    return sorted((one._replace(name=numbers[one.newest]) for one in told), key=lambda one: one.share)


def stopped_blocks(*, now: datetime) -> list[Conversion]:
    return [block for block in by_block(now=now) if block.stopped_until(BLOCK)]


def _tallies(column: str, now: datetime) -> list[Conversion]:
    return sql.select(
        Conversion,
        f"WITH codes AS (SELECT id, {column} AS name, created_at, submitted_at, used_at, delivered_at, "
        f"MAX(created_at) OVER (PARTITION BY {column}) AS last FROM delivery_message "
        f"WHERE {_CODES} AND {column} <> '' AND created_at > %s) "
        f"SELECT name, MAX(id) AS newest, MAX(last) AS last, {_SENT} AS sent, COUNT(used_at) AS used, "
        "COUNT(delivered_at) AS delivered FROM codes "
        f"WHERE last > %s AND {sql.seconds_between('created_at', 'last')} < %s GROUP BY name ORDER BY name",
        [sql.at(now - 2 * WINDOW), sql.at(now - RIPE), sql.at(now - WINDOW), WINDOW.total_seconds()],
    )


class Compared(NamedTuple):
    """Providers beside each other. behind: far behind the best, which accept and do not deliver: nothing is sent by
    them while another can, until an hour after their last code. low: below the stop, though no other has sent enough to
    compare with, and without receipts that say otherwise: some messages try whether another does better."""

    behind: tuple[str, ...] = ()
    low: tuple[str, ...] = ()


def compared(*, now: datetime) -> Compared:
    """All low at once is no provider's fault: then the stops of blocks and of the country speak."""
    told = [tally for tally in _tallies("provider", now) if tally.sent >= PROVIDER]
    best = max((tally.share for tally in told), default=0.0)
    behind = tuple(one.name for one in told if one.share <= best - PROVIDER_BEHIND)
    low = (one.name for one in told if one.low(PROVIDER) and 2 * one.delivered < one.sent)
    return Compared(behind, tuple(low) if len(told) == 1 else ())
