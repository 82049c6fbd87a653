"""The only place that asks the time. Everything else is given `now`."""

from datetime import UTC, datetime, timedelta

SKEW = timedelta(minutes=1)  # by which the clocks of two machines may differ and both be right


def now() -> datetime:
    return datetime.now(UTC)


def is_due(last: datetime | None, every: timedelta, *, now: datetime) -> bool:
    """Whether what is done so often is due again: also when the last time lies ahead, by a clock that was put right
    since."""
    return last is None or not timedelta(0) <= now - last < every


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware moment, for counters that are compared inside one SQL statement."""
    return int(moment.timestamp() * 1_000_000)


def from_micros(value: int) -> datetime:
    return datetime.fromtimestamp(value / 1_000_000, UTC)
