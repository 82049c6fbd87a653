"""What becomes of messages, in numbers: for the operators' page, `massar messages`, /metrics and the alarms.

The cost follows the window and not the table: everything is found through an index (`created_at`, the partial ones of
the queue, the newest rows by id). docs/operate/messages.md says what it costs with a million rows. A message counts for
the provider that took it last, and at the moment it was put in."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.utils.functional import cached_property

from massar.core import sql
from massar.core.audit import api as audit_log
from massar.core.keyring import api as keyring
from massar.domain.delivery import breaker, receipts, routing
from massar.domain.delivery.models import Message
from massar.domain.delivery.outbox import FAULT, OPEN, UNREADABLE
from massar.domain.delivery.wording import CHANNELS

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)
RECOVERY = "recovery"  # a request that waits for its answer, beside the purposes of messages
SECRETS = ("temporary_password", "vouching_code", "contact_code")  # what is to be typed in soon: conversion, urgency
NEWEST_LOOKED_AT = 20_000  # rows that a search for errors may cost
_ENDED_UNSENT = "state IN ('failed', 'expired')"  # as in the index, which SQLite takes for the same words only
_PEOPLE = f"channel IN {CHANNELS}"  # what sites are told is no message to people
_TO_PEOPLE = f" AND {_PEOPLE}"
_DESTINATION = re.compile(r"\S+@\S+|\+?\d{8,}")


@dataclass(frozen=True)
class Waiting:
    """What has not left, or has left without a word since: how many in one state with one purpose, and the oldest."""

    state: str
    purpose: str
    count: int
    oldest: datetime


class Tally(NamedTuple):
    """Messages that were put in during some time. sent: handed over; late: not delivered 45 seconds after it, or not
    until then, where receipts come; failed, expired: ended so; waits: seconds from put in to handed over, at p50, p95
    and p99 (nearest rank), None where none was; cost: thousandths; secrets, used: of the codes and temporary passwords
    sent, how many were typed in."""

    sent: int = 0
    delivered: int = 0
    late: int = 0
    failed: int = 0
    expired: int = 0
    segments: int = 0
    cost: int = 0
    secrets: int = 0
    used: int = 0
    waits: tuple[float, float, float] | None = None

    @property
    def conversion(self) -> float | None:
        """Share of the sent secrets that were used, 0 to 1."""
        return self.used / self.secrets if self.secrets else None


class Error(NamedTuple):
    """An attempt, a segment or a request for recovery that did not end well. `code`: the reason, without a destination.
    A request has no provider; `channel` is then RECOVERY."""

    at: datetime
    provider: str
    channel: str
    outcome: str
    code: str


class Liveness(NamedTuple):
    """Whether somebody works. due_since: since when the longest waiting could be claimed; held: a lease is running;
    last_sign: when something was last begun or answered."""

    due_since: datetime | None
    held: bool
    last_sign: datetime | None


class ToPerson(NamedTuple):
    """One message as its owner may see it: what, where to (masked), when handed over and delivered. `about`: the event
    of a notice, '' for other messages. `state` is that of the outbox, or `returned`: it was handed over, and came
    back."""

    purpose: str
    channel: str
    masked: str
    state: str
    created_at: datetime
    submitted_at: datetime | None
    delivered_at: datetime | None
    about: str = ""


class Defence(NamedTuple):
    """What unknown browsers do at the sign-in. siege: every one of them meets a challenge; accounts: so many are under
    siege by command; failures: of the last ten to twenty minutes; usual: at this time of day; passwords: those that
    fail on many accounts; networks: those whose failures are spent."""

    siege: bool = False
    accounts: int = 0
    failures: int = 0
    usual: float = 0
    passwords: int = 0
    networks: int = 0


class MetricsSnapshot:
    """The numbers of one moment: each part is read once, and only if it is asked for. What other rooms keep is read by
    a function. `read_budgets`: of each budget of all SMS, by name how many percent of it are spent; `read_overdue`: the
    jobs of retention that fail, or have not gone well for a day; `read_busy_desks`: branches whose help desk approves
    so many percent of what it usually does; `read_asked`: cases of the help desk that somebody above asks about."""

    def __init__(
        self, now: datetime, read_budgets: Callable[[], dict[str, float]] = dict,
        read_defence: Callable[[], Defence] = Defence, read_overdue: Callable[[], list[str]] = list,
        read_busy_desks: Callable[[int], list[str]] = lambda percent: [], read_asked: Callable[[], list[str]] = list,
    ) -> None:  # fmt: skip
        self.read_asked = read_asked
        self.now, self.read_budgets, self.read_busy_desks = now, read_budgets, read_busy_desks
        self.read_defence, self.read_overdue = read_defence, read_overdue

    @cached_property
    def budgets(self) -> dict[str, float]:
        return self.read_budgets()

    @cached_property
    def defence(self) -> Defence:
        return self.read_defence()

    @cached_property
    def overdue(self) -> list[str]:
        return self.read_overdue()

    queue = cached_property(lambda self: read_queue())
    hour = cached_property(lambda self: tally_by_provider(now=self.now, window=HOUR))
    breakers = cached_property(lambda self: breaker.all_states())
    punctuality = cached_property(lambda self: routing.punctuality(now=self.now))
    liveness = cached_property(lambda self: read_liveness(now=self.now))
    expired = cached_property(lambda self: count_expired(since=self.now - HOUR))
    faults = cached_property(lambda self: find_faults(since=self.now - HOUR))
    unreadable = cached_property(lambda self: count_unreadable(since=self.now - HOUR))
    unopened = cached_property(lambda self: keyring.state.unopened(since=self.now - HOUR))
    keyless = cached_property(lambda self: keyring.state.keyless(now=self.now))
    audit = cached_property(lambda self: audit_log.sealing.lag())


def read_queue() -> list[Waiting]:
    """Read the queue by state and purpose, requests for recovery too. Each part has a partial index, which SQLite takes
    for literals only."""
    messages = " UNION ALL ".join(
        "SELECT state, purpose, COUNT(*) AS count, MIN(created_at) AS oldest FROM delivery_message "
        f"WHERE {one} GROUP BY state, purpose"
        for one in (OPEN, "state = 'awaiting_receipt'")
    )
    requests = (
        f"SELECT state, '{RECOVERY}', COUNT(*), MIN(created_at) FROM delivery_recoveryrequest "
        "WHERE state IN ('waiting', 'claimed') GROUP BY state"
    )
    return sql.select(Waiting, f"{messages} UNION ALL {requests}")


def tally_by_provider(*, now: datetime, window: timedelta) -> dict[tuple[str, str], Tally]:
    """(channel, provider) -> tally of the messages put in during the window. Provider '': none had it. What no provider
    has taken counts for the one that was tried last."""
    since = now - window
    found = {(channel, provider): tally for (channel, provider), tally in _tally(("channel", "provider"), since, now)}
    never_taken = sql.rows(
        "SELECT m.channel, COALESCE(a.provider, ''), COUNT(CASE WHEN m.state = 'failed' THEN 1 END), "
        "COUNT(CASE WHEN m.state = 'expired' THEN 1 END) FROM delivery_message m "
        "LEFT JOIN delivery_attempt a ON a.message_id = m.id AND a.number = m.attempts WHERE m.created_at >= %s "
        "AND m.provider = '' AND m.state IN ('failed', 'expired') GROUP BY m.channel, a.provider",
        (sql.at(since),),
    )
    for channel, provider, failed, expired in never_taken:
        known = found.get((channel, provider), Tally())
        found[channel, provider] = known._replace(failed=known.failed + failed, expired=known.expired + expired)
    return dict(sorted(found.items()))


def tally_over_time(*, now: datetime, window: timedelta, step: timedelta) -> list[tuple[datetime, Tally]]:
    """(beginning, tally) of every step of the window, oldest first, empty ones too; sites are left out."""
    width = int(step.total_seconds())
    last = int(now.timestamp()) // width
    numbers = range(last - int(window / step) + 1, last + 1)
    starts = [datetime.fromtimestamp(number * width, UTC) for number in numbers]
    found = {int(key): tally for (key,), tally in _tally((sql.span_number("created_at", width),), starts[0], now, True)}
    return [(start, found.get(number, Tally())) for number, start in zip(numbers, starts, strict=True)]


def add_up(tallies: Iterable[Tally]) -> Tally:
    """Add tallies; how long they took can't be added up."""
    listed = list(tallies)
    return Tally(**{name: sum(getattr(one, name) for one in listed) for name in _COUNTED})


