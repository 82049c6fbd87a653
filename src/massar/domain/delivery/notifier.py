"""Wakes a worker as soon as something was put in, so that nobody waits for the next look.

PostgreSQL tells by itself (NOTIFY, from a trigger). SQLite tells by `PRAGMA data_version` that another connection has
written, which costs a few microseconds and reads no table."""

import logging
import threading
from collections.abc import Callable

import psycopg
from django.db import Error, connection

from massar.core import sql

CHANNEL = "massar_delivery"  # as in the migration
LOOK_EVERY = 0.02  # seconds, SQLite
AGAIN_AFTER = 1.0  # seconds, when the database has gone

Notify = Callable[[], object]

note = logging.getLogger("massar.worker")


def listen(notify: Notify, stop: threading.Event) -> threading.Thread:
    """Call `notify` from a thread of its own after each insert, until `stop`: rather too often than too seldom."""
    thread = threading.Thread(target=_outlive_losses, args=(notify, stop), name="notifier", daemon=True)
    thread.start()
    return thread


def _outlive_losses(notify: Notify, stop: threading.Event) -> None:
    work = _listen_postgres if connection.vendor == "postgresql" else _watch_sqlite
    while not stop.is_set():
        try:
            work(notify, stop)
        except (Error, psycopg.Error):
            note.warning("the notifier lost the database; it is tried again")
            stop.wait(AGAIN_AFTER)
        finally:
            connection.close()


def _listen_postgres(notify: Notify, stop: threading.Event) -> None:
    with sql.dedicated_connection() as line:
        line.execute(f"LISTEN {CHANNEL}")
        notify()  # what was put in before we listened
        while not stop.is_set():
            for _ in line.notifies(timeout=1.0, stop_after=1):
                notify()


def _watch_sqlite(notify: Notify, stop: threading.Event) -> None:
    seen = None
    while not stop.wait(LOOK_EVERY):
        with connection.cursor() as cursor:
            version = cursor.execute("PRAGMA data_version").fetchone()[0]
        if version != seen:
            seen = version
            notify()
