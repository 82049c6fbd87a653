"""Answers recovery requests and hands messages over to mail and SMS carriers.

Runs until it is stopped. Several may run, on one machine or many: leases keep them out of each other's way, and what
a dying one held is taken over by the next.
"""

from __future__ import annotations

import logging
import signal
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.db import DatabaseError, close_old_connections

from massar.core import clock, log
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.limits import api as limits
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.interfaces.commands.carriers import from_settings
from massar.journeys import deliver_messages, recover_password

REST = 0.2  # seconds between two looks at empty tables
SWEEP_EVERY = 30.0

note = logging.getLogger("massar.worker")


def run(options) -> int:
    log.set_up(logging.WARNING if options.quiet else logging.INFO)
    carriers = from_settings()
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    note.info("worker started with %s", ", ".join(c.name for c in carriers.values()) or "no carrier")
    Worker(carriers, senders=options.senders).run(stop)
    note.info("worker stopped")
    return 0


class Worker:
    """One loop that claims, and a few threads that hand over."""

    def __init__(self, carriers, *, senders: int = 4, tick=clock.now):
        self.carriers, self.tick, self.senders = carriers, tick, senders
        self.under_way: set[Future] = set()
        self.last_sweep = None

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; then what is being handed over is finished first, and kept connections are closed."""
        with ThreadPoolExecutor(self.senders, thread_name_prefix="sender") as pool:
            while not stop.is_set():
                try:
                    busy = self.turn(pool)
                except DatabaseError:
                    note.exception("the database did not answer; trying again")
                    close_old_connections()
                    busy = False
                    stop.wait(1.0)
                if not busy:
                    self._rest(stop)
        for carrier in self.carriers.values():
            if hasattr(carrier, "close"):
                carrier.close()

    def _rest(self, stop: threading.Event) -> None:
        """Until the next look: at once when a sender becomes free, or a full queue would leave in steps of REST."""
        if self.under_way:
            wait(self.under_way, timeout=REST, return_when=FIRST_COMPLETED)
        else:
            stop.wait(REST)

    def turn(self, pool: ThreadPoolExecutor) -> bool:
        """One look at both tables. True if there was something to do."""
        self._sweep()
        answered = self.answer()
        self.under_way = {f for f in self.under_way if not f.done()}
        room = 2 * self.senders - len(self.under_way)
        letters = deliver_messages.take(room, carriers=self.carriers, now=self.tick()) if room > 0 else []
        self.under_way |= {pool.submit(self._hand_over, letter) for letter in letters}
        return bool(answered or letters)

    def answer(self, most: int = 50) -> int:
        """Answers open requests; returns how many."""
        claimed = delivery.requests.claim(most, now=self.tick())
        for one in claimed:
            self._answer(one)
        return len(claimed)

    def _answer(self, claimed) -> None:
        try:
            recover_password.answer(claimed, now=self.tick())
        except DatabaseError:
            raise
        except Exception:  # one request that can't be answered must not hold up the others
            note.exception("a recovery request could not be answered")
            delivery.requests.finish(claimed, now=self.tick())

    def _hand_over(self, letter) -> None:
        try:
            outcome = deliver_messages.hand_over(letter, carriers=self.carriers, tick=self.tick)
            if outcome != "accepted":
                note.warning("message %s: %s", letter.uid, outcome)
        except Exception:  # the lease ends and the message is taken up again
            note.exception("message %s: fault while handing over", letter.uid)
            close_old_connections()

    def _sweep(self) -> None:
        now = self.tick()
        if self.last_sweep and (now - self.last_sweep).total_seconds() < SWEEP_EVERY:
            return
        self.last_sweep = now
        limits.sweep(now=now)
        credentials.temporary.sweep(now=now)
        sessions.signed_in.sweep(now=now)
        delivery.requests.sweep(now=now)
        sites.grants.sweep(now=int(now.timestamp()))
        sites.pending.sweep(now=now)
        sites.seen.sweep(now=now)
