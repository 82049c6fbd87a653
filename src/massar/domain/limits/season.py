"""Season: until when everybody is expected at once, by order (a night of results). It ends by itself.

No moment is believed that lies further ahead than anybody may set it: a clock that was ahead leaves none behind."""

from datetime import datetime, timedelta

from massar.core import clock, sql

LONGEST = timedelta(days=7)
_KEY = "all"


def until(*, now: datetime) -> datetime | None:
    """When the season of now ends; None: there is none."""
    found = sql.row("SELECT on_until FROM limits_season WHERE key = %s", (_KEY,))
    left = found[0] - clock.micros(now) if found else 0
    return clock.from_micros(found[0]) if found and 0 < left <= (LONGEST + clock.SKEW).total_seconds() * 1e6 else None


def order(end: datetime | None) -> None:
    """Set it until then; None: over."""
    sql.execute(
        "INSERT INTO limits_season (key, on_until) VALUES (%s, %s) "
        "ON CONFLICT (key) DO UPDATE SET on_until = excluded.on_until",
        (_KEY, clock.micros(end) if end else 0),
    )
