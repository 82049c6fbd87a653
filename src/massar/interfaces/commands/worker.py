"""Answers recovery requests, hands messages over to providers, and takes their receipts, until it is stopped."""

import argparse
import contextlib
import logging
import queue
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import Error, close_old_connections

from massar.core import clock, database_trouble, encryption, log, sql
from massar.core.keyring import api as keyring
from massar.domain.delivery import api as delivery
from massar.interfaces.base import site_trials
from massar.interfaces.commands import providers
from massar.interfaces.commands.audit_keeper import AuditKeeper
from massar.interfaces.commands.list_keeper import ListKeeper
from massar.journeys import retention, season
from massar.journeys.account import defend, recover_password
from massar.journeys.campaigns import carry_out
from massar.journeys.figures import count
from massar.journeys.messages import deliver_messages, leased_delivery, take_receipt, watch_messages
from massar.journeys.messages.leased_delivery import LeasedDelivery, ProviderAnswer, Ready
from massar.journeys.sso.deliver_logouts import LogoutDelivery

REST = 0.5  # seconds between two looks when nobody wakes it; what waits for its time is that much late at most
RECEIPTS_EVERY = timedelta(seconds=1)
COUNTED_EVERY = 30.0  # seconds between two looks whether a count of figures is due
CAMPAIGNS_EVERY = timedelta(seconds=1)
SWEEP_EVERY = timedelta(seconds=30)
RETENTION_EVERY = timedelta(hours=1)
WATCH_EVERY = timedelta(seconds=10)
MOST_SETTLE_TRIES = 3  # turns in which it is tried to store what one provider answered
FOR_SITES = 4  # times as many senders, of which one site may have the fourth part
MOST_ANSWERED = 20  # recovery requests in one turn, so that what is ready leaves meanwhile
note = logging.getLogger("massar.worker")
T = TypeVar("T")


def run(options: argparse.Namespace) -> int:
    log.set_up(logging.WARNING if options.quiet else logging.INFO)
    registry = providers.from_settings()
    stop = threading.Event()
    worker = Worker(registry, sites=site_trials.sites(), senders=options.senders)

    def end(*_: object) -> None:
        stop.set()
        worker.wake.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, end)
    keyring.state.watch("worker")
    note.info("worker started with %s", ", ".join(c.name for c in registry.all()) or "no provider")
    # Apart from the loop: a disk or a receiver that hangs holds up no message.
    keeper = threading.Thread(target=AuditKeeper().run, args=(stop,), name="audit")
    keeper.start()
    counter = threading.Thread(target=_count_figures, args=(stop,), name="figures", daemon=True)
    counter.start()
    lists = threading.Thread(target=ListKeeper(stop).run, name="lists")
    lists.start()
    try:
        worker.run(stop)
    finally:  # a loop that ended by a fault must not leave a process that only keeps the log
        stop.set()
        keeper.join()
        lists.join()
    note.info("worker stopped")
    return 0


def _count_figures(stop: threading.Event) -> None:
    """Apart from the loop: a count of the whole country takes a minute, in which no message may wait."""
    while not stop.is_set():
        try:
            count.turn(tick=clock.now)
        except Exception as trouble:  # a thread that ended would be missing for good
            if not sql.is_away(trouble):
                note.exception("a fault while figures were counted; trying again")
        close_old_connections()
        stop.wait(COUNTED_EVERY)


class Channel:
    """One channel of the queue: who delivers what stands in it, and threads that speak to those who answer at once. A
    few threads each: a slow mail server holds up no SMS. `share`: how many of them one site may have."""

    def __init__(self, name: str, way: LeasedDelivery, senders: int, pool: Executor | None, share: int | None = None):
        self.name, self.way, self.share = name, way, share
        self._senders = senders
        self.pool = pool or ThreadPoolExecutor(senders, thread_name_prefix=name)
        self.under_way: set[Future[None]] = set()

    def free(self) -> int:
        self.under_way = {f for f in self.under_way if not f.done()}
        return self._senders - len(self.under_way)


