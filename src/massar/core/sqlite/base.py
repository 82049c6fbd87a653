"""What Django loads as the backend of SQLite.

SQLite has one writer at a time. A writer that finds it busy sleeps, for 1 ms at first and 100 ms in the end, and
whoever comes by in between goes first: with sixteen callers some waited for more than a second (docs/performance.md).
So the writers of one process queue here for an ordinary lock, which wakes the next one at once; SQLite's own is left to
other processes. Nothing depends on this one: SQLite still refuses a second writer."""

from __future__ import annotations

import re
import sqlite3
import threading
from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import base

from massar.core import private_files, timeouts

_WRITES = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|WITH\b.*?\b(?:INSERT|UPDATE|DELETE)\b)", re.DOTALL | re.IGNORECASE)
_writer_locks: dict[str, threading.Lock] = {}  # by file


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes the writer lock before a transaction, and before a statement that writes outside one."""

    _held: threading.Lock | None = None

    def acquire_writer_lock(self) -> None:
        """Go on without it after the time a writer may wait: then SQLite says that it is locked."""
        lock = _writer_locks.setdefault(str(self.settings_dict["NAME"]), threading.Lock())
        if lock.acquire(timeout=timeouts.writer_lock(self.settings_dict["OPTIONS"].get("timeout", 5))):
            self._held = lock

    def release_writer_lock(self) -> None:
        lock, self._held = self._held, None
        if lock is not None:
            lock.release()

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        return {**params, "timeout": timeouts.writer_lock(params.get("timeout", 5))}

    def get_new_connection(self, conn_params: dict[str, Any]) -> sqlite3.Connection:
        private_files.make_file(Path(conn_params["database"]))
        opened: sqlite3.Connection = super().get_new_connection(conn_params)
        return opened

    def _start_transaction_under_autocommit(self) -> None:
        self.acquire_writer_lock()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # django-stubs leave it out
        except BaseException:
            self.release_writer_lock()
            raise

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]  # django-stubs leave it out
        finally:
            self.release_writer_lock()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]  # django-stubs leave it out
        finally:
            self.release_writer_lock()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]  # django-stubs leave it out
        finally:
            self.release_writer_lock()

    def __del__(self) -> None:
        """A thread that dies in a transaction takes its connection with it, and must not take the lock."""
        self.release_writer_lock()

    def create_cursor(self, name: object = None) -> Cursor:
        cursor: Cursor = self.connection.cursor(factory=lambda connection: Cursor(connection, self))
        return cursor


class Cursor(base.SQLiteCursorWrapper):
    def __init__(self, connection: sqlite3.Connection, wrapper: DatabaseWrapper) -> None:
        super().__init__(connection)
        self._wrapper = wrapper

    def execute(self, query: str, params: Any = None) -> Any:
        if self.connection.in_transaction or not _WRITES.match(query):
            return super().execute(query, params)
        self._wrapper.acquire_writer_lock()
        try:
            return super().execute(query, params)
        finally:
            self._wrapper.release_writer_lock()
