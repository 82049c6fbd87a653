"""What Django loads as the backend of SQLite.

SQLite has one writer at a time. Who finds it busy sleeps, for 1 ms at first and 100 ms in the end, and whoever comes by
in between goes first: with sixteen callers some waited for more than a second (docs/performance.md). So writers
of one process wait for each other here, by an ordinary lock, which wakes the next one at once; SQLite's own is left to
other processes. Nothing depends on this one: SQLite still refuses a second writer.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path

from django.db.backends.sqlite3 import base

from massar.core import patience, private_files

_WRITES = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|WITH\b.*?\b(?:INSERT|UPDATE|DELETE)\b)", re.DOTALL | re.IGNORECASE)
_turns: dict[str, threading.Lock] = {}  # by file


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes its turn before a transaction, and before a statement that writes outside one."""

    _turn: threading.Lock | None = None  # which one it holds

    def take_turn(self) -> None:
        """Goes on without it after the time a writer may wait: then SQLite says that it is locked."""
        turn = _turns.setdefault(str(self.settings_dict["NAME"]), threading.Lock())
        if turn.acquire(timeout=patience.for_a_turn(self.settings_dict["OPTIONS"].get("timeout", 5))):
            self._turn = turn

    def leave(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.release()

    def get_connection_params(self) -> dict:
        held = super().get_connection_params()
        return {**held, "timeout": patience.for_a_turn(held.get("timeout", 5))}

    def get_new_connection(self, conn_params):
        private_files.make_file(Path(conn_params["database"]))
        return super().get_new_connection(conn_params)

    def _start_transaction_under_autocommit(self) -> None:
        self.take_turn()
        try:
            super()._start_transaction_under_autocommit()
        except BaseException:
            self.leave()
            raise

    def _commit(self):
        try:
            return super()._commit()
        finally:
            self.leave()

    def _rollback(self):
        try:
            return super()._rollback()
        finally:
            self.leave()

    def _close(self):
        try:
            return super()._close()
        finally:
            self.leave()

    def __del__(self) -> None:
        """A thread that dies in a transaction takes its connection with it, and must not take the turn."""
        self.leave()

    def create_cursor(self, name=None):
        return self.connection.cursor(factory=lambda connection: Cursor(connection, self))


class Cursor(base.SQLiteCursorWrapper):
    def __init__(self, connection, wrapper: DatabaseWrapper) -> None:
        super().__init__(connection)
        self._wrapper = wrapper

    def execute(self, query, params=None):
        if self.connection.in_transaction or not _WRITES.match(query):
            return super().execute(query, params)
        self._wrapper.take_turn()
        try:
            return super().execute(query, params)
        finally:
            self._wrapper.leave()
