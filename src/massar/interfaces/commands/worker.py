"""Answers recovery requests, hands messages over to providers, and takes their receipts.

Runs until it is stopped. Several may run, on one machine or many: leases keep them out of each other's way, and what
a dying one held is taken over by the next.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime, timedelta

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

REST = 0.5  # seconds between two looks when nobody wakes it; what waits for its time is that much late at most
RECEIPTS_EVERY = timedelta(seconds=1)
SWEEP_EVERY = timedelta(seconds=30)
WATCH_EVERY = timedelta(seconds=10)
MOST_AT_ONCE = 100  # messages of one channel in one claim
FOR_GOOD = timedelta(days=365)
MOST_SETTLE_TRIES = 3  # turns in which it is tried to store what one provider answered
FOR_SITES = 4  # times as many senders, of which one site may have the fourth part
MOST_ANSWERED = 20  # recovery requests in one turn, so that what is ready leaves meanwhile

note = logging.getLogger("massar.worker")


def run(options) -> int:
    log.set_up(logging.WARNING if options.quiet else logging.INFO)
    registry = from_settings()
    stop = threading.Event()
    worker = Worker(registry, senders=options.senders)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: (stop.set(), worker.wake.set()))
    note.info("worker started with %s", ", ".join(c.name for c in registry.all()) or "no provider")
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

    def __init__(self, registry: delivery.ProviderRegistry, *, senders: int = 4, tick=clock.now, pool=None):
        self.registry, self.router, self.tick = registry, delivery.Router(registry), tick
        self.wake = threading.Event()
        self.senders = {channel: _senders(channel, senders, pool) for channel in registry.providers}
        self.done: queue.SimpleQueue[deliver_messages.ProviderAnswer] = queue.SimpleQueue()
        self.told: queue.SimpleQueue[tuple[delivery.Receipt, Future]] = queue.SimpleQueue()
        self.in_flight: Counter[str] = Counter()
        self.counting = threading.Lock()
        self.last: dict[Callable, object] = {}
        self.alarms: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; then what is being handed over is finished first."""
        delivery.notifier.listen(self.wake.set, stop)
        for provider in self._pipelined():
            provider.open(self.take_receipt)
        while not stop.is_set():
            self.wake.clear()
            if not self._turn_or_rest(stop):
                self.wake.wait(REST)
        self._finish()

    def _turn_or_rest(self, stop: threading.Event) -> bool:
        try:
            return self.turn()
        except Exception as trouble:  # a fault of ours in one place must not end the binds and all the rest
            if sql.is_away(trouble):
                note.warning("the database is away; trying again")
            else:
                note.exception("a fault in this turn; trying again")
        close_old_connections()
        stop.wait(1.0)
        return True

    def _finish(self) -> None:
        """What is under way is answered, and what is told meanwhile is stored: providers wait for both."""
        for senders in self.senders.values():
            wait(senders.under_way)
        providers = self.registry.all()
        with ThreadPoolExecutor(max(1, len(providers))) as pool:
            closing = [pool.submit(provider.close) for provider in providers]
            while not all(one.done() for one in closing):
                self._settle()
                self._store_receipts()
                self.wake.wait(0.05)
                self.wake.clear()
        self._settle()
        self._store_receipts()

    def _pipelined(self) -> list[delivery.Pipelined]:
        return [provider for provider in self.registry.all() if isinstance(provider, delivery.Pipelined)]

    def turn(self) -> bool:
        """One look at everything. True if there was something to do."""
        self._now_and_then(self._sweep_receipts, RECEIPTS_EVERY)
        self._now_and_then(self._sweep, SWEEP_EVERY)
        busy = self._settle() + self._store_receipts() + self.answer()
        for channel in {**self.registry.providers, **dict.fromkeys(deliver_messages.TO_PEOPLE)}:
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
        words = {
            "channel": channel,
            "router": self.router,
            "now": now,
            "under_way": under_way,
            "share": senders and max(1, senders.count // FOR_SITES),
            "senders": senders and senders.free(),
            "patience": patience,
        }
        try:
            ready = deliver_messages.take(room, **words)
        except Exception as trouble:
            _log_unless_away(trouble, "a fault while messages were taken up; each is taken up alone")
            ready = deliver_messages.take_each_alone(room, **words)
        for one in ready:
            self._start(one)
        return len(ready)

    def _room(self, channel: str, now) -> tuple[int, timedelta]:
        """How many messages the provider that most of them would take can begin with now, and for how long each is left to
        other workers.

        One is tried where a active connection has no room although nothing is under way: that tells what is wrong.
        """
        if not self.registry.of(channel):
            return MOST_AT_ONCE, timedelta(0)  # nothing leaves, but what waits ends at its time, and says why
        provider, patience = self.router.first_fit(channel, now), self.router.patience(channel)
        if provider is None and patience:
            return MOST_AT_ONCE, FOR_GOOD  # only what is too late: the workers that hold the binds have the rest
        if provider is None or not isinstance(provider, delivery.Pipelined):
            return self.senders[channel].free(), patience
        return max(provider.room(), 0 if self.in_flight[provider.name] else 1), patience

    def _start(self, ready: deliver_messages.Ready) -> None:
        if isinstance(ready.provider, delivery.Pipelined):
            self._submit(ready)
        else:
            with self.counting:
                self.in_flight[ready.provider.name] += 1
            self.senders[ready.message.channel].submit(self._hand_over, ready)

    def _hand_over(self, ready: deliver_messages.Ready) -> None:
        """In a sender's thread. While the database is away nothing is settled: the lease ends, and the message is taken up
        again."""
        try:
            self.done.put(deliver_messages.hand_over(ready, tick=self.tick))
        except Exception as trouble:
            note.exception("message %s: fault while handing over", ready.message.uid)
            if not sql.is_away(trouble):
                self.done.put(_met_fault(ready, trouble))
            if isinstance(trouble, Error):
                close_old_connections()
        finally:
            with self.counting:
                self.in_flight[ready.provider.name] -= 1
            self.wake.set()

    def _submit(self, ready: deliver_messages.Ready) -> None:
        message, provider = ready.message, ready.provider
        try:
            outgoing, valid_for, segments = deliver_messages.written(ready, now=self.tick())
        except deliver_messages.TooLate:
            self.done.put(deliver_messages.ProviderAnswer(message, provider, deliver_messages.TOO_LATE))
            return
        except Exception as trouble:
            _log_unless_away(trouble, f"message {message.uid}: fault while writing it")
            self.done.put(_met_fault(ready, trouble))
            return
        with self.counting:
            self.in_flight[provider.name] += 1
        answer = provider.submit(outgoing, valid_for=valid_for)
        answer.add_done_callback(lambda f: self._answered(message, provider, f, segments))

    def _answered(self, message, provider, answer: Future, segments: int) -> None:
        """In the provider's thread."""
        with self.counting:
            self.in_flight[provider.name] -= 1
        self.done.put(deliver_messages.ProviderAnswer(message, provider, answer.result(), segments))
        self.wake.set()

    def _settle(self) -> int:
        """Store what providers answered: together, or each alone where that meets a fault."""
        done = _drained(self.done)
        alone = deque(one for one in done if one.tries)
        try:
            self._settle_all([one for one in done if not one.tries])
        except Exception as trouble:
            if sql.is_away(trouble):  # what providers answered is not forgotten: a message would leave twice
                for one in done:
                    self.done.put(one)
            _log_unless_away(trouble, "a fault while answers were stored; each is stored alone")
            alone = deque(done)
        try:
            while alone:
                self._settle_alone(alone.popleft())
        finally:
            for one in alone:
                self.done.put(one)
        return len(done)

    def _settle_all(self, done: list[deliver_messages.ProviderAnswer]) -> None:
        for message, why in deliver_messages.settle(done, router=self.router, now=self.tick()) if done else ():
            note.warning("message %s: %s", message.uid, why)

    def _settle_alone(self, one: deliver_messages.ProviderAnswer) -> None:
        """Store one answer; what can't be stored is tried again in the next turns, and then ends as failed."""
        try:
            self._settle_all([one])
        except Exception as trouble:
            tries = one.tries + (not sql.is_away(trouble))
            if tries < MOST_SETTLE_TRIES:
                self.done.put(replace(one, tries=tries))
            _log_unless_away(trouble, f"message {one.message.uid}: what became of it can't be stored")
            if tries >= MOST_SETTLE_TRIES:
                deliver_messages.give_up_unsettled(one, type(trouble).__name__, now=self.tick())

    # What comes back

    def take_receipt(self, receipt: delivery.Receipt) -> Future:
        """In a provider's thread. The future is done when the receipt is committed."""
        stored: Future = Future()
        self.told.put((receipt, stored))
        self.wake.set()
        return stored

    def _store_receipts(self) -> int:
        """Store what providers told. Those whose receipt is not stored hear it, and tell it again."""
        told = _drained(self.told)
        try:
            self._store(told)
        except Exception as trouble:
            for _, stored in told:
                if not stored.done():
                    stored.set_exception(trouble)
            raise
        return len(told)

    def _store(self, told: list[tuple[delivery.Receipt, Future]]) -> None:
        try:
            take_receipt.take([(receipt, "") for receipt, _ in told], now=self.tick()) if told else None
        except Exception as trouble:
            _log_unless_away(trouble, "a fault while receipts were stored")
            if len(told) > 1:
                for one in told:
                    self._store([one])
            else:
                told[0][1].set_exception(trouble)
                delivery.counters.add(delivery.counters.count_fault("receipt"))
        else:
            for _, stored in told:
                stored.set_result(None)

    # What was asked for

    def answer(self, most: int = MOST_ANSWERED) -> int:
        """Answers open requests; returns how many."""
        claimed = delivery.requests.claim(most, now=self.tick())
        waiting = deque(claimed)
        try:
            while waiting:
                self._answer(waiting.popleft())
        except Exception:
            with contextlib.suppress(Error):  # it is away for this too; then their lease ends
                delivery.requests.give_back(waiting, now=self.tick())
            raise
        return len(claimed)

    def _answer(self, claimed: delivery.requests.Claimed) -> None:
        try:
            recover_password.answer(claimed, now=self.tick())
        except Exception as trouble:  # one request that can't be answered must not hold up the others
            _log_unless_away(trouble, "a fault while a recovery request was answered")
            recover_password.meet_fault(claimed, type(trouble).__name__, now=self.tick())

    # Now and then

    def _now_and_then(self, work: Callable, every: timedelta) -> None:
        """Also when the last time lies ahead, by a clock that was put right since. A fault ends nothing but this work."""
        now = self.tick()
        if work.__name__ not in self.last or not timedelta(0) <= now - self.last[work.__name__] < every:
            self.last[work.__name__] = now
            _contained(work, now)

    def _sweep_receipts(self, now) -> None:
        take_receipt.sweep(router=self.router, now=now)

    def _watch(self, now) -> None:
        """Say when an alarm begins and ends; other workers may say it too."""
        active = {one.id: one for one in delivery.alarms.find_active(watch_messages.take_snapshot(now=now))}
        for begun in active.keys() - self.alarms:
            about, page = ", ".join(active[begun].about), active[begun].page
            note.warning("alarm %s begins (%s): see %s", begun, about, page)
        for over in self.alarms - active.keys():
            note.info("alarm %s is over", over)
        self.alarms = set(active)

    def _sweep(self, now) -> None:
        for sweep in SWEEPS:
            _contained(sweep, now)


SWEEPS: tuple[Callable[[datetime], object], ...] = (
    lambda now: limits.sweep(now=now),
    lambda now: credentials.temporary.sweep(now=now),
    lambda now: sessions.signed_in.sweep(now=now),
    lambda now: delivery.requests.sweep(now=now),
    lambda now: delivery.outbox.sweep(now=now),
    lambda now: delivery.breaker.sweep(now=now),
    lambda now: delivery.receipts.sweep(now=now),
    lambda now: sites.grants.sweep(now=int(now.timestamp())),
    lambda now: sites.saved_requests.sweep(now=now),
    lambda now: sites.replay_cache.sweep(now=now),
    lambda now: sql.checkpoint_wal(),
)


def _contained(work: Callable[[datetime], object], now: datetime) -> None:
    """Do what must not hold up the rest of the turn when it meets a fault."""
    try:
        work(now)
    except Exception as trouble:
        _log_unless_away(trouble, "a fault in what is done now and then; the rest goes on")


def _log_unless_away(trouble: Exception, words: str) -> None:
    """Log a fault of ours with its trace, from inside its handler; what the database does is raised on."""
    if sql.is_away(trouble):
        raise trouble
    note.exception(words)


def _met_fault(ready: deliver_messages.Ready, trouble: Exception) -> deliver_messages.ProviderAnswer:
    return deliver_messages.ProviderAnswer(
        ready.message, ready.provider, deliver_messages.Fault(type(trouble).__name__)
    )


def _drained(waiting: queue.SimpleQueue) -> list:
    found = []
    while not waiting.empty():
        found.append(waiting.get())
    return found
