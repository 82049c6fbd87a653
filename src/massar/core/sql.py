"""Statements in plain SQL that run on SQLite and PostgreSQL alike."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints, overload

import psycopg
from django.db import Error, InterfaceError, InternalError, OperationalError, connection, connections, transaction
from psycopg_pool import PoolTimeout

from massar.core import database_trouble
from massar.core.postgres import base as postgres

T = TypeVar("T")
Row = tuple[Any, ...]  # as the driver gives it
Params = Sequence[Any]
Converter = Callable[[Any], object]
LEAST_FREE = 4 * 1024 * 1024  # bytes beside a SQLite file; with less it is as good as full
WAIT_FOR_READERS = 100  # milliseconds that emptying the write-ahead log may hold up writers
_OF_THE_MOMENT = ("08", "53", "57", "58", "25006", "55P03", "40")  # SQLSTATE, PostgreSQL appendix A
_FAULTS_OF_OURS = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE)
_BROKEN_FILE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_COPY_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_ESCAPED = re.compile(r"[\\\t\n\r]")


def at(moment: datetime | None) -> Any:
    """A moment as a parameter of this database (SQLite stores text in UTC)."""
    return connection.ops.adapt_datetimefield_value(moment) if moment else None


@overload
def moment(value: str | datetime) -> datetime: ...
@overload
def moment(value: None) -> None: ...
def moment(value: str | datetime | None) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def day(value: date) -> Any:
    """A day as a parameter of this database (SQLite stores text)."""
    return connection.ops.adapt_datefield_value(value)


def as_day(value: str | date) -> date:
    """A day as the database gave it."""
    return date.fromisoformat(value) if isinstance(value, str) else value


_CONVERTERS: dict[object, Converter] = {datetime: moment, date: as_day, bytes: bytes, bool: bool}


def select(kind: Callable[..., T], statement: str, params: Params = ()) -> list[T]:
    """Run a statement and make each row a `kind`, a NamedTuple or dataclass with a field for each column. Both
    databases give values in the types of the fields: moments aware in UTC, days, bytes and bool."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        columns = tuple(column[0] for column in cursor.description)
        return [make(kind, columns, row) for row in cursor.fetchall()]


def make(kind: Callable[..., T], columns: tuple[str, ...], row: Row) -> T:
    """Make a `kind` of one row, or of a part of one that a join gave."""
    values = dict(zip(columns, row, strict=True))
    for name, convert in _converters(kind, columns):
        if values[name] is not None:
            values[name] = convert(values[name])
    return kind(**values)


def select_one(kind: Callable[..., T], statement: str, params: Params = ()) -> T | None:
    return next(iter(select(kind, statement, params)), None)


@lru_cache(maxsize=256)
def _converters(kind: object, columns: tuple[str, ...]) -> list[tuple[str, Converter]]:
    """The columns whose values must become the types of their fields, and what makes them so."""
    hints = get_type_hints(kind)
    plain = {name: next(iter(set(get_args(hints[name])) - {type(None)}), hints[name]) for name in columns}
    return [(name, _CONVERTERS[hint]) for name, hint in plain.items() if hint in _CONVERTERS]


def row(statement: str, params: Params = ()) -> Row | None:
    return next(iter(rows(statement, params)), None)


def rows(statement: str, params: Params = ()) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        found: list[Row] = cursor.fetchall()
        return found


def execute(statement: str, params: Params = ()) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        touched: int = cursor.rowcount
        return touched


def commit_unwaited() -> None:
    """The commit of this transaction does not wait for the disk (PostgreSQL). It is safe with the next that does; a
    server that dies before may lose it whole, and never a part of it. For work that whoever does it can do again."""
    if connection.vendor == "postgresql":
        execute("SET LOCAL synchronous_commit TO OFF")


def insert(table: str, columns: str, rows: Sequence[Row]) -> None:
    """Add many rows: on PostgreSQL by COPY, which costs a third of an INSERT with its thousands of parameters."""
    insert_each(iter([(table, columns, rows)]))


def insert_each(tables: Iterator[tuple[str, str, Sequence[Row]]]) -> None:
    """Add many rows to some tables, (table, columns, rows), one after the other. On PostgreSQL the rows of the next are
    made while the server takes those of the one before; making them may ask the database nothing."""
    if connection.vendor == "postgresql":
        _copy_each((table, columns, copied(rows)) for table, columns, rows in tables if rows)
        return
    for table, columns, rows in tables:
        for some in parts(rows):
            statement = f"INSERT INTO {table} ({columns}) VALUES {values(len(some), len(some[0]))}"
            execute(statement, [value for one in some for value in one])


def _copy_each(tables: Iterator[tuple[str, str, str]]) -> None:
    coming = next(tables, None)
    with connection.cursor() as cursor:
        while coming:
            table, columns, text = coming
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                copy.write(text)
                coming = next(tables, None)