# Of messages that a provider has taken. Silent until its end: handed over, and final later than that.
_UNTIL = "COALESCE(delivered_at, CASE state WHEN 'awaiting_receipt' THEN %s ELSE final_at END)"
_SECRET = f"submitted_at IS NOT NULL AND purpose IN {SECRETS}"
_COUNTED = {
    "sent": "COUNT(submitted_at)",
    "delivered": "COUNT(delivered_at)",
    "late": f"COUNT(CASE WHEN state <> 'failed' AND {{waited}} > {routing.LATE_AFTER.total_seconds()} THEN 1 END)",
    "failed": "COUNT(CASE WHEN state = 'failed' THEN 1 END)",
    "expired": "COUNT(CASE WHEN state = 'expired' THEN 1 END)",
    "segments": "SUM(segments)",
    "cost": "SUM(cost)",
    "secrets": f"COUNT(CASE WHEN {_SECRET} THEN 1 END)",
    "used": f"COUNT(CASE WHEN {_SECRET} THEN used_at END)",
}


def _tally(
    keys: tuple[str, ...], since: datetime, now: datetime, people: bool = False
) -> Iterator[tuple[tuple[Any, ...], Tally]]:
    """A message that was handed over after its like were counted has waits and no tally: the next snapshot has it."""
    which = f"created_at >= %s AND provider <> ''{_TO_PEOPLE if people else ''}"
    columns = ", ".join(_COUNTED.values()).format(waited=sql.seconds_between("submitted_at", _UNTIL))
    grouped = ", ".join(keys)
    counted = sql.rows(
        f"SELECT {grouped}, {columns} FROM delivery_message WHERE {which} GROUP BY {grouped}",
        (sql.at(now), sql.at(since)),
    )
    waits = _waits(keys, which, since)
    for row in counted:
        key, counts = row[: len(keys)], map(int, row[len(keys) :])
        yield key, Tally(**dict(zip(_COUNTED, counts, strict=True)), waits=waits.get(key))


