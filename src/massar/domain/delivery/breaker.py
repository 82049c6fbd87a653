"""Breakers: a carrier that fails is left alone for a while, then tried with one message.

    closed --FAULTS in a row, or one that is our own fault--> open --pause over, one worker--> half-open
    half-open --success--> closed        half-open --fault, or no word in time--> open, for twice as long

The state stands in the database, so all workers know it. Throttling is no fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from massar.core import sql
from massar.domain.delivery.models import Breaker

State = Breaker.State
MOVES = {
    State.CLOSED: {State.OPEN},
    State.OPEN: {State.HALF_OPEN},
    State.HALF_OPEN: {State.CLOSED, State.OPEN},
}
FAULTS = 5
FIRST_PAUSE, LONGEST_PAUSE = 5, 300  # seconds
OURS = "ours: "  # begins the reason where the carrier refused our account or setting
FORGOTTEN_AFTER = timedelta(days=1)
PROBE_ENDS = timedelta(seconds=60)  # a worker that died with the probe must not keep the carrier shut


@dataclass(frozen=True)
class Facts:
    """Where a carrier's breaker stands. `changed_at`: when it closed, or since when it is not closed."""

    carrier: str
    state: str
    faults: int
    until: datetime | None
    reason: str
    changed_at: datetime | None

    def due(self, now: datetime) -> bool:
        """Open or given up by whoever probed, and time for a probe."""
        return self.state != State.CLOSED and self.until is not None and self.until <= now

    @property
    def ours(self) -> bool:
        """The carrier refused our account or setting: it will not get well by itself."""
        return self.state != State.CLOSED and self.reason.startswith(OURS)


def all_states() -> dict[str, Facts]:
    """Of every carrier that ever had a fault."""
    found = sql.rows("SELECT carrier, state, faults, until, reason, changed_at FROM delivery_breaker")
    return {row[0]: Facts(*row[:3], sql.moment(row[3]), row[4], sql.moment(row[5])) for row in found}


@transaction.atomic
def fault(carrier: str, reason: str, *, now: datetime, at_once: bool = False) -> bool:
    """Counts a fault; True if it opened the breaker. `at_once`: our account or setting is wrong, no more tries are due."""
    Breaker.objects.get_or_create(carrier=carrier, defaults={"changed_at": now})
    row = Breaker.objects.select_for_update().get(carrier=carrier)
    row.faults, row.reason = row.faults + 1, f"{OURS if at_once else ''}{reason}"[:80]
    enough = at_once or row.faults >= FAULTS or row.state == State.HALF_OPEN
    opens = enough and row.state != State.OPEN
    if opens:
        row.pause = min(2 * row.pause, LONGEST_PAUSE) or FIRST_PAUSE
        if row.state == State.CLOSED:
            row.changed_at = now
        row.state, row.until = State.OPEN, now + timedelta(seconds=row.pause)
    row.save()
    return opens


def success(carrier: str, *, now: datetime) -> bool:
    """Forgets the faults; True if that closed the breaker, which only a probe can do."""
    closed = alive(carrier, now=now)
    Breaker.objects.filter(carrier=carrier, state=State.CLOSED, faults__gt=0).update(faults=0, reason="")
    return closed


def alive(carrier: str, *, now: datetime) -> bool:
    """It answered that it is busy: the probe has found it well, and faults that were counted stay; True if that closed it."""
    return Breaker.objects.filter(carrier=carrier, state=State.HALF_OPEN).update(
        state=State.CLOSED, faults=0, pause=0, until=None, reason="", changed_at=now
    ) == 1


def claim_probe(carrier: str, *, now: datetime) -> bool:
    """Atomic: one worker may send one message through a carrier whose pause is over."""
    return (
        sql.change(
            "UPDATE delivery_breaker SET state = 'half-open', until = %s "
            "WHERE carrier = %s AND state IN ('open', 'half-open') AND until <= %s",
            (sql.at(now + PROBE_ENDS), carrier, sql.at(now)),
        )
        == 1
    )


def sweep(*, now: datetime) -> int:
    """Forgets breakers that nothing has tried for a day: the carrier or site is gone, or nothing is to be sent there."""
    return sql.change("DELETE FROM delivery_breaker WHERE until < %s", (sql.at(now - FORGOTTEN_AFTER),))