def copied(rows: Sequence[Row]) -> str:
    """Rows in the text format of COPY: by columns and by one template, in a fifth of the time that the driver takes to
    look at each value by itself."""
    columns = [_copied_column(column) for column in zip(*rows, strict=True)]
    line = "\t".join(["%s"] * len(columns)) + "\n"
    return "".join([line % row for row in zip(*columns, strict=True)])


def _copied_column(column: Sequence[Any]) -> Sequence[Any]:
    """The values of one column so that `%s` writes them as COPY reads them."""
    kinds = set(map(type, column))
    if kinds == {int}:
        return column
    if kinds == {str}:
        return [one.translate(_COPY_ESCAPES) for one in column] if _ESCAPED.search("".join(column)) else column
    if kinds <= {date, datetime}:  # mostly one and the same
        texts = {one: str(one) for one in set(column)}
        return [texts[one] for one in column]
    return [_copied_value(one) for one in column]


def _copied_value(value: object) -> object:
    if value is None:
        return r"\N"
    if isinstance(value, bytes | memoryview):
        return rf"\\x{value.hex()}"
    return str(value).translate(_COPY_ESCAPES)


def find(columns: str, table: str, column: str, values: Collection[str] | Collection[int]) -> list[Row]:
    """Rows of a table in which a column is one of these values, however many, each looked for by index. As many
    parameters would cost more than the look-up, and for some thousands PostgreSQL would rather read the whole table."""
    if connection.vendor == "postgresql":
        value = "value::bigint" if isinstance(next(iter(values), None), int) else "value"
        each = f"(SELECT {columns} FROM {table} WHERE {column} = {value} OFFSET 0) AS found"
        statement = f"SELECT found.* FROM json_array_elements_text(%s::json) AS value, LATERAL {each}"
    else:
        wanted = "(SELECT value AS wanted FROM json_each(%s))"
        statement = f"SELECT {columns} FROM {wanted} CROSS JOIN {table} ON {column} = wanted"
    return rows(statement, (json.dumps(list(values), ensure_ascii=False),))


def draw_ids(table: str, number: int) -> list[int]:
    """So many ids of a table that nobody else gets: for rows that others of the same transaction point to."""
    if connection.vendor == "postgresql":
        # OFFSET 0: the sequence is looked up once, not for each id.
        own = "(SELECT pg_get_serial_sequence(%s, 'id')::regclass AS sequence OFFSET 0) AS own"
        found = rows(f"SELECT nextval(sequence) FROM {own}, generate_series(1, %s)", (table, number))
        return [one for (one,) in found]
    # The whole file is locked by whoever writes; ids of deleted rows are not given again (AUTOINCREMENT).
    [(last,)] = rows("SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = %s), 0)", (table,))
    return list(range(last + 1, last + number + 1))


def unavailable(trouble: Error) -> bool:
    """Whether the database is at fault (away, starting, full, locked), and not a statement that it can't understand."""
    cause, grave = trouble.__cause__, isinstance(trouble, OperationalError | InterfaceError | InternalError)
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # an error of Python's own has none
        return code not in _FAULTS_OF_OURS if grave else code in _BROKEN_FILE
    state = _state(cause) if grave else None
    return state.startswith(_OF_THE_MOMENT) if state else isinstance(trouble, OperationalError | InterfaceError)


def is_away(trouble: BaseException) -> bool:
    return isinstance(trouble, Error) and unavailable(trouble)


def find_trouble() -> database_trouble.Trouble | None:
    """Ask whether it can be written just now, without writing. Raises Error where it can't be reached."""
    if connection.vendor == "postgresql":
        (read_only,) = row("SELECT current_setting('transaction_read_only')") or ("",)
        words = "transactions are read-only: a standby, or default_transaction_read_only"
        return database_trouble.Trouble(database_trouble.READ_ONLY, words) if read_only == "on" else None
    row("SELECT 1")
    path = Path(connection.settings_dict["NAME"])
    if not path.exists():  # in memory
        return None
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return database_trouble.Trouble(database_trouble.READ_ONLY, f"{path} or its folder can't be written")
    free = shutil.disk_usage(path.parent).free
    words = f"{free // 1024} KiB are free at {path.parent}"
    return database_trouble.Trouble(database_trouble.FULL, words) if free < LEAST_FREE else None


def _state(cause: BaseException | None) -> str | None:
    return cause.sqlstate if isinstance(cause, psycopg.Error) else None


def _postgres() -> postgres.DatabaseWrapper | None:
    used = connections["default"]
    return used if isinstance(used, postgres.DatabaseWrapper) else None


def track_writes() -> None:
    """Note from here on whether anything may have been committed; see `is_safe_to_repeat`."""
    if found := _postgres():
        found.may_have_committed = False


