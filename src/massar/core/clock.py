"""The only place that asks the time. Everything else is given `now`."""

from datetime import UTC, datetime, timedelta

SKEW = timedelta(minutes=1)  # by which the clocks of two machines may differ and both be right


def now() -> datetime:
    return datetime.now(UTC)


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware moment, for counters that are compared inside one SQL statement."""
    return int(moment.timestamp() * 1_000_000)


def from_micros(value: int) -> datetime:
    return datetime.fromtimestamp(value / 1_000_000, UTC)
