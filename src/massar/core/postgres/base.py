"""What Django loads as the backend of PostgreSQL (docs/adr/0038-when-the-database-is-away.md).

psycopg_pool waits longer and longer between two attempts to connect, so that it comes back a minute after its database, and
it hands out connections that a restart has cut. Here a connection is looked at before it is handed out, which takes no round
trip; the pool tries whenever somebody asks; and who asks while the database is away is told within a second.
"""

from __future__ import annotations

import logging
import re
import select
import threading
from time import monotonic

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool, PoolTimeout

from massar.core import patience

_READS = re.compile(r"\s*(?:SELECT\b|WITH\b(?!.*\b(?:INSERT|UPDATE|DELETE)\b))", re.DOTALL | re.IGNORECASE)
LOOK_EVERY = 0.1  # seconds between two looks at what became of the pool's attempts to connect
DRAIN_EVERY = 1.0  # seconds
BRIEFLY = 0.2  # seconds that one waits when others have waited in vain before

note = logging.getLogger("massar.database")
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it has a line for each connection that is lent


class Reach:
    """What is known of the way to the database in this process. Moments are of `monotonic`."""

    def __init__(self) -> None:
        self.answered = self.drained = 0.0
        self.failed = 0.0  # the last attempt to connect that failed
        self.away_since: float | None = None
        self.lent = 0  # connections that somebody holds
        self._one = threading.Lock()

    def lend(self, more: int) -> None:
        with self._one:
            self.lent += more

    def works(self) -> None:
        self.answered = monotonic()
        if self.away_since is not None:
            with self._one:
                away, self.away_since = self.away_since, None
            if away is not None:
                note.info("the database answers again after %.1f s", self.answered - away)

    def fails(self, pool: ConnectionPool | None = None) -> None:
        self.failed = monotonic()
        with self._one:
            known, self.away_since = self.away_since is not None, self.away_since or self.failed
        if not known:
            note.error("the database can't be reached; whoever asks is told to come back")

    def patience(self) -> float:
        """Seconds that one waits for a connection. The first wait, since a restart takes a moment; later ones hardly."""
        away = self.away_since
        long_known = away is not None and monotonic() - away > patience.for_the_database()
        return BRIEFLY if long_known else patience.for_the_database()

    def drain(self, pool: ConnectionPool) -> None:
        """One connection was lost: its idle neighbours are not trusted either."""
        with self._one:
            if monotonic() - self.drained < DRAIN_EVERY:
                return
            self.drained = monotonic()
        pool.drain()


reach = Reach()


class Line(psycopg.Connection):
    """A connection that is given up when its server takes a statement and says nothing: one that hangs, or is stopped."""

    def wait(self, gen, interval=LOOK_EVERY, timeout=None):
        longest = patience.for_an_answer() if timeout is None else timeout
        try:
            return super().wait(gen, interval, longest)
        except psycopg.errors._WaitTimeout as silence:  # noqa: SLF001 - it has no public name
            if timeout is not None:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {longest} s") from silence


class DatabaseWrapper(base.DatabaseWrapper):
    """`wrote`: whether anything may have been committed on this connection since `watch`."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.wrote = False
        self.execute_wrappers.append(self._executing)

    @property
    def pool(self):
        options = self.settings_dict["OPTIONS"].get("pool")
        if options:  # it gives up at once, and tries again for the next who asks
            options.update(reconnect_timeout=0, reconnect_failed=reach.fails, connection_class=Line)
        return super().pool

    def watch(self) -> None:
        """From here on it is noted whether anything may have been committed."""
        self.wrote = False

    def _executing(self, execute, statement, params, many, context):
        """A statement outside a transaction is committed by itself, and may be even where its answer never came."""
        if not (self.wrote or self.in_atomic_block or _READS.match(statement)):
            self.wrote = True
        return execute(statement, params, many, context)

    def _commit(self):
        self.wrote = True
        return super()._commit()

    def get_new_connection(self, conn_params):
        if self.pool is None:
            return super().get_new_connection(conn_params)
        self.isolation_level = base.IsolationLevel.READ_COMMITTED
        self.pool.open()
        until = monotonic() + reach.patience()
        while True:
            taken = _from_pool(self.pool, until)
            if _is_whole(taken):
                reach.works()
                reach.lend(1)
                return taken
            taken.close()
            self.pool.putconn(taken)  # another one takes its place

    def _close(self):
        if self.connection is not None and self.pool is not None:
            reach.lend(-1)
        return super()._close()

    def give_up(self) -> None:
        """The connection was lost: it goes, and so do those that stood idle beside it."""
        self.close()
        if self.pool is not None:
            reach.drain(self.pool)

    def line_of_its_own(self, **more) -> psycopg.Connection:
        """A connection outside the pool, for what lasts as long as the process. Raises psycopg.Error, which says why."""
        ours = ("context", "cursor_factory", "prepare_threshold")  # Django's own
        held = {k: v for k, v in self.get_connection_params().items() if k not in ours}
        return psycopg.connect(**{**held, **more}, autocommit=True)


def _from_pool(pool: ConnectionPool, until: float) -> psycopg.Connection:
    """Raises PoolTimeout. A pool that others have emptied is worth a longer wait than a database that is away."""
    begun = monotonic()
    while True:
        try:
            return pool.getconn(LOOK_EVERY)
        except PoolTimeout:
            now = monotonic()
            emptied = reach.lent >= pool.max_size or reach.answered > begun
            if now > begun + pool.timeout or (now > until and not emptied):
                if not emptied and reach.failed < begun:
                    reach.fails()  # not even a refusal came
                raise


def _is_whole(taken: psycopg.Connection) -> bool:
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