def is_safe_to_repeat(trouble: Error) -> bool:
    """Whether the connection was cut before anything could be committed since `track_writes`."""
    found, cause = _postgres(), trouble.__cause__
    if found is None or found.may_have_committed or found.in_atomic_block or isinstance(cause, PoolTimeout):
        return False
    return (_state(cause) or "08").startswith(("08", "57P"))


def discard_connection() -> None:
    if found := _postgres():
        found.discard()


def dedicated_connection(**options: Any) -> psycopg.Connection[Any]:
    """Open one outside the pool, that lasts as long as the process. PostgreSQL only. Raises psycopg.Error."""
    found = _postgres()
    if found is None:
        raise RuntimeError("only PostgreSQL has connections outside the pool")
    return found.dedicated_connection(**options)


def greatest() -> str:
    return "GREATEST" if connection.vendor == "postgresql" else "MAX"


@contextlib.contextmanager
def uncompiled() -> Iterator[None]:
    """A block, in a transaction, whose statements PostgreSQL runs as they are. What it thinks dear it compiles first,
    which takes a tenth of a second, more than a search of one school."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(savepoint=False):
        execute("SET LOCAL jit = off")
        yield


def matches(expression: str) -> str:
    """Whether a text matches a regular expression, a parameter: letters, sets of letters and `*` alone, which both
    databases read alike (on SQLite Python's `re` does it, by Django's function)."""
    return f"{expression} {'~' if connection.vendor == 'postgresql' else 'REGEXP'} %s"


def lock_in_order(column: str) -> str:
    """The end of a SELECT that locks its rows in the order of that column. SQLite locks the whole file anyway."""
    return f"ORDER BY {column} FOR UPDATE" if connection.vendor == "postgresql" else ""


def lock_table(table: str) -> None:
    """Have nobody else write to a table until the transaction ends; reading goes on. A transaction on SQLite is alone
    from its beginning."""
    if connection.vendor == "postgresql":
        execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")


def leap(table: str) -> None:
    """Have no id given again that was given after a backup: the next one is far behind the greatest."""
    far = 10_000_000
    if connection.vendor == "postgresql":
        sequence = f"pg_get_serial_sequence('{table}', 'id')"
        rows(f"SELECT setval({sequence}, nextval({sequence}) + {far})")
    else:
        execute(f"UPDATE sqlite_sequence SET seq = seq + {far} WHERE name = %s", (table,))


def skip_locked() -> str:
    """The end of a SELECT by which workers don't wait for each other. SQLite has one writer and needs nothing."""
    return "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""


def checkpoint_wal() -> bool:
    """Move SQLite's write-ahead log into its file; return whether all of it. By itself SQLite does so in a moment
    without readers, which a busy server never has: the log would grow without end, and every look-up with it. First
    comes what needs nobody to wait. Only when no old reader stands in the way the log is also emptied, which stops
    writers for as long as it waits for the newest readers: a tenth of a second at most."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return True
    [(_, pages, moved)] = rows("PRAGMA wal_checkpoint(PASSIVE)")
    if moved < pages:
        return False
    [(usual,)] = rows("PRAGMA busy_timeout")
    rows(f"PRAGMA busy_timeout = {WAIT_FOR_READERS}")
    try:
        [(busy, *_)] = rows("PRAGMA wal_checkpoint(TRUNCATE)")
        return bool(busy == 0)
    finally:
        rows(f"PRAGMA busy_timeout = {usual}")


def values(rows: int, columns: int) -> str:
    """Placeholders for VALUES. As a table in FROM its columns are column1, column2, … in both databases."""
    return ", ".join([f"({placeholders(columns)})"] * rows)


def parts(values: Sequence[T], most: int = 500) -> Iterator[Sequence[T]]:
    """The values, at most so many at a time: SQLite takes 32 766 parameters, and a plan for thousands is slow."""
    for first in range(0, len(values), most):
        yield values[first : first + most]


def placeholders(count: int) -> str:
    return ", ".join(["%s"] * count)


def span_number(column: str, seconds: int) -> str:
    """In which span of so many seconds since 1970 a column of moments lies."""
    if connection.vendor == "postgresql":
        return f"CAST(FLOOR(EXTRACT(EPOCH FROM {column}) / {seconds}) AS BIGINT)"
    return f"(CAST(strftime('%%s', {column}) AS INTEGER) / {seconds})"


def seconds_between(earlier: str, later: str) -> str:
    if connection.vendor == "postgresql":
        return f"EXTRACT(EPOCH FROM {later} - {earlier})"
    return f"((julianday({later}) - julianday({earlier})) * 86400)"


def writes_in_with() -> bool:
    """Whether a WITH may write, so that one statement, atomic by itself, fills two tables."""
    return connection.vendor == "postgresql"
