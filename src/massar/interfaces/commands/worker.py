"""Answers recovery requests, hands messages over to providers, and takes their receipts.

Runs until it is stopped. Several may run, on one machine or many: leases keep them out of each other's way, and what
a dying one held is taken over by the next.
"""

from __future__ import annotations

import logging
import queue
import signal
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta

from django.db import Error, close_old_connections

from massar.core import clock, log, sql
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.limits import api as limits
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.interfaces.commands.providers import from_settings
from massar.journeys.account import recover_password
from massar.journeys.messages import deliver_messages, take_receipt, watch_messages

REST = 0.5  # seconds between two looks when nobody rings; what waits for its time is that much late at most
RECEIPTS_EVERY = timedelta(seconds=1)
SWEEP_EVERY = timedelta(seconds=30)
WATCH_EVERY = timedelta(seconds=10)
MOST_AT_ONCE = 100  # messages of one channel in one claim
FOR_GOOD = timedelta(days=365)
FOR_SITES = 4  # times as many senders, of which one site may have the fourth part
MOST_ANSWERED = 20  # recovery requests in one turn, so that what is ready leaves meanwhile

note = logging.getLogger("massar.worker")


def run(options) -> int:
    log.set_up(logging.WARNING if options.quiet else logging.INFO)
    roster = from_settings()
    stop = threading.Event()
    worker = Worker(roster, senders=options.senders)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: (stop.set(), worker.bell.set()))
    note.info("worker started with %s", ", ".join(c.name for c in roster.all()) or "no provider")
    worker.run(stop)
    note.info("worker stopped")
    return 0


class Senders:
    """A few threads for a channel whose providers answer at once: a slow mail server holds up no SMS."""

    def __init__(self, count: int, pool):
        self.count, self.pool = count, pool
        self.under_way: set[Future] = set()

    def free(self) -> int:
        self.under_way = {f for f in self.under_way if not f.done()}
        return self.count - len(self.under_way)

    def submit(self, work: Callable, *words) -> None:
        self.under_way.add(self.pool.submit(work, *words))


def _senders(channel: str, count: int, pool) -> Senders:
    """Sites are many, and each has a share of the senders: more of them, so that some slow ones leave room for the others."""
    count *= FOR_SITES if channel in deliver_messages.TO_SITES else 1
    return Senders(count, pool or ThreadPoolExecutor(count, thread_name_prefix=channel))


