"""Small helpers for statements in plain SQL that run on SQLite and PostgreSQL alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar, get_args, get_type_hints

from django.db import Error, InterfaceError, InternalError, OperationalError, connection
from psycopg_pool import PoolTimeout


def at(moment: datetime | None) -> Any:
    """A moment as a parameter of this database (SQLite stores text in UTC)."""
    return connection.ops.adapt_datetimefield_value(moment) if moment else None


def moment(value: Any) -> datetime | None:
    """A stored moment as an aware datetime in UTC."""
    if value is None:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


T = TypeVar("T")
Params = Sequence[object]
_CONVERTERS: dict[object, Callable[[Any], object]] = {datetime: moment, bytes: bytes, bool: bool}


def select(kind: Callable[..., T], statement: str, params: Params = ()) -> list[T]:
    """Run a statement and make each row a `kind`, a NamedTuple or dataclass with a field for each column.

    Both databases give values in the types of the fields: moments aware in UTC, bytes and bool.
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        columns = tuple(column[0] for column in cursor.description)
        converters = _converters(kind, columns)
        return [kind(**dict(zip(columns, map(_convert, converters, row), strict=True))) for row in cursor.fetchall()]


def select_one(kind: Callable[..., T], statement: str, params: Params = ()) -> T | None:
    """Return the first row of `select`, or None."""
    return next(iter(select(kind, statement, params)), None)


@lru_cache(maxsize=256)
def _converters(kind: object, columns: tuple[str, ...]) -> list[Callable[[Any], object] | None]:
    """What makes each column's value the type of its field; None where it is that already."""
    hints = get_type_hints(kind)
    optional = {name: set(get_args(hint)) - {type(None)} for name, hint in hints.items()}
    return [_CONVERTERS.get(next(iter(optional[name]), hints[name])) for name in columns]


def _convert(converter: Callable[[Any], object] | None, value: object) -> object:
    return value if converter is None or value is None else converter(value)


def row(statement: str, params: tuple | list = ()) -> tuple | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchone()


def rows(statement: str, params: tuple | list = ()) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall()


def change(statement: str, params: tuple | list = ()) -> int:
    """Runs a statement; returns how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.rowcount


WAIT_FOR_READERS = 100  # milliseconds that emptying the write-ahead log may hold up writers
_OF_THE_MOMENT = ("08", "53", "57", "58", "25006", "55P03", "40")  # SQLSTATE, PostgreSQL appendix A
_FAULTS_OF_OURS = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE)


def unavailable(trouble: Error) -> bool:
    """Whether the database is what is wrong: away, starting, full, locked. Not a statement that it does not understand."""
    if not isinstance(trouble, OperationalError | InterfaceError | InternalError):
        return isinstance(trouble.__cause__, sqlite3.DatabaseError) and _code(trouble.__cause__) in (
            sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
        )  # fmt: skip
    cause = trouble.__cause__
    if isinstance(cause, sqlite3.Error):
        return _code(cause) not in _FAULTS_OF_OURS
    state = getattr(cause, "sqlstate", None)
    return state.startswith(_OF_THE_MOMENT) if state else isinstance(trouble, OperationalError | InterfaceError)


def is_away(trouble: BaseException) -> bool:
    """Whether this is no fault of ours: the database is away."""
    return isinstance(trouble, Error) and unavailable(trouble)


def _code(cause: sqlite3.Error) -> int:
    """The primary result code; an error of Python's own has none."""
    return getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def watch() -> None:
    """From here on it is noted whether anything may have been committed; see `lost_nothing`."""
    if connection.vendor == "postgresql":
        connection.watch()


def lost_nothing(trouble: Error) -> bool:
    """Whether a connection that stood was cut before anything could be committed since `watch`: what was done may be done
    once more, on another connection."""
    if connection.vendor != "postgresql" or connection.wrote or connection.in_atomic_block:
        return False
    cause = trouble.__cause__
    return not isinstance(cause, PoolTimeout) and (getattr(cause, "sqlstate", None) or "08").startswith(("08", "57P"))


def start_anew() -> None:
    """Gives up a connection that was cut, and those that stood idle beside it."""
    connection.give_up()


def greatest() -> str:
    """The name of the scalar maximum in this database."""
    return "GREATEST" if connection.vendor == "postgresql" else "MAX"


def least() -> str:
    """The name of the scalar minimum in this database."""
    return "LEAST" if connection.vendor == "postgresql" else "MIN"


def lock_in_order(column: str) -> str:
    """For the end of a SELECT: rows are locked in the order of that column. SQLite locks the whole file anyway."""
    return f"ORDER BY {column} FOR UPDATE" if connection.vendor == "postgresql" else ""


def fold_log() -> bool:
    """Folds SQLite's write-ahead log into its file; whether all of it. By itself that needs a moment without readers, which a
    busy server never has: the log would grow without end, and every look-up with it.

    First what needs nobody to wait. Only when a reader of long ago does not stand in the way the log is also emptied, which
    stops writers for as long as it waits for the readers of just now: for a tenth of a second at most.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return True
    _, pages, folded = row("PRAGMA wal_checkpoint(PASSIVE)")
    if folded < pages:
        return False
    usual = row("PRAGMA busy_timeout")[0]
    rows(f"PRAGMA busy_timeout = {WAIT_FOR_READERS}")
    try:
        return row("PRAGMA wal_checkpoint(TRUNCATE)")[0] == 0
    finally:
        rows(f"PRAGMA busy_timeout = {usual}")


def skip_locked() -> str:
    """Claims of two workers don't wait for each other. SQLite has one writer at a time and needs nothing."""
    return "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""


def marks(rows: int, columns: int) -> str:
    """Placeholders for VALUES. As a table in FROM its columns are column1, column2, … in both databases."""
    return ", ".join([f"({', '.join(['%s'] * columns)})"] * rows)


def one_of(count: int) -> str:
    """Placeholders for IN (…)."""
    return ", ".join(["%s"] * count)


def span_number(column: str, seconds: int) -> str:
    """In which span of so many seconds since 1970 a column of moments lies."""
    if connection.vendor == "postgresql":
        return f"CAST(FLOOR(EXTRACT(EPOCH FROM {column}) / {seconds}) AS BIGINT)"
    return f"(CAST(strftime('%%s', {column}) AS INTEGER) / {seconds})"


def seconds_between(earlier: str, later: str) -> str:
    """Seconds from one column of moments to another."""
    if connection.vendor == "postgresql":
        return f"EXTRACT(EPOCH FROM {later} - {earlier})"
    return f"((julianday({later}) - julianday({earlier})) * 86400)"


def writes_in_with() -> bool:
    """Whether a WITH may write, so that one statement, atomic by itself, fills two tables."""
    return connection.vendor == "postgresql"
