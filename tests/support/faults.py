"""Faults for the hard proofs: carriers with a mood and a memory of when, workers that die at a chosen line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from massar.domain.delivery.carriers.base import Outgoing, Result
from massar.journeys import deliver_messages
from tests.contracts.fakes import BehavingCarrier
from tests.support.post_office import worker_with

SLOW = timedelta(seconds=25)


class Killed(BaseException):
    """Stands for kill -9 inside one process: nothing of the product catches it, so nothing is tidied up."""


@dataclass(frozen=True)
class Arrival:
    """One message that reached the far end, and the moment at which it did."""

    at: datetime
    message: Outgoing


class RememberingCarrier(BehavingCarrier):
    """A behaving carrier that notes when each message arrived. Mood `slow` lets the test's clock run meanwhile."""

    def __init__(self, channel: str, clock):
        super().__init__(channel, slow=0)
        self.clock = clock
        self.arrived: list[Arrival] = []

    def send(self, message: Outgoing, *, valid_for: timedelta) -> Result:
        before = len(self.received)
        mood, self.mood = self.mood, "" if self.mood == "slow" else self.mood
        result = super().send(message, valid_for=valid_for)
        self.mood = mood
        if len(self.received) > before:
            self.arrived.append(Arrival(self.clock(), message))
        if mood == "slow":
            self.clock.advance(seconds=SLOW.total_seconds())
        return result


class PostOffice:
    """Workers on one queue with the same two carriers, turned by hand."""

    def __init__(self, clock, *, workers: int = 2):
        self.carriers = {c: RememberingCarrier(c, clock) for c in ("email", "sms")}
        self.workers = [worker_with(self.carriers, clock) for _ in range(workers)]

    def work(self, mood: str = "", *, which: int = 0, most: int = 20) -> None:
        """Turns of one worker until nothing is due (at most `most`), the carriers in the given mood."""
        self._mood(mood)
        for _ in range(most):
            if not self.workers[which].turn():
                break
        self._mood("")

    def die(self, monkeypatch, place: str) -> bool:
        """One turn of a worker that dies at `place`, a function of the delivery journey. False if it never came there."""

        def die_here(*args, **kwargs):
            raise Killed(place)

        with monkeypatch.context() as patch:
            patch.setattr(deliver_messages, place, die_here)
            try:
                self.workers[0].turn()
            except Killed:
                return True
        return False

    def _mood(self, mood: str) -> None:
        for carrier in self.carriers.values():
            carrier.mood = mood

    @property
    def arrived(self) -> list[Arrival]:
        return sorted((a for c in self.carriers.values() for a in c.arrived), key=lambda a: a.at)


def empty() -> None:
    """Removes every row of the product after a test that commits. The trail's own triggers step aside meanwhile."""
    tables = [t for t in connection.introspection.table_names() if t != "django_migrations"]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
            return
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f"DROP TRIGGER {name}")
        cursor.execute("PRAGMA foreign_keys = OFF")
        for table in tables:
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute("PRAGMA foreign_keys = ON")
        for _, statement in triggers:
            cursor.execute(statement)
