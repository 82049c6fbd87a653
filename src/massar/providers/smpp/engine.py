"""What runs behind an SMPP provider: the loop's thread, its connections, the queue of messages, the sink's thread."""

import asyncio
import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from functools import partial
from queue import SimpleQueue
from typing import Protocol

from massar.core import clock, ids
from massar.domain.delivery.provider import (
    Accepted,
    NotTransmitted,
    OutcomeUnknown,
    Receipt,
    ReceiptSink,
    Rejected,
    Result,
)
from massar.providers.connect import describe
from massar.providers.smpp import pdu as smpp
from massar.providers.smpp import receipt as smpp_receipt
from massar.providers.smpp.session import NoBind, Session, connect
from massar.providers.smpp.settings import RELATIVE, TRX, SmppSettings
from massar.providers.smpp.text import Content

note = logging.getLogger("massar.smpp")

STEADY = 60.0  # a connection that lived so many seconds was a good one
TAKEN = NotTransmitted("all binds of the contract are taken")
UNREADABLE_SLOTS = NotTransmitted("the slots of its binds can't be asked")
SLOT_PAUSE = 5  # first pauses of a reconnect, until a taken bind is asked for again
NO_CONNECTION = NotTransmitted("no connection to the SMSC yet")
CLOSED = NotTransmitted("the provider is closed")
NOT_IN_TIME = NotTransmitted("its turn did not come in time")
TOO_LATE = NotTransmitted("too late")


class BindSlots(Protocol):
    """The binds of a contract, shared by all processes that use it. Called from threads, may wait for a database."""

    def try_take(self, n: int) -> bool:
        """Whether this process may hold bind `n` (from 0). Asked before every connect, so also for one it holds."""

    def release(self, n: int) -> None:
        """This process holds bind `n` no more."""


def commands(settings: SmppSettings) -> tuple[int, ...]:
    """The bind requests that make one whole bind."""
    if settings.bind == TRX:
        return (smpp.BIND_TRANSCEIVER,)
    return (smpp.BIND_TRANSMITTER, smpp.BIND_RECEIVER)


class Job:
    """One message on its way. Times are of `time.monotonic`, which is the clock of asyncio's loops too."""

    def __init__(self, to: smpp.Address, segments: list[Content], *, valid_for: timedelta, patience: float):
        self.future: Future[Result] = Future()
        self.future.set_running_or_notify_cancel()  # from here on nobody can take it back
        self.to, self.segments = to, segments
        now = time.monotonic()
        self.leave_by = now + patience
        self.worthless_at = now + valid_for.total_seconds()
        self.written = 0
        self.line: Session | None = None  # all segments leave by one
        self._results: dict[int, Result] = {}

    def late(self, now: float) -> NotTransmitted | None:
        if now > self.worthless_at - 1:  # the shortest validity that can be written is a second
            return TOO_LATE
        return NOT_IN_TIME if now > self.leave_by else None

    def spoilt(self) -> bool:
        """Whether a segment is known not to arrive: then the others would be of no use."""
        return any(not isinstance(result, Accepted) for result in self._results.values())

    def answered(self, place: int, result: Result) -> None:
        self._results[place] = result
        if len(self._results) == len(self.segments):
            self.future.set_result(_whole([self._results[n] for n in range(len(self.segments))]))

    def give_up(self, why: Rejected | NotTransmitted) -> None:
        """What was not written will not be."""
        for place in range(self.written, len(self.segments)):
            self.answered(place, why)
        self.written = len(self.segments)


def _whole(results: list[Result]) -> Result:
    """One result for all segments: a message that lacks one is not read by anybody."""
    refused = [result for result in results if isinstance(result, Rejected)]
    if refused:
        return min(refused, key=lambda result: result.busy)
    for kind in (NotTransmitted, OutcomeUnknown):
        found = next((result for result in results if isinstance(result, kind)), None)
        if found:
            return found
    if len(results) == 1:
        return results[0]
    names = tuple(result.reference for result in results if isinstance(result, Accepted))
    return Accepted(names[0], names, receipt=all(names))


