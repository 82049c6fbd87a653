"""What Django loads as the backend of PostgreSQL (docs/adr/0038-when-the-database-is-away.md).

psycopg_pool waits longer and longer between two attempts to connect, so that it comes back a minute after its database,
and it hands out connections that a restart has cut. Here a connection is checked before it is handed out, which takes
no round trip; the pool tries whenever somebody asks; and who asks while it is away is told within a second."""

import logging
import re
import select
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool, PoolTimeout

from massar.core import database_trouble, timeouts

_READS = re.compile(r"\s*(?:SELECT\b|WITH\b(?!.*\b(?:INSERT|UPDATE|DELETE)\b))", re.DOTALL | re.IGNORECASE)
CHECK_EVERY = 0.1  # seconds between two looks at what became of the pool's attempts to connect
DRAIN_EVERY = 1.0  # seconds
BRIEFLY = 0.2  # seconds that one waits when others have waited in vain before
log = logging.getLogger("massar.database")
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it has a line for each connection that is lent


class Availability:
    """What this process knows of its way to the database. Moments are of `monotonic`."""

    def __init__(self) -> None:
        self.answered = self.drained = 0.0
        self.failed = 0.0  # the last attempt to connect that failed
        self.away_since: float | None = None
        self.lent = 0  # connections that somebody holds
        self._lock = threading.Lock()

    def lend(self, more: int) -> None:
        with self._lock:
            self.lent += more

    def note_success(self) -> None:
        self.answered = monotonic()
        if self.away_since is not None:
            with self._lock:
                away, self.away_since = self.away_since, None
            if away is not None:
                log.info("the database answers again after %.1f s", self.answered - away)
                database_trouble.end(database_trouble.UNREACHABLE, database_trouble.REFUSED)

    def note_failure(self, pool: ConnectionPool[Any] | None = None) -> None:
        self.failed = monotonic()
        with self._lock:
            known, self.away_since = self.away_since is not None, self.away_since or self.failed
        if not known:
            log.error("the database can't be reached; whoever asks is told to come back")

    def timeout(self) -> float:
        """Seconds to wait for a connection: long the first time, since a restart takes a moment, and hardly later."""
        away = self.away_since
        long_known = away is not None and monotonic() - away > timeouts.connect()
        return BRIEFLY if long_known else timeouts.connect()

    def drain(self, pool: ConnectionPool[Any]) -> None:
        """Drop the idle neighbours of a connection that was lost: they are not trusted either."""
        with self._lock:
            if monotonic() - self.drained < DRAIN_EVERY:
                return
            self.drained = monotonic()
        pool.drain()


availability = Availability()


class Connection(psycopg.Connection[Any]):
    """Given up when its server takes a statement and says nothing: one that hangs, or is stopped."""

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Any:
        """As psycopg's; why it failed is kept, for the pool tells nobody."""
        try:
            return super().connect(conninfo, **options)
        except psycopg.Error as met:
            database_trouble.note_refusal(met, [str(options.get("password") or "")])
            raise

    def wait(self, gen: Any, interval: float = CHECK_EVERY, timeout: float | None = None) -> Any:
        longest = timeouts.statement() if timeout is None else timeout
        try:
            return super().wait(gen, interval, longest)
        except psycopg.errors._WaitTimeout as silence:  # noqa: SLF001 - it has no public name
            if timeout is not None:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {longest} s") from silence


class DatabaseWrapper(base.DatabaseWrapper):
    """`may_have_committed`: whether anything may have been, since somebody set it to False."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.may_have_committed = False
        self.execute_wrappers.append(self._executing)

    @property
    def pool(self) -> ConnectionPool[Any] | None:
        options = self.settings_dict["OPTIONS"].get("pool")
        if options:  # it gives up at once, and tries again for the next who asks
            options.update(reconnect_timeout=0, reconnect_failed=availability.note_failure, connection_class=Connection)
        pool: ConnectionPool[Any] | None = super().pool
        return pool

    def _executing(self, execute: Callable[..., Any], statement: str, params: Any, many: bool, context: Any) -> Any:
        """A statement outside a transaction is committed by itself, and may be even where its answer never came."""
        if not (self.may_have_committed or self.in_atomic_block or _READS.match(statement)):
            self.may_have_committed = True
        return execute(statement, params, many, context)

    def _commit(self) -> None:
        self.may_have_committed = True
        super()._commit()  # type: ignore[misc]  # django-stubs leave it out

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        pool = self.pool
        if pool is None:
            return super().get_new_connection(conn_params)
        self.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        pool.open()
        until = monotonic() + availability.timeout()
        while True:
            taken = _from_pool(pool, until)
            if _is_alive(taken):
                availability.note_success()
                availability.lend(1)
                return taken
            taken.close()
            pool.putconn(taken)  # another one takes its place

    def _close(self) -> None:
        if self.connection is not None and self.pool is not None:
            availability.lend(-1)
        super()._close()  # type: ignore[misc]  # django-stubs leave it out

    def discard(self) -> None:
        """Close a connection that was lost, and those that stood idle beside it."""
        self.close()
        if (pool := self.pool) is not None:
            availability.drain(pool)

    def dedicated_connection(self, **options: Any) -> psycopg.Connection[Any]:
        of_django = ("context", "cursor_factory", "prepare_threshold")
        params = {k: v for k, v in self.get_connection_params().items() if k not in of_django}
        return psycopg.connect(**{**params, **options}, autocommit=True)


def _from_pool(pool: ConnectionPool[Any], until: float) -> psycopg.Connection[Any]:
    """Raises PoolTimeout. A pool that others have emptied is worth a longer wait than a database that is away."""
    begun = monotonic()
    while True:
        try:
            taken: psycopg.Connection[Any] = pool.getconn(CHECK_EVERY)
            return taken
        except PoolTimeout:
            now = monotonic()
            emptied = availability.lent >= pool.max_size or availability.answered > begun
            if now > begun + pool.timeout or (now > until and not emptied):
                if not emptied and availability.failed < begun:
                    availability.note_failure()  # not even a refusal came
                raise


def _is_alive(taken: psycopg.Connection[Any]) -> bool:
    """Whether nothing has come on an idle connection, or only what is harmless: a cut one has its end in the mail."""
    looking = select.poll()
    looking.register(taken.pgconn.socket, select.POLLIN)
    for _ in range(3):  # last words, then the end
        if taken.closed:
            return False
        if not looking.poll(0):
            return True
        try:
            taken.pgconn.consume_input()
        except psycopg.Error:
            return False
    return not taken.closed