class Worker:
    """One loop that reads and writes the database; threads and connections that speak to providers.

    `pool`: what runs the senders' work, for each channel; a thread pool where nothing is given.
    """

    def __init__(self, roster: delivery.Roster, *, senders: int = 4, tick=clock.now, pool=None):
        self.roster, self.router, self.tick = roster, delivery.Router(roster), tick
        self.bell = threading.Event()
        self.senders = {channel: _senders(channel, senders, pool) for channel in roster.providers}
        self.done: queue.SimpleQueue[deliver_messages.Done] = queue.SimpleQueue()
        self.told: queue.SimpleQueue[tuple[delivery.Receipt, Future]] = queue.SimpleQueue()
        self.in_flight: Counter[str] = Counter()
        self.counting = threading.Lock()
        self.last: dict[Callable, object] = {}
        self.alarms: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; then what is being handed over is finished first."""
        delivery.notifier.listen(self.bell.set, stop)
        for provider in self._pipelined():
            provider.open(self.take_receipt)
        while not stop.is_set():
            self.bell.clear()
            if not self._turn_or_rest(stop):
                self.bell.wait(REST)
        self._finish()

    def _turn_or_rest(self, stop: threading.Event) -> bool:
        try:
            return self.turn()
        except Error as trouble:
            if sql.unavailable(trouble):
                note.warning("the database is away; trying again")
            else:
                note.exception("a statement failed; trying again")
        except Exception:  # a fault of ours in one place must not end the binds and all the rest
            note.exception("a fault in this turn; trying again")
        close_old_connections()
        stop.wait(1.0)
        return True

    def _finish(self) -> None:
        """What is under way is answered, and what is told meanwhile is stored: providers wait for both."""
        for senders in self.senders.values():
            wait(senders.under_way)
        closable = [provider for provider in self.roster.all() if hasattr(provider, "close")]
        with ThreadPoolExecutor(max(1, len(closable))) as pool:
            closing = [pool.submit(provider.close) for provider in closable]
            while not all(one.done() for one in closing):
                self._settle()
                self._store_receipts()
                self.bell.wait(0.05)
                self.bell.clear()
        self._settle()
        self._store_receipts()

    def _pipelined(self) -> list[delivery.Pipelined]:
        return [provider for provider in self.roster.all() if hasattr(provider, "submit")]

    def turn(self) -> bool:
        """One look at everything. True if there was something to do."""
        self._now_and_then(self._sweep_receipts, RECEIPTS_EVERY)
        self._now_and_then(self._sweep, SWEEP_EVERY)
        busy = self._settle() + self._store_receipts() + self.answer()
        for channel in {**self.roster.providers, **dict.fromkeys(deliver_messages.TO_PEOPLE)}:
            busy += self._send(channel)
        busy += self._settle()
        self._now_and_then(self._watch, WATCH_EVERY)  # last: what this turn has put right is no alarm
        return bool(busy)

    # What leaves

    def _send(self, channel: str) -> int:
        now = self.tick()
        self.router.look(now)
        room, patience = self._room(channel, now)
        room = min(room, MOST_AT_ONCE)
        if room <= 0:
            return 0
        with self.counting:
            under_way = self.in_flight.copy()
        senders = self.senders.get(channel)
        ready = deliver_messages.take(
            room,
            channel=channel,
            router=self.router,
            now=now,
            under_way=under_way,
            share=senders and max(1, senders.count // FOR_SITES),
            senders=senders and senders.free(),
            patience=patience,
        )
        for one in ready:
            self._start(one)
        return len(ready)

    def _room(self, channel: str, now) -> tuple[int, timedelta]:
        """How many messages the provider that most of them would take can begin with now, and for how long each is left to
        other workers.

        One is tried where a active connection has no room although nothing is under way: that tells what is wrong.
        """
        if not self.roster.of(channel):
            return MOST_AT_ONCE, timedelta(0)  # nothing leaves, but what waits ends at its time, and says why
        provider, patience = self.router.first_fit(channel, now), self.router.patience(channel)
        if provider is None and patience:
            return MOST_AT_ONCE, FOR_GOOD  # only what is too late: the workers that hold the binds have the rest
        if provider is None or not hasattr(provider, "submit"):
            return self.senders[channel].free(), patience
        return max(provider.room(), 0 if self.in_flight[provider.name] else 1), patience

    def _start(self, ready: deliver_messages.Ready) -> None:
        if hasattr(ready.provider, "submit"):
            self._submit(ready)
        else:
            with self.counting:
                self.in_flight[ready.provider.name] += 1
            self.senders[ready.letter.channel].submit(self._hand_over, ready)

    def _hand_over(self, ready: deliver_messages.Ready) -> None:
        """In a sender's thread. A fault settles nothing: the lease ends and the message is taken up again."""
        try:
            self.done.put(deliver_messages.hand_over(ready, tick=self.tick))
        except Exception:
            note.exception("message %s: fault while handing over", ready.letter.uid)
            close_old_connections()
        finally:
            with self.counting:
                self.in_flight[ready.provider.name] -= 1
            self.bell.set()

    def _submit(self, ready: deliver_messages.Ready) -> None:
        letter, provider = ready.letter, ready.provider
        try:
            outgoing, valid_for, segments = deliver_messages.written(ready, now=self.tick())
        except deliver_messages.TooLate:
            self.done.put(deliver_messages.Done(letter, provider, deliver_messages.TOO_LATE))
            return
        except Exception:
            note.exception("message %s: fault while writing it", letter.uid)
            return
        with self.counting:
            self.in_flight[provider.name] += 1
        answer = provider.submit(outgoing, valid_for=valid_for)
        answer.add_done_callback(lambda f: self._answered(letter, provider, f, segments))

    def _answered(self, letter, provider, answer: Future, segments: int) -> None:
        """In the provider's thread."""
        with self.counting:
            self.in_flight[provider.name] -= 1
        self.done.put(deliver_messages.Done(letter, provider, answer.result(), segments))
        self.bell.set()

    def _settle(self) -> int:
        done = _drained(self.done)
        if not done:
            return 0
        try:
            refused = deliver_messages.settle(done, router=self.router, now=self.tick())
        except Error:  # what providers answered is not forgotten: a message would leave twice
            for one in done:
                self.done.put(one)
            raise
        for letter, why in refused:
            note.warning("message %s: %s", letter.uid, why)
        return len(done)

    # What comes back

    def take_receipt(self, receipt: delivery.Receipt) -> Future:
        """In a provider's thread. The future is done when the receipt is committed."""
        stored: Future = Future()
        self.told.put((receipt, stored))
        self.bell.set()
        return stored

    def _store_receipts(self) -> int:
        told = _drained(self.told)
        if not told:
            return 0
        try:
            take_receipt.take([(receipt, "") for receipt, _ in told], now=self.tick())
        except Exception as trouble:  # the providers hear it, and repeat
            for _, stored in told:
                stored.set_exception(trouble)
            raise
        for _, stored in told:
            stored.set_result(None)
        return len(told)

    # What was asked for

    def answer(self, most: int = MOST_ANSWERED) -> int:
        """Answers open requests; returns how many."""
        claimed = delivery.requests.claim(most, now=self.tick())
        for one in claimed:
            self._answer(one)
        return len(claimed)

    def _answer(self, claimed) -> None:
        try:
            recover_password.answer(claimed, now=self.tick())
        except Exception as trouble:  # one request that can't be answered must not hold up the others
            if isinstance(trouble, Error) and sql.unavailable(trouble):
                raise
            note.exception("a recovery request could not be answered")
            delivery.requests.finish(claimed, now=self.tick())

    # Now and then

    def _now_and_then(self, work: Callable, every: timedelta) -> None:
        """Also when the last time lies ahead, by a clock that was put right since."""
        now = self.tick()
        if work.__name__ not in self.last or not timedelta(0) <= now - self.last[work.__name__] < every:
            self.last[work.__name__] = now
            work(now)

    def _sweep_receipts(self, now) -> None:
        take_receipt.sweep(router=self.router, now=now)

    def _watch(self, now) -> None:
        """Says when an alarm begins and ends; other workers may say it too. Messages leave whatever goes wrong here."""
        try:
            active = {one.id: one for one in delivery.alarms.find_active(watch_messages.take_snapshot(now=now))}
        except Error:
            raise
        except Exception:
            note.exception("alarms could not be judged; messages go on")
            return
        for begun in active.keys() - self.alarms:
            about, page = ", ".join(active[begun].about), active[begun].page
            note.warning("alarm %s begins (%s): see %s", begun, about, page)
        for over in self.alarms - active.keys():
            note.info("alarm %s is over", over)
        self.alarms = set(active)

    def _sweep(self, now) -> None:
        limits.sweep(now=now)
        credentials.temporary.sweep(now=now)
        sessions.signed_in.sweep(now=now)
        delivery.requests.sweep(now=now)
        delivery.outbox.sweep(now=now)
        delivery.breaker.sweep(now=now)
        delivery.receipts.sweep(now=now)
        sites.grants.sweep(now=int(now.timestamp()))
        sites.saved_requests.sweep(now=now)
        sites.replay_cache.sweep(now=now)
        sql.fold_log()


def _drained(waiting: queue.SimpleQueue) -> list:
    found = []
    while not waiting.empty():
        found.append(waiting.get())
    return found
