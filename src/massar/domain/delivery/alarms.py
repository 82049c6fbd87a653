"""Alarms: a table of what must not stay unseen, each with its limit and its runbook page `docs/operate/alarms/<id>.md`.

An alarm is a function of a MetricsSnapshot: it returns what it is about (providers, channels, purposes), or [] when
all is well. Nothing is stored: an alarm stands as long as its reason does."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from massar.core import database_trouble
from massar.domain.delivery import conversion, routing
from massar.domain.delivery.breaker import State
from massar.domain.delivery.metrics import HOUR, RECOVERY, SECRETS, MetricsSnapshot

URGENT = (RECOVERY, *SECRETS)


class Alarm(NamedTuple):
    """`limit` in `unit`, which MASSAR_ALARMS may change."""

    id: str
    limit: int
    unit: str
    judge: Callable[[MetricsSnapshot, int], list[str]]


class ActiveAlarm(NamedTuple):
    """An alarm whose reason lasts. `about`: providers, channels or purposes it is about; may be empty."""

    id: str
    about: tuple[str, ...]

    @property
    def word(self) -> str:
        """Its id in the catalogues: `alarm.<word>`."""
        return self.id.replace("-", "_")

    @property
    def page(self) -> str:
        return f"docs/operate/alarms/{self.id}.md"


def find_active(snapshot: MetricsSnapshot) -> list[ActiveAlarm]:
    """Return the active alarms of that moment, in the order of the table."""
    limits = settings.MASSAR.alarm_limits
    judged = ((alarm, alarm.judge(snapshot, limits.get(alarm.id, alarm.limit))) for alarm in TABLE)
    return [ActiveAlarm(alarm.id, tuple(filter(None, about))) for alarm, about in judged if about]


def unknown_limits() -> list[str]:
    """Names in MASSAR_ALARMS that no alarm has."""
    return sorted(set(settings.MASSAR.alarm_limits) - {alarm.id for alarm in TABLE})


def _database_trouble(snapshot: MetricsSnapshot, _: int) -> list[str]:
    """What this process has met: full, read-only, refused, away. Its words stand in the log."""
    trouble = database_trouble.standing()
    return [trouble.kind] if trouble else []


def _queue_growing(snapshot: MetricsSnapshot, seconds: int) -> list[str]:
    """Somebody waits for a secret. What has left and waits for its receipt is no queue."""
    waits = (one for one in snapshot.queue if one.purpose in URGENT and one.state != "awaiting_receipt")
    return sorted({one.purpose for one in waits if _before(one.oldest, snapshot, seconds)})


def _worker_missing(snapshot: MetricsSnapshot, seconds: int) -> list[str]:
    """Something could be claimed, nobody holds a lease, and nothing was begun. One that died is missed when its lease
    is over."""
    liveness = snapshot.liveness
    due = _before(liveness.due_since, snapshot, seconds)
    quiet = liveness.last_sign is None or _before(liveness.last_sign, snapshot, seconds)
    return ["worker"] if due and quiet and not liveness.held else []


def _undecryptable(snapshot: MetricsSnapshot, count: int) -> list[str]:
    """By table: rows of any of them that were asked for, and what ended in the outbox because of it."""
    tables = {place.partition(" ")[0] for place, _ in snapshot.unopened} | (
        {"outbox"} if snapshot.unreadable else set()
    )
    return sorted(tables) if len(snapshot.unopened) + snapshot.unreadable >= count else []


def _key_missing(snapshot: MetricsSnapshot, programs: int) -> list[str]:
    """Programs that serve nobody because they lack a data key."""
    return snapshot.keyless if len(snapshot.keyless) >= programs else []


def _provider_open(snapshot: MetricsSnapshot, seconds: int) -> list[str]:
    shut = (facts for facts in snapshot.breakers.values() if facts.state != State.CLOSED)
    return sorted(facts.provider for facts in shut if _before(facts.changed_at, snapshot, seconds))


def _provider_configuration_error(snapshot: MetricsSnapshot, seconds: int) -> list[str]:
    """Shut for it, or told so within the hour and nothing good since."""
    refusing = (facts for facts in snapshot.breakers.values() if facts.configuration_error)
    lasting = (x for x in refusing if x.state != State.CLOSED or (x.told_at and snapshot.now - x.told_at < HOUR))
    return sorted(facts.provider for facts in lasting if _before(facts.changed_at, snapshot, seconds))


def _lateness(snapshot: MetricsSnapshot, percent: int) -> dict[str, tuple[list[str], list[str]]]:
    """channel -> (late providers, those in time), of providers that had enough to be judged by. Not both are empty."""
    judged: dict[str, tuple[list[str], list[str]]] = {}
    for channel, provider in snapshot.hour:
        told = snapshot.punctuality.get(provider, routing.Punctuality(0, 0))
        if told.total >= routing.ENOUGH:
            late, in_time = judged.setdefault(channel, ([], []))
            (late if 100 * told.share >= percent else in_time).append(provider)
    return judged


def _block_stopped(snapshot: MetricsSnapshot, blocks: int) -> list[str]:
    """No code by SMS goes there just now; `nation` for everywhere."""
    stopped = [block.name for block in conversion.stopped_blocks(now=snapshot.now)]
    if conversion.national(now=snapshot.now).stopped_until(conversion.NATION):
        stopped.append("nation")
    return stopped if len(stopped) >= blocks else []


def _conversion_low(snapshot: MetricsSnapshot, percent: int) -> list[str]:
    """Providers behind the others, and where few codes are used although none is stopped yet."""
    told = [(block, conversion.BLOCK) for block in conversion.by_block(now=snapshot.now)]
    told.append((conversion.national(now=snapshot.now), conversion.NATION))
    low = [one.name or "nation" for one, n in told if one.low(n, percent / 100) and not one.stopped_until(n)]
    return [*conversion.compared(now=snapshot.now).behind, *low]


def _siege(snapshot: MetricsSnapshot, accounts: int) -> list[str]:
    """`all` for everywhere; accounts only where so many are under siege."""
    seen = snapshot.defence
    many = [f"{seen.accounts} accounts"] if seen.accounts >= accounts else []
    return ["all", *many] if seen.siege else many


def _as_many(found: int, least: int, what: str) -> list[str]:
    return [f"{found} {what}"] if found >= least else []


def _audit(name: str) -> Callable[[MetricsSnapshot, int], list[str]]:
    """Something of the audit log waits for so long: for its seal, a checkpoint, the receiver of syslog."""
    return lambda snapshot, seconds: ["audit"] if _before(getattr(snapshot.audit, name), snapshot, seconds) else []


def _audit_unsent(snapshot: MetricsSnapshot, seconds: int) -> list[str]:
    """Only where there is a receiver."""
    return _audit("unsent")(snapshot, seconds) if settings.MASSAR.audit_syslog else []


def _before(moment: datetime | None, snapshot: MetricsSnapshot, seconds: int) -> bool:
    return moment is not None and snapshot.now - moment >= timedelta(seconds=seconds)


# What stands later in the table is more often a consequence of what stands before.
TABLE: tuple[Alarm, ...] = (
    Alarm("database-trouble", 1, "at once", _database_trouble),
    Alarm("worker-missing", 30, "s", _worker_missing),
    Alarm("key-missing", 1, "at once", _key_missing),
    Alarm("undecryptable", 1, "in an hour", _undecryptable),
    Alarm("faults", 1, "in an hour", lambda seen, count: seen.faults if len(seen.faults) >= count else []),
    Alarm("siege", 1, "accounts", _siege),
    # Cases that a branch approves today, of what it approves on its usual day.
    Alarm("desk-volume", 300, "%", lambda seen, percent: seen.read_busy_desks(percent)),
    # Cases that were looked at once more, and that somebody above has asked about.
    Alarm("desk-asked", 1, "cases", lambda seen, n: found if len(found := seen.read_asked()) >= n else []),
    # Passwords that fail on more than twenty accounts within the hour.
    Alarm("password-spray", 1, "passwords", lambda seen, n: _as_many(seen.defence.passwords, n, "passwords")),
    Alarm("network-spent", 1, "networks", lambda seen, n: _as_many(seen.defence.networks, n, "networks")),
    Alarm("audit-unsealed", 300, "s", _audit("unsealed")),
    Alarm("audit-unsigned", 300, "s", _audit("unsigned")),
    Alarm("audit-unsent", 300, "s", _audit_unsent),
    Alarm("provider-configuration-error", 0, "s", _provider_configuration_error),
    Alarm("provider-open", 60, "s", _provider_open),
    # The network is late, or the only provider: there is none to switch to.
    Alarm("all-late", 50, "%", lambda seen, n: [c for c, (late, timely) in _lateness(seen, n).items() if not timely]),
    Alarm(
        "one-late", 50, "%", lambda seen, n: [p for late, timely in _lateness(seen, n).values() if timely for p in late]
    ),
    Alarm("queue-growing", 60, "s", _queue_growing),
    Alarm("retention-overdue", 1, "at once", lambda seen, jobs: seen.overdue if len(seen.overdue) >= jobs else []),
    # Counted by when they ended: a notice may have waited for half a day.
    Alarm("expired", 1, "in an hour", lambda seen, count: sorted(c for c, n in seen.expired.items() if n >= count)),
    Alarm("block-stopped", 1, "at once", _block_stopped),
    Alarm("conversion-low", 30, "%", _conversion_low),
    # Of the country's SMS: what all share, or recovery's reserve.
    Alarm("budget-70", 70, "%", lambda seen, percent: [b for b, spent in seen.budgets.items() if spent >= percent]),
)