def _waits(keys: tuple[str, ...], which: str, since: datetime) -> dict[tuple[Any, ...], tuple[float, float, float]]:
    """key -> (p50, p95, p99) in seconds: the value at the nearest rank, the same in both databases."""
    names = ", ".join(f"k{number}" for number, _ in enumerate(keys))
    named = ", ".join(f"{key} AS k{number}" for number, key in enumerate(keys))
    ranks = ", ".join(f"MIN(CASE WHEN 100 * place >= {p} * total THEN wait END)" for p in (50, 95, 99))
    found = sql.rows(
        f"SELECT {names}, {ranks} FROM (SELECT {names}, wait, ROW_NUMBER() OVER (PARTITION BY {names} ORDER BY wait) "
        f"AS place, COUNT(*) OVER (PARTITION BY {names}) AS total "
        f"FROM (SELECT {named}, {sql.seconds_between('created_at', 'submitted_at')} AS wait FROM delivery_message "
        f"WHERE {which} AND submitted_at IS NOT NULL) AS waited) AS ranked GROUP BY {names}",
        (sql.at(since),),
    )
    return {tuple(key): (float(p50), float(p95), float(p99)) for *key, p50, p95, p99 in found}


def tally_by_unit(
    *, belonging: str, params: tuple[object, ...], since: datetime
) -> list[tuple[int, int, str, int, int, int]]:
    """(unit, kind of belonging, channel, messages, segments, cost) of what was handed over for people since then.
    belonging: a SELECT of (person_id, unit_id, kind), with what it takes."""
    found = sql.rows(
        "SELECT m.unit_id, m.kind, d.channel, COUNT(*), SUM(d.segments), SUM(d.cost) FROM delivery_message d "
        f"JOIN ({belonging}) m ON m.person_id = d.person_id "
        f"WHERE d.created_at >= %s AND d.submitted_at IS NOT NULL AND d.{_PEOPLE} "
        "GROUP BY m.unit_id, m.kind, d.channel",
        (*params, sql.at(since)),
    )
    return [(unit, kind, channel, *map(int, sums)) for unit, kind, channel, *sums in found]


def read_errors(*, most: int = 10) -> list[Error]:
    """Read the newest attempts and segments that did not end well, newest first, among the last NEWEST_LOOKED_AT."""
    tried = (
        "SELECT a.started_at AS at, a.provider, m.channel, a.outcome, a.code FROM delivery_attempt a "
        "JOIN delivery_message m ON m.id = a.message_id WHERE a.outcome NOT IN ('', 'accepted', 'reconciled') "
        "AND a.id > (SELECT MAX(id) FROM delivery_attempt) - %s ORDER BY a.id DESC LIMIT %s"
    )
    told = (
        "SELECT p.told_at AS at, p.provider, m.channel, 'undelivered' AS outcome, p.code FROM delivery_part p "
        "JOIN delivery_message m ON m.id = p.message_id WHERE p.state = 'failed' "
        "AND p.id > (SELECT MAX(id) FROM delivery_part) - %s ORDER BY p.id DESC LIMIT %s"
    )
    failed = (
        f"SELECT done_at AS at, '' AS provider, '{RECOVERY}' AS channel, 'fault' AS outcome, reason AS code "
        "FROM delivery_recoveryrequest WHERE state = 'failed' "
        "AND id > (SELECT MAX(id) FROM delivery_recoveryrequest) - %s ORDER BY id DESC LIMIT %s"
    )
    looked_at = (NEWEST_LOOKED_AT, most)
    found = [error for statement in (tried, told, failed) for error in sql.select(Error, statement, looked_at)]
    newest = sorted(found, key=lambda error: error.at, reverse=True)[:most]
    return [error._replace(code=_DESTINATION.sub("…", error.code)) for error in newest]