class Worker:
    """One loop that reads and writes the database; threads and connections that speak to providers. `sites`: by
    channel, what tells sites. `pool`: what runs the senders' work; a thread pool for each channel where nothing is
    given. Sites are many, and each has a share of the senders: more of them, so that slow ones leave room for the
    others."""

    def __init__(
        self, registry: delivery.ProviderRegistry, *, sites: Mapping[str, delivery.Provider] | None = None,
        senders: int = 4, tick: Callable[[], datetime] = clock.now, pool: Executor | None = None,
    ):  # fmt: skip
        self.registry, self.router, self.tick = registry, delivery.Router(registry), tick
        self.wake = threading.Event()
        self.messages = deliver_messages.MessageDelivery(self.router)
        self.logouts = LogoutDelivery(self.router, sites or {})
        people = dict.fromkeys((*registry.providers, *deliver_messages.CHANNELS))
        self.channels = [Channel(name, self.messages, senders, pool) for name in people]
        many = FOR_SITES * senders
        self.channels += [Channel(name, self.logouts, many, pool, share=senders) for name in self.logouts.providers]
        self.answers: dict[LeasedDelivery, queue.SimpleQueue[ProviderAnswer]] = {
            way: queue.SimpleQueue() for way in (self.messages, self.logouts)
        }
        self.reported: queue.SimpleQueue[tuple[delivery.Receipt, Future[None]]] = queue.SimpleQueue()
        self.in_flight: Counter[str] = Counter()
        self.counting = threading.Lock()
        self.last: dict[str, datetime] = {}
        self.alarms: set[str] = set()
        self.retention = retention.Retention()

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; then what is being handed over is answered and stored first."""
        delivery.notifier.listen(self.wake.set, stop)
        for provider in self.registry.all():
            if isinstance(provider, delivery.Pipelined):
                provider.open(self.take_receipt)
        while not stop.is_set():
            self.wake.clear()
            if not self.turn_or_rest(stop):
                self.wake.wait(REST)
        for channel in self.channels:
            wait(channel.under_way)
        speakers = [*self.registry.all(), *self.logouts.providers.values()]
        with ThreadPoolExecutor(max(1, len(speakers))) as pool:
            closing = [pool.submit(provider.close) for provider in speakers]
            while not all(one.done() for one in closing):  # what is told meanwhile is stored: they wait for that
                self._store_answers_and_receipts()
                self.wake.wait(0.05)
                self.wake.clear()
        self._store_answers_and_receipts()

    def turn_or_rest(self, stop: threading.Event) -> bool:
        """One turn, and a second of rest after a fault. True if there may be something to do."""
        try:
            return self.turn()
        except Exception as trouble:  # a fault of ours in one place must not end the binds and all the rest
            if isinstance(trouble, encryption.KeyMissing):
                note.warning("a key is missing here; trying again: %s", trouble)
            elif sql.is_away(trouble):
                database_trouble.meet(database_trouble.judge(trouble))  # and tried again
            else:
                note.exception("a fault in this turn; trying again")
        close_old_connections()
        stop.wait(1.0)
        return True

    def turn(self) -> bool:
        """One look at everything. True if there was something to do. Raises KeyMissing before anything is claimed."""
        encryption.data_keys()
        self._now_and_then("receipts", RECEIPTS_EVERY, lambda now: take_receipt.sweep(router=self.router, now=now))
        self._now_and_then("season", season.LOOK_EVERY, season.look)
        self._now_and_then("sweep", SWEEP_EVERY, self._sweep, lambda now: sql.checkpoint_wal())
        self._now_and_then("retention", RETENTION_EVERY, lambda now: self.retention.run(retention.by_days(), now=now))
        busy = self._store_answers_and_receipts() + self.answer()
        busy += sum(self._send(channel) for channel in self.channels)
        self._now_and_then("campaigns", CAMPAIGNS_EVERY, self._carry_on_campaigns)
        busy += sum(self._settle(way, answers) for way, answers in self.answers.items())
        # Last: what this turn has put right is no alarm.
        self._now_and_then("watch", WATCH_EVERY, defend.watch, self._watch)
        return bool(busy)

    def _carry_on_campaigns(self, now: datetime) -> None:
        first = next(iter(self.registry.of("sms")), None)
        carry_out.turn(price=self.registry.price(first.name) if first else 0, now=now)

    def _sweep(self, now: datetime) -> None:
        self.retention.run(retention.BY_THE_MINUTE, now=now)

    def _send(self, channel: Channel) -> int:
        now = self.tick()
        self.router.look(now)
        with self.counting:
            under_way = self.in_flight.copy()
        free = channel.free()
        room, patience = channel.way.room(channel.name, now, free=free, under_way=under_way)
        room = min(room, leased_delivery.MOST_AT_ONCE)
        if room <= 0:
            return 0
        load = leased_delivery.Load(under_way, channel.share, free, patience)
        try:
            ready = channel.way.take(room, channel=channel.name, now=now, load=load)
        except Exception as trouble:
            _log_unless_away(trouble, "a fault while messages were taken up; each is taken up alone")
            ready = channel.way.take_each_alone(room, channel=channel.name, now=now, load=load)
        for one in ready:
            self._start(channel, one)
        return len(ready)

    def _start(self, channel: Channel, ready: Ready) -> None:
        """By a sender; or written here, for a provider that takes many at a time."""
        way, provider = channel.way, ready.provider
        if not isinstance(provider, delivery.Pipelined):
            with self.counting:
                self.in_flight[ready.name] += 1
            channel.under_way.add(channel.pool.submit(self._hand_over, way, ready))
            return
        try:
            written = way.write(ready.message, now=self.tick())
        except Exception as trouble:
            _log_unless_away(trouble, f"message {ready.message.uid}: fault while writing it")
            self.answers[way].put(_met_fault(ready, trouble))
            return
        if written is None:
            self.answers[way].put(ready.answered(leased_delivery.TOO_LATE))
            return

        def answered(result: Future[delivery.Result]) -> None:
            """In the provider's thread."""
            self.answers[way].put(ready.answered(result.result(), written.segments))
            self._is_answered(ready)

        with self.counting:
            self.in_flight[ready.name] += 1
        provider.submit(written.outbound, valid_for=written.valid_for).add_done_callback(answered)

    def _hand_over(self, way: LeasedDelivery, ready: Ready) -> None:
        """In a sender's thread. While the database is away nothing is settled: the lease ends, and the message is
        taken up again."""
        try:
            self.answers[way].put(way.hand_over(ready, tick=self.tick))
        except Exception as trouble:
            note.exception("message %s: fault while handing over", ready.message.uid)
            if not sql.is_away(trouble):
                self.answers[way].put(_met_fault(ready, trouble))
            if isinstance(trouble, Error):
                close_old_connections()
        finally:
            self._is_answered(ready)

    def _is_answered(self, ready: Ready) -> None:
        with self.counting:
            self.in_flight[ready.name] -= 1
        self.wake.set()

    def _store_answers_and_receipts(self) -> int:
        return sum(self._settle(way, answers) for way, answers in self.answers.items()) + self._store_receipts()

    def _settle(self, way: LeasedDelivery, answers: queue.SimpleQueue[ProviderAnswer]) -> int:
        """What providers answered is stored: together, or each alone where that meets a fault."""
        done = _drained(answers)
        alone = deque(one for one in done if one.tries)
        try:
            self._settle_all(way, [one for one in done if not one.tries])
        except Exception as trouble:
            if sql.is_away(trouble):  # what providers answered is not forgotten: a message would leave twice
                for one in done:
                    answers.put(one)
            _log_unless_away(trouble, "a fault while answers were stored; each is stored alone")
            alone = deque(done)
        try:
            while alone:
                self._settle_alone(way, alone.popleft())
        finally:
            for one in alone:
                answers.put(one)
        return len(done)

    def _settle_all(self, way: LeasedDelivery, done: list[ProviderAnswer]) -> None:
        for message, why in way.settle(done, now=self.tick()) if done else ():
            note.warning("message %s: %s", message.uid, why)

    def _settle_alone(self, way: LeasedDelivery, one: ProviderAnswer) -> None:
        """What can't be stored is tried again in the next turns, and then ends as failed."""
        try:
            self._settle_all(way, [one])
        except Exception as trouble:
            tries = one.tries + (not sql.is_away(trouble))
            if tries < MOST_SETTLE_TRIES:
                self.answers[way].put(replace(one, tries=tries))
            _log_unless_away(trouble, f"message {one.message.uid}: what became of it can't be stored")
            if tries >= MOST_SETTLE_TRIES:
                way.give_up_unsettled(one, type(trouble).__name__, now=self.tick())

    def take_receipt(self, receipt: delivery.Receipt) -> Future[None]:
        """In a provider's thread. The future is done when the receipt is committed."""
        stored: Future[None] = Future()
        self.reported.put((receipt, stored))
        self.wake.set()
        return stored

    def _store_receipts(self) -> int:
        """Those whose receipt is not stored hear it, and report it again."""
        reported = _drained(self.reported)
        try:
            if reported:
                self._store(reported)
        except Exception as trouble:
            for _, stored in reported:
                if not stored.done():
                    stored.set_exception(trouble)
            raise
        return len(reported)

    def _store(self, reported: list[tuple[delivery.Receipt, Future[None]]]) -> None:
        try:
            take_receipt.take([(receipt, "") for receipt, _ in reported], now=self.tick())
        except Exception as trouble:
            _log_unless_away(trouble, "a fault while receipts were stored")
            if len(reported) > 1:
                for one in reported:
                    self._store([one])
            else:
                reported[0][1].set_exception(trouble)
                delivery.counters.add(delivery.counters.count_fault("receipt"))
        else:
            for _, stored in reported:
                stored.set_result(None)

    def answer(self, most: int = MOST_ANSWERED) -> int:
        claimed = delivery.requests.claim(most, now=self.tick())
        waiting = deque(claimed)
        try:
            while waiting:
                one = waiting.popleft()
                try:
                    recover_password.answer(one, now=self.tick())
                except encryption.KeyMissing:
                    delivery.requests.postpone(one, until=self.tick() + delivery.outbox.KEY_PAUSE)
                except Exception as trouble:  # one request that can't be answered must not hold up the others
                    _log_unless_away(trouble, "a fault while a recovery request was answered")
                    recover_password.meet_fault(one, type(trouble).__name__, now=self.tick())
        except Exception:
            with contextlib.suppress(Error):  # it is away for this too; then their lease ends
                for one in waiting:
                    delivery.requests.postpone(one, until=self.tick())
            raise
        return len(claimed)

    def _now_and_then(self, name: str, every: timedelta, *works: Callable[..., object]) -> None:
        """A fault ends nothing but its own work."""
        now = self.tick()
        if not clock.is_due(self.last.get(name), every, now=now):
            return
        self.last[name] = now
        for work in works:
            try:
                work(now=now)
            except Exception as trouble:
                _log_unless_away(trouble, "a fault in what is done now and then; the rest goes on")

    def _watch(self, now: datetime) -> None:
        """When an alarm begins and ends; other workers may say it too."""
        if found := sql.find_trouble():
            database_trouble.meet(found)
        active = {one.id: one for one in watch_messages.Overview(now=now).alarms}
        for begun in active.keys() - self.alarms:
            note.warning("alarm %s begins (%s): see %s", begun, ", ".join(active[begun].about), active[begun].page)
        for over in self.alarms - active.keys():
            note.info("alarm %s is over", over)
        self.alarms = set(active)


def _log_unless_away(trouble: Exception, words: str) -> None:
    """A fault of ours is logged with its trace, from inside its handler; what the database does is raised on."""
    if sql.is_away(trouble):
        raise trouble
    note.exception(words)


def _met_fault(ready: Ready, trouble: Exception) -> ProviderAnswer:
    return ready.answered(leased_delivery.Fault(type(trouble).__name__))


def _drained(waiting: queue.SimpleQueue[T]) -> list[T]:
    found: list[T] = []
    while not waiting.empty():
        found.append(waiting.get())
    return found
