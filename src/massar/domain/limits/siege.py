"""Siege: every try of an unknown browser needs a challenge, everywhere or at one account.

By itself everywhere, where unknown browsers fail far more than is usual at this time of day, and until that has been
over for twenty minutes. By command on or off until a moment. Known devices notice nothing. (That an account's failures
in a row are many stands in its bucket and not here: whoever reads the `posture` judges it.)

No moment is believed that lies further ahead than anybody may set it: a clock that was ahead leaves no siege behind."""

from datetime import datetime, timedelta
from typing import NamedTuple

from massar.core import clock, sql
from massar.domain.limits import tally

EVERYWHERE = "all"
FLOOR = 1000  # failures in ten to twenty minutes, below which nothing is unusual
TIMES = 3  # the usual number
HOLD = timedelta(minutes=20)
LONGEST = timedelta(days=30)  # that a command may set


class SiegeState(NamedTuple):
    """One row; moments in µs since 1970, 0 for never."""

    key: str
    person_id: int | None = None
    on_until: int = 0
    off_until: int = 0
    held_until: int = 0

    def ordered(self, now: datetime) -> str:
        """`on` or `off` by command, or ``."""
        return "off" if _ahead(self.off_until, now, LONGEST) else "on" if _ahead(self.on_until, now, LONGEST) else ""

    def held(self, now: datetime) -> bool:
        """Whether it has begun by itself."""
        return _ahead(self.held_until, now, HOLD)

    def active(self, now: datetime) -> bool:
        ordered = self.ordered(now)
        return ordered == "on" or (not ordered and self.held(now))

    def until(self, now: datetime) -> datetime:
        """When what stands now ends."""
        by_command = {"on": self.on_until, "off": self.off_until}
        return clock.from_micros(by_command.get(self.ordered(now), self.held_until))


_COLUMNS = ", ".join(SiegeState._fields)


def _ahead(moment: int, now: datetime, most: timedelta) -> bool:
    return 0 < moment - clock.micros(now) <= (most + clock.SKEW) // timedelta(microseconds=1)


def everywhere() -> SiegeState:
    found = sql.select_one(SiegeState, f"SELECT {_COLUMNS} FROM limits_siege WHERE key = %s", (EVERYWHERE,))
    return found or SiegeState(EVERYWHERE)


def states() -> list[SiegeState]:
    """Read every row, the country's first."""
    found = sql.select(SiegeState, f"SELECT {_COLUMNS} FROM limits_siege ORDER BY person_id, key")
    return sorted(found, key=lambda one: one.key != EVERYWHERE)


def order(mode: str, *, key: str = EVERYWHERE, person_id: int | None = None, until: datetime | None = None) -> None:
    """Set by command: `on` or `off` until then, or `auto`, which takes back both."""
    end = clock.micros(until) if until else 0
    sql.execute(
        "INSERT INTO limits_siege (key, person_id, on_until, off_until, held_until) "
        "VALUES (%s, %s, %s, %s, 0) ON CONFLICT (key) DO UPDATE "
        "SET on_until = excluded.on_until, off_until = excluded.off_until",
        (key, person_id, end if mode == "on" else 0, end if mode == "off" else 0),
    )


def watch(*, now: datetime) -> str:
    """Compare the failures of now with the usual ones, and hold the siege where they are far more. Returns `began` or
    `ended` to one of the workers that watch, else ``."""
    _, recent, usual = tally.failures(now=now)
    moment, until = clock.micros(now), clock.micros(now + HOLD)
    most = clock.micros(now + HOLD + clock.SKEW)
    if recent <= FLOOR or recent <= TIMES * usual:
        over = "held_until <> 0 AND (held_until <= %s OR held_until > %s)"
        statement = f"UPDATE limits_siege SET held_until = 0 WHERE key = %s AND {over}"
        return "ended" if sql.execute(statement, (EVERYWHERE, moment, most)) else ""
    goes_on = "held_until > %s AND held_until <= %s"
    found = sql.execute(
        f"UPDATE limits_siege SET held_until = %s WHERE key = %s AND {goes_on}", (until, EVERYWHERE, moment, most)
    )
    if found:
        return ""
    begun = sql.rows(
        "INSERT INTO limits_siege (key, person_id, on_until, off_until, held_until) "
        "VALUES (%s, NULL, 0, 0, %s) ON CONFLICT (key) DO UPDATE SET held_until = excluded.held_until "
        "WHERE NOT (limits_siege.held_until > %s AND limits_siege.held_until <= %s) "
        "RETURNING 1",
        (EVERYWHERE, until, moment, most),
    )
    return "began" if begun else ""


def sweep(*, now: datetime) -> int:
    """Remove the accounts whose order is over, or lies further ahead than anybody may set it."""
    moment, most = clock.micros(now), clock.micros(now + LONGEST + clock.SKEW)
    over = " AND ".join(f"({column} <= %s OR {column} > %s)" for column in ("on_until", "off_until"))
    statement = f"DELETE FROM limits_siege WHERE key <> %s AND {over}"
    return sql.execute(statement, (EVERYWHERE, moment, most, moment, most))