# What a site is told waits in its place while the site rests after faults: no worker is missing for that.
_RESTS = (
    f"(NOT {_PEOPLE} AND EXISTS (SELECT 1 FROM delivery_breaker b WHERE b.state <> 'closed' "
    f"AND b.provider = {routing.SITE_OF_MESSAGE}))"
)


def read_liveness(*, now: datetime) -> Liveness:
    """Read whether messages and requests that could be claimed are claimed."""
    due = sql.rows(
        f"SELECT MIN(not_before) FROM delivery_message WHERE {OPEN} AND state = 'queued' AND NOT {_RESTS} "
        "UNION ALL SELECT MIN(lease_until) FROM delivery_message WHERE state = 'sending' "
        "UNION ALL SELECT MIN(created_at) FROM delivery_recoveryrequest WHERE state = 'waiting' "
        "UNION ALL SELECT MIN(lease_until) FROM delivery_recoveryrequest WHERE state = 'claimed'"
    )
    held = sql.row(
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM delivery_message WHERE state = 'sending' AND lease_until > %s) "
        "OR EXISTS (SELECT 1 FROM delivery_recoveryrequest WHERE state = 'claimed' AND lease_until > %s)",
        (sql.at(now), sql.at(now)),
    )
    signs = sql.rows(
        "SELECT started_at FROM delivery_attempt WHERE id = (SELECT MAX(id) FROM delivery_attempt) UNION ALL SELECT "
        "(SELECT done_at FROM delivery_recoveryrequest WHERE state = 'done' ORDER BY id DESC LIMIT 1)"
    )
    due_since, last_sign = min(_moments(due), default=None), max(_moments(signs), default=None)
    return Liveness(due_since if due_since and due_since <= now else None, held is not None, last_sign)


def _moments(found: list[tuple[Any, ...]]) -> Iterator[datetime]:
    return (moment for (value,) in found if (moment := sql.moment(value)))


def count_expired(*, since: datetime) -> dict[str, int]:
    """channel -> messages to people that ended since then because it was too late, whenever they were put in."""
    found = sql.rows(
        f"SELECT channel, COUNT(*) FROM delivery_message WHERE {_ENDED_UNSENT} AND final_at >= %s "
        f"AND state = 'expired'{_TO_PEOPLE} GROUP BY channel",
        (sql.at(since),),
    )
    return dict(found)


def count_unreadable(*, since: datetime) -> int:
    """Count what ended since then because its row was changed."""
    counts = sql.rows(
        f"SELECT COUNT(*) FROM delivery_message WHERE {_ENDED_UNSENT} AND final_at >= %s AND reason = %s UNION ALL "
        "SELECT COUNT(*) FROM delivery_recoveryrequest WHERE state = 'failed' AND done_at >= %s AND reason = %s",
        (sql.at(since), UNREADABLE) * 2,
    )
    return sum(count for (count,) in counts)


def find_faults(*, since: datetime) -> list[str]:
    """Find the purposes of what ended since then by a fault of ours; RECOVERY for requests."""
    found = sql.rows(
        f"SELECT purpose FROM delivery_message WHERE {_ENDED_UNSENT} AND final_at >= %s AND reason LIKE %s UNION "
        f"SELECT '{RECOVERY}' FROM delivery_recoveryrequest WHERE state = 'failed' AND done_at >= %s "
        "AND reason LIKE %s",
        (sql.at(since), f"{FAULT}%") * 2,
    )
    return sorted(purpose for (purpose,) in found)


def read_messages_to(person_id: int, *, since: datetime, most: int) -> list[ToPerson]:
    """Read the person's own messages, newest first; what sites are told is none."""
    came_back = (Message.State.SUBMITTED, f"{receipts.RETURNED}%", receipts.RETURNED)
    return sql.select(
        ToPerson,
        "SELECT purpose, channel, masked, CASE WHEN state = %s AND reason LIKE %s THEN %s ELSE state END AS state, "
        "created_at, submitted_at, delivered_at, about FROM delivery_message "
        f"WHERE person_id = %s AND {_PEOPLE} AND created_at >= %s ORDER BY id DESC LIMIT %s",
        (*came_back, person_id, sql.at(since), most),
    )
