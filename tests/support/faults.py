"""Faults for the hard proofs: providers with a mood and a memory of when, workers that die at a chosen line."""

from __future__ import annotations

import itertools
import operator
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from massar.domain.delivery.provider import OutboundMessage, Result
from massar.journeys.messages.leased_delivery import LeasedDelivery
from tests.support.fakes import BehavingProvider
from tests.support.post_office import worker_with

THREADS = 24  # as many as the web server has; the database's pool has room for all

SLOW = timedelta(seconds=25)


class Killed(BaseException):
    """Stands for kill -9 inside one process: nothing of the product catches it, so nothing is tidied up."""


@dataclass(frozen=True)
class Arrival:
    """One message that reached the far end, and the moment at which it did."""

    at: datetime
    message: OutboundMessage


class Death:
    """As a context: this process dies at one step of its work with the database. `came`: the work had such a step.

    Steps are counted from 0: before each statement, and before and after each commit, whether a statement is one by
    itself or a transaction ends. Nothing of the product sees what comes; the connection is cut, so what was not
    committed is gone. commits_alone: only before and after each commit; nothing that is stored differs in between.
    """

    def __init__(self, step: int, *, commits_alone: bool = False):
        self.left, self.came, self.commits_alone = step, False, commits_alone

    def __enter__(self) -> Death:
        self.commit = connection._commit
        connection._commit = self._committing
        self.statements = connection.execute_wrapper(self._executing)
        self.statements.__enter__()
        return self

    def __exit__(self, kind, fault, trace) -> bool:
        self.statements.__exit__(None, None, None)
        del connection._commit
        if self.came:
            connection.close()
        return self.came  # what else was raised on the way out came of the death

    def _executing(self, execute, statement, params, many, context):
        alone = not connection.in_atomic_block
        if self.commits_alone and (not alone or statement.startswith("SELECT")):
            return execute(statement, params, many, context)
        self._passed()
        done = execute(statement, params, many, context)
        if alone:
            self._passed()
        return done

    def _committing(self) -> None:
        self._passed()
        self.commit()
        self._passed()

    def _passed(self) -> None:
        if self.left == 0 and not self.came:
            self.came = True
            raise Killed("at a step with the database")
        self.left -= 1


class Commits:
    """As a context: how often something was written for good, which is how often the disk is waited for.

    `count`: transactions, and statements by themselves, that changed a row. On PostgreSQL by the numbers that the
    server gave to transactions: a row that was only locked counts too, and so does what others commit meanwhile.
    """

    def __enter__(self) -> Commits:
        self.count, self.seen = 0, self._changes()
        if connection.vendor == "sqlite":
            self.commit = connection._commit
            connection._commit = self._committing
            self.statements = connection.execute_wrapper(self._executing)
            self.statements.__enter__()
        return self

    def __exit__(self, *_) -> None:
        if connection.vendor == "sqlite":
            self._committed()
            self.statements.__exit__(None, None, None)
            del connection._commit
        else:
            self.count = self._changes() - self.seen

    def _executing(self, execute, statement, params, many, context):
        if not connection.in_atomic_block:
            self._committed()  # what an earlier RETURNING changed counts when its rows are fetched
        return execute(statement, params, many, context)

    def _committing(self) -> None:
        self.commit()
        self._committed()

    def _committed(self) -> None:
        changes = self._changes()
        self.count, self.seen = self.count + (changes > self.seen), changes

    @staticmethod
    def _changes() -> int:
        """Rows changed by this connection; on PostgreSQL transactions that have got a number."""
        connection.ensure_connection()
        if connection.vendor == "sqlite":
            return connection.connection.total_changes
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
            return cursor.fetchone()[0]


class RememberingProvider(BehavingProvider):
    """A behaving provider that notes when each message arrived. Mood `slow` lets the test's clock run meanwhile."""

    def __init__(self, channel: str, clock):
        super().__init__(channel, slow=0)
        self.clock = clock
        self.arrived: list[Arrival] = []

    def send(self, message: OutboundMessage, *, valid_for: timedelta) -> Result:
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
    """Workers on one queue with the same two providers, turned by hand."""

    def __init__(self, clock, *, workers: int = 2):
        self.providers = {c: RememberingProvider(c, clock) for c in ("email", "sms")}
        self.workers = [worker_with(self.providers, clock) for _ in range(workers)]

    def work(self, mood: str = "", *, which: int = 0, most: int = 20) -> bool:
        """Turns of one worker until nothing is due (at most `most`), the providers in that mood. False: nothing is."""
        self._mood(mood)
        busy = True
        for _ in range(most):
            busy = self.workers[which].turn()
            if not busy:
                break
        self._mood("")
        return busy

    def die(self, monkeypatch, place: str) -> bool:
        """One turn of a worker that dies at `place`, a function of the delivery journey. False: it never came there."""

        def die_here(*args, **kwargs):
            raise Killed(place)

        with monkeypatch.context() as patch:
            patch.setattr(LeasedDelivery, place, die_here)
            try:
                self.workers[0].turn()
            except Killed:
                return True
        return False

    def _mood(self, mood: str) -> None:
        for provider in self.providers.values():
            provider.mood = mood

    @property
    def arrived(self) -> list[Arrival]:
        return sorted((a for c in self.providers.values() for a in c.arrived), key=lambda a: a.at)


def every_death(
    clock,
    prepare: Callable[[], Any],
    begin: Callable[[Any], object] = operator.call,
    *,
    apart: int = 1,
    commits_alone: bool = False,
) -> Iterator[tuple[int, Any]]:
    """(step, what was prepared), after `begin` of it has died there; until it has no further step. Each time budgets
    are full again.

    begin: without it what was prepared is called. apart: how many steps lie between two deaths. commits_alone: as in
    `Death`.
    """
    for step in itertools.count(0, apart):
        clock.advance(days=7)
        prepared = prepare()
        with Death(step, commits_alone=commits_alone) as death:
            begin(prepared)
        if not death.came:
            assert step > (1 if commits_alone else 3), "it has steps"
            return
        clock.advance(seconds=5)
        yield step, prepared


def at_once(times: int, work: Callable[[int], object]) -> list:
    """`work(0)` … `work(times - 1)` from many threads that start together; results in order, exceptions raised."""
    gate = threading.Barrier(min(times, THREADS))

    def one(number: int):
        try:
            if number < gate.parties:
                gate.wait(30)
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(gate.parties) as pool:
        return list(pool.map(one, range(times)))


def empty() -> None:
    """Removes every row of the product after a test that commits. The audit log's own triggers step aside meanwhile."""
    tables = [t for t in connection.introspection.table_names() if t != "django_migrations"]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # By rows: TRUNCATE makes a new file for each table and index. A replica's role fires no trigger.
            deletes = "; ".join(f"DELETE FROM {table}" for table in tables)
            cursor.execute(f"SET session_replication_role = replica; {deletes}; RESET session_replication_role")
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
