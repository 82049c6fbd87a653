"""A contract's binds, shared by all workers: an operator that sold two refuses the third, and counts it as a fault.

A slot is held by a connection (PostgreSQL's advisory locks) or by an open file (beside SQLite, where all workers are on
one machine). Both are let go by the system when a worker dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import threading
import zlib
from pathlib import Path
from typing import IO, Any

import psycopg
from django.conf import settings
from django.db import connection

from massar.core import sql


def of_provider(provider: str) -> DatabaseSlots | FileSlots:
    """The slots of the provider of that name, on the database of this installation."""
    if connection.vendor == "postgresql":
        return DatabaseSlots(provider)
    return FileSlots(settings.MASSAR.var / "binds", provider)


class DatabaseSlots:
    """By `pg_try_advisory_lock`, on a connection of its own that lasts as long as the slots."""

    def __init__(self, provider: str):
        self._family = zlib.crc32(f"massar bind {provider}".encode()) - 2**31  # int4, signed
        self._held: set[int] = set()
        self._line: psycopg.Connection[Any] | None = None
        self._one = threading.Lock()

    def try_take(self, n: int) -> bool:
        with self._one:
            line = self._alive()
            if n not in self._held and self._ask(line, "pg_try_advisory_lock", n):
                self._held.add(n)
            return n in self._held

    def release(self, n: int) -> None:
        with self._one:
            if n in self._held:
                self._held.discard(n)
                with contextlib.suppress(psycopg.Error):  # the connection has gone, and the lock with it
                    self._ask(self._alive(), "pg_advisory_unlock", n)

    def _ask(self, line: psycopg.Connection[Any], function: str, n: int) -> bool:
        [(granted,)] = line.execute(f"SELECT {function}(%s, %s)", (self._family, n)).fetchall()
        return bool(granted)

    def _alive(self) -> psycopg.Connection[Any]:
        """What a lost connection held is held no more."""
        if self._line is not None:
            try:
                self._line.execute("SELECT 1")
                return self._line
            except psycopg.Error:
                self._line.close()
        self._held.clear()
        self._line = sql.dedicated_connection()
        return self._line


class FileSlots:
    """By locks on files in a folder of the installation."""

    def __init__(self, folder: Path, provider: str):
        self._folder, self._provider = folder, re.sub(r"[^\w-]", "_", provider)
        self._held: dict[int, IO[bytes]] = {}
        self._one = threading.Lock()

    def try_take(self, n: int) -> bool:
        with self._one:
            if n in self._held:
                return True
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{self._provider}-{n}.lock"
            file = path.open("ab")
            if os.geteuid() == 0:  # what `massar check` makes as root must stay usable for the workers
                owner = self._folder.parent.stat()
                for made in (self._folder, path):
                    os.chown(made, owner.st_uid, owner.st_gid)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return False
            self._held[n] = file
            return True

    def release(self, n: int) -> None:
        with self._one:
            if n in self._held:
                self._held.pop(n).close()
