"""What a worker does with lists that agents sent or asked for, in a thread of its own: no message waits for them."""

import logging
import threading
import time

from django.db import close_old_connections

from massar.core import clock, encryption, sql
from massar.interfaces.commands import exported_words, refused_rows
from massar.journeys.desk import make_exports
from massar.journeys.people import work_lists

EVERY = 2.0  # seconds between two looks
SHARE = 0.5  # of a core: the threads that deliver messages have the other half
note = logging.getLogger("massar.lists")


class ListKeeper:
    """Works off lists, one at a time."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop, self._since = stop, time.monotonic()

    def run(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                while self.turn() and not self._stop.is_set():
                    pass
            except _WorkerStops:
                break  # the list is taken up again when its lease is over
            except Exception as trouble:
                if not (sql.is_away(trouble) or isinstance(trouble, encryption.KeyMissing)):
                    note.exception("a fault at a list")
            close_old_connections()

    def turn(self) -> bool:
        self._since = time.monotonic()
        if work_lists.turn(tick=clock.now, write_report=refused_rows.workbook, pause=self._pause):
            return True
        return make_exports.turn(tick=clock.now, speak=exported_words.speak, pause=self._pause)

    def _pause(self) -> None:
        if self._stop.wait((time.monotonic() - self._since) * (1 / SHARE - 1)):
            raise _WorkerStops
        self._since = time.monotonic()


class _WorkerStops(Exception):
    """The worker was told to stop."""
