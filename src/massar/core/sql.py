"""Small helpers for statements in plain SQL that run on SQLite and PostgreSQL alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import connection


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


def greatest() -> str:
    """The name of the scalar maximum in this database."""
    return "GREATEST" if connection.vendor == "postgresql" else "MAX"


def lock_in_order(column: str) -> str:
    """For the end of a SELECT: rows are locked in the order of that column. SQLite locks the whole file anyway."""
    return f"ORDER BY {column} FOR UPDATE" if connection.vendor == "postgresql" else ""


def fold_log() -> None:
    """Folds SQLite's write-ahead log into its file. By itself that needs a moment without readers, which a busy server
    never has: the log would grow without end, and every look-up with it."""
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        rows("PRAGMA wal_checkpoint(TRUNCATE)")


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