class Engine:
    """Runs from `start` to `stop`, once. `put`, `room` and `bound` may be called from any thread."""

    def __init__(
        self,
        name: str,
        settings: SmppSettings,
        tls: ssl.SSLContext | None,
        slots: BindSlots | None,
        sink: ReceiptSink,
    ):
        self._name, self._settings, self._tls, self._slots, self._sink = name, settings, tls, slots, sink
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"{name} loop", daemon=True)
        self._storing = threading.Thread(target=self._store, name=f"{name} receipts", daemon=True)
        self._receipts: SimpleQueue[tuple[Receipt, Callable[[bool], None]] | None] = SimpleQueue()
        self._queue: deque[Job] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self._awake = False
        self._stopping = asyncio.Event()
        self._sessions: list[Session] = []  # all that are bound
        self._lines: tuple[Session, ...] = ()  # those that send
        self._held: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._why: Rejected | NotTransmitted = NO_CONNECTION
        self._sender = settings.sender

    # From any thread ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._storing.start()
        self._thread.start()

    def put(self, job: Job) -> None:
        with self._lock:
            if self._closed:
                job.give_up(CLOSED)
                return
            self._queue.append(job)
            if not self._awake:
                self._awake = True
                self._loop.call_soon_threadsafe(self._pump)

    def room(self) -> int:
        """What the windows have room for and the rate lets go within a second, without what waits already."""
        free = sum(min(line.free(), max(1, int(line.pace.rate))) for line in self._lines)
        return max(0, free - len(self._queue))

    def standby(self) -> bool:
        """Nothing to send through, and nobody's fault: others hold the binds, or the first connect is not over."""
        return not self._lines and self._why in (NO_CONNECTION, TAKEN)

    def bound(self) -> bool:
        return bool(self._sessions)

    def stop(self, seconds: float) -> None:
        """Both threads have ended then, unless they need longer than `seconds`: receipts that came in are stored."""
        until = time.monotonic() + seconds
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(seconds)
        self._storing.join(max(0, until - time.monotonic()))

    # The loop's thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._main())
        finally:
            with self._lock:
                self._closed = True
            self._fail_all(CLOSED)
            self._receipts.put(None)
            self._loop.close()

    async def _main(self) -> None:
        binds = [
            asyncio.create_task(self._keep(n, command))
            for n in range(self._settings.binds)
            for command in commands(self._settings)
        ]
        watching = asyncio.create_task(self._watch())
        await self._stopping.wait()
        for task in (*binds, watching):
            task.cancel()
        self._lines = ()
        self._fail_all(CLOSED)
        await asyncio.gather(*binds, watching, return_exceptions=True)
        await asyncio.gather(*(session.goodbye() for session in self._sessions), return_exceptions=True)
        if self._slots:
            await asyncio.gather(
                *(asyncio.to_thread(self._slots.release, n) for n in self._held), return_exceptions=True
            )

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.tick)
            now = time.monotonic()
            for job, why in [(job, job.late(now)) for job in self._queue]:
                if why:
                    self._queue.remove(job)
                    job.give_up(why)
            self._pump()

    async def _keep(self, n: int, command: int) -> None:
        """Bind `n`: connect, stay, come back. The pauses grow from failure to failure, each one a little random."""
        pause = self._settings.reconnect_first
        while True:
            began = time.monotonic()
            if not await self._may_hold(n):
                await asyncio.sleep(ids.jitter(SLOT_PAUSE * self._settings.reconnect_first))
                continue
            await self._stay(command)
            if time.monotonic() - began > STEADY:
                pause = self._settings.reconnect_first
            await asyncio.sleep(ids.jitter(pause))
            pause = min(2 * pause, self._settings.reconnect_most)

    async def _may_hold(self, n: int) -> bool:
        if not self._slots:
            return True
        try:
            taken = await asyncio.to_thread(self._slots.try_take, n)
        except Exception:  # nobody else need hold a bind: messages go on by the next provider, and operators hear of it
            note.exception("%s: bind slots can't be asked", self._name)
            self._why = UNREADABLE_SLOTS
            return False
        if taken:
            self._held.add(n)
        else:
            self._held.discard(n)
            self._why = TAKEN
        return taken

    async def _stay(self, command: int) -> None:
        try:
            session = await connect(self._settings, command, self._tls, deliver=self._delivered, freed=self._pump)
        except NoBind as problem:
            self._why = problem.result
            note.warning("%s: no bind: %s", self._name, problem)
            return
        except Exception as problem:  # a bind that nobody tries again would be found by the first silent night
            self._why = NotTransmitted(describe(problem))
            note.exception("%s: no bind", self._name)
            return
        note.info("%s: bound", self._name)
        self._joined(session)
        why = await asyncio.shield(session.ended)
        self._left(session)
        self._why = NotTransmitted(f"the connection was lost: {why}")
        note.warning("%s: %s", self._name, self._why.why)
        self._pump()

    def _joined(self, session: Session) -> None:
        self._sessions.append(session)
        self._lines = tuple(one for one in self._sessions if one.sends)

    def _left(self, session: Session) -> None:
        self._sessions.remove(session)
        self._lines = tuple(one for one in self._sessions if one.sends)

    # The queue ----------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Write what has its turn."""
        self._awake = False  # first: what is put from now on wakes us again
        now = time.monotonic()
        while self._queue:
            job = self._queue[0]
            line = job.line or self._best(now)
            why = self._hopeless(job, line, now)
            if why:
                self._queue.popleft()
                job.give_up(why)
                continue
            if line is None or line.free() < 1 or line.pace.wait(now) > 0:
                self._wake_later((job.line,) if job.line else self._lines, now)
                return
            self._write(job, line, now)

    def _hopeless(self, job: Job, line: Session | None, now: float) -> Rejected | NotTransmitted | None:
        if not self._lines:
            return self._why
        if line is not None and line.ended.done():
            return NotTransmitted("the connection was lost")
        return NotTransmitted("a segment of it was lost") if job.spoilt() else job.late(now)

    def _best(self, now: float) -> Session | None:
        """The line with the most room among those whose pace allows one more."""
        ready = [line for line in self._lines if line.free() > 0 and line.pace.wait(now) == 0]
        return max(ready, key=Session.free, default=None)

    def _write(self, job: Job, line: Session, now: float) -> None:
        place, job.line = job.written, line
        job.written += 1
        if job.written == len(job.segments):
            self._queue.popleft()
        line.submit(self._body(job, job.segments[place], now), partial(job.answered, place))

    def _body(self, job: Job, segment: Content, now: float) -> bytes:
        seconds = int(job.worthless_at - now)
        if self._settings.validity == RELATIVE:
            validity = smpp.relative_time(seconds)
        else:
            validity = smpp.absolute_time(clock.now() + timedelta(seconds=seconds))
        return smpp.submit(
            self._settings.service_type,
            self._sender,
            job.to,
            udh=segment.joined,
            validity=validity,
            coding=segment.coding,
            content=segment.content,
        )

    def _wake_later(self, lines: tuple[Session, ...], now: float) -> None:
        """Answers wake us by themselves; the pace does not."""
        waits = [line.pace.wait(now) for line in lines if line.free() > 0]
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(min(waits), self._pump) if waits else None

    def _fail_all(self, why: NotTransmitted) -> None:
        while self._queue:
            self._queue.popleft().give_up(why)

    # Receipts -----------------------------------------------------------------------------------------------------

    def _delivered(self, delivered: smpp.Delivery, stored: Callable[[bool], None]) -> None:
        if not smpp_receipt.is_receipt(delivered):
            stored(True)  # a person's answer: nobody reads it, and the SMSC would repeat it for days
            return
        told = smpp_receipt.read(delivered, self._settings.forms)
        if not told.reference:
            note.warning("%s: a receipt that names no message", self._name)
            stored(True)
            return
        receipt = Receipt(self._name, told.reference, told.state, told.code, smpp_receipt.number(delivered))
        self._receipts.put((receipt, stored))

    def _store(self) -> None:
        """The sink's thread."""
        while (asked := self._receipts.get()) is not None:
            receipt, stored = asked
            try:
                self._sink(receipt).add_done_callback(partial(self._stored, stored))
            except Exception:
                note.exception("%s: a receipt could not be stored", self._name)
                self._tell(stored, False)

    def _stored(self, stored: Callable[[bool], None], future: Future[None]) -> None:
        well = not future.cancelled() and future.exception() is None
        if not well:
            note.warning("%s: a receipt could not be stored; the SMSC will repeat it", self._name)
        self._tell(stored, well)

    def _tell(self, stored: Callable[[bool], None], well: bool) -> None:
        with suppress(RuntimeError):  # the loop has ended: the SMSC got no answer and will repeat
            self._loop.call_soon_threadsafe(stored, well)
