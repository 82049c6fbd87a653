"""SMS by SMPP 3.4: standing sessions with an operator's SMSC, many messages under way at once, receipts.

One thread holds an event loop with all sessions of the provider; `submit` may be called from any other. A second thread
speaks to the sink of receipts, so that a slow database never keeps the loop from answering the SMSC."""

import asyncio
import logging
import re
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
from massar.core.loopback import is_loopback
from massar.domain.delivery import provider as contract
from massar.domain.delivery.provider import NotTransmitted, OutboundMessage, Receipt, Rejected, Result
from massar.providers.connect import describe, tls_context
from massar.providers.smpp import pdu as smpp
from massar.providers.smpp import receipt as smpp_receipt
from massar.providers.smpp.session import TOO_LATE, NoBind, SmppSession, Submission, connect
from massar.providers.smpp.settings import OFF, RELATIVE, SmppSettings

note = logging.getLogger("massar.smpp")
STEADY = 60.0  # a connection that lived so many seconds was a good one
TAKEN = NotTransmitted("all binds of the contract are taken")
UNREADABLE_SLOTS = NotTransmitted("the slots of its binds can't be asked")
SLOT_PAUSE = 5  # first pauses of a reconnect, until a taken bind is asked for again
NO_CONNECTION = NotTransmitted("no connection to the SMSC yet")
CLOSED = NotTransmitted("the provider is closed")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")  # E.164


class BindSlots(Protocol):
    """The binds of a contract, shared by all processes that use it. Called from threads, may wait for a database."""

    def try_take(self, n: int) -> bool:
        """Whether this process may hold bind `n` (from 0). Asked before every connect, so also for one it holds."""

    def release(self, n: int) -> None:
        """This process holds bind `n` no more."""


class SmppProvider(contract.Pipelined):
    """A Pipelined provider for one contract. Its threads run from `open` to `close`; it is opened once. Callbacks of
    the futures run in the loop's thread: they must not wait."""

    channel = contract.SMS

    def __init__(self, settings: SmppSettings, *, name: str = "", slots: BindSlots | None = None):
        self.name, self.longest, self.settings = name or f"smpp-{settings.host}", settings.longest, settings
        self._slots, self._source = slots, settings.sender
        self._tls = None if settings.tls == OFF else tls_context(settings.ca_file)
        self._threads: tuple[threading.Thread, ...] = ()
        self._receipts: SimpleQueue[tuple[Receipt, Callable[[bool], None]] | None] = SimpleQueue()
        self._queue: deque[Submission] = deque()
        self._lock = threading.Lock()
        self._closed = self._awake = False
        self._stopping = asyncio.Event()
        self._sessions: list[SmppSession] = []  # all that are bound
        self._senders: tuple[SmppSession, ...] = ()  # those that send
        self._held: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._why: Rejected | NotTransmitted = NO_CONNECTION

    # From any thread
    def open(self, receipts: contract.ReceiptSink) -> None:
        if self._threads:
            raise RuntimeError("a provider is opened once")
        if self._tls is None and not is_loopback(self.settings.host):
            note.warning("%s: tls is off, messages leave this machine in the clear", self.name)
        self._loop, self._sink = asyncio.new_event_loop(), receipts
        running = threading.Thread(target=self._run, name=f"{self.name} loop", daemon=True)
        storing = threading.Thread(target=self._store, name=f"{self.name} receipts", daemon=True)
        self._threads = (running, storing)
        storing.start()
        running.start()

    def submit(self, message: OutboundMessage, *, valid_for: timedelta) -> "Future[Result]":
        settings = self.settings
        if valid_for < timedelta(seconds=1):
            return _done(TOO_LATE)
        if not _NUMBER.fullmatch(message.to):
            return _done(Rejected("number can't be written to", permanent=True))
        try:
            segments = smpp.contents(message.text, message.message_id)
        except ValueError as problem:
            return _done(Rejected(str(problem), permanent=True))
        if not self._threads:
            return _done(NotTransmitted("the provider is not open"))
        to = smpp.Address(settings.to_ton, settings.to_npi, message.to[1:])
        submission = Submission(to, segments, valid_for=valid_for, patience=settings.answer_timeout)
        with self._lock:
            if self._closed:
                return _done(CLOSED)
            self._queue.append(submission)
            if not self._awake:
                self._awake = True
                self._loop.call_soon_threadsafe(self._pump)
        return submission.future

    def room(self) -> int:
        """What the windows have room for and the rate lets go within a second, without what waits already."""
        free = sum(min(session.free(), max(1, int(session.pace.rate))) for session in self._senders)
        return max(0, free - len(self._queue))

    def standby(self) -> bool:
        """Nothing to send through, and nobody's fault: others hold the binds, or the first connect is not over."""
        return not self._senders and self._why in (NO_CONNECTION, TAKEN)

    def close(self) -> None:
        """Both threads have ended then, unless they need longer than `longest`: receipts that came in are stored."""
        until = time.monotonic() + self.longest.total_seconds()
        with self._lock:
            if self._closed or not self._threads:
                return
            self._closed = True
            self._loop.call_soon_threadsafe(self._stopping.set)
        for thread in self._threads:
            thread.join(max(0, until - time.monotonic()))

    def check(self) -> list[str]:
        """Binds and says goodbye, with each kind of bind that is set. A provider that is bound already is healthy. The
        bind is one of the contract's: where workers hold them all, it is left to them (`left_alone` says so)."""
        self.left_alone = ""
        if self._sessions:
            return []
        free = (n for n in range(self.settings.binds) if not self._slots or self._slots.try_take(n))
        try:
            slot = next(free, None)
        except Exception as problem:
            return [f"The slots of its binds can't be asked: {describe(problem)}."]
        if slot is None:
            told = "not tried: the workers that run hold all its binds. What they meet stands in `massar messages`."
            self.left_alone = told
            return []
        try:
            return asyncio.run(self._checked())
        finally:
            if self._slots:
                self._slots.release(slot)

    async def _checked(self) -> list[str]:
        where = "SMSC {}:{}".format(*self.settings.place)
        for command in self.settings.commands:
            try:  # a receipt that comes meanwhile is left for who can store it
                session = await connect(
                    self.settings, command, self._tls, deliver=lambda _, stored: stored(False), freed=lambda: None
                )
            except NoBind as problem:
                if isinstance(problem.result, Rejected):
                    return [f"{where} refuses us: {problem.result.code}."]
                return [f"{where} can't be reached: {problem.result.why}."]
            await session.goodbye()
        return []

    # The loop's thread
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
        binds = [(n, command) for n in range(self.settings.binds) for command in self.settings.commands]
        tasks = [asyncio.create_task(self._keep(n, command)) for n, command in binds]
        tasks.append(asyncio.create_task(self._watch()))
        await self._stopping.wait()
        for task in tasks:
            task.cancel()
        self._senders = ()
        self._fail_all(CLOSED)
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(session.goodbye() for session in self._sessions), return_exceptions=True)
        if self._slots:
            released = (asyncio.to_thread(self._slots.release, n) for n in self._held)
            await asyncio.gather(*released, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.settings.tick)
            now = time.monotonic()
            for submission, why in [(one, one.late(now)) for one in self._queue]:
                if why:
                    self._queue.remove(submission)
                    submission.give_up(why)
            self._pump()

    async def _keep(self, n: int, command: int) -> None:
        """Bind `n`: connect, stay, come back. The pauses grow from failure to failure, each one a little random."""
        pause = self.settings.reconnect_first
        while True:
            began = time.monotonic()
            if not await self._may_hold(n):
                await asyncio.sleep(ids.jitter(SLOT_PAUSE * self.settings.reconnect_first))
                continue
            await self._stay(command)
            if time.monotonic() - began > STEADY:
                pause = self.settings.reconnect_first
            await asyncio.sleep(ids.jitter(pause))
            pause = min(2 * pause, self.settings.reconnect_most)

    async def _may_hold(self, n: int) -> bool:
        if not self._slots:
            return True
        try:
            taken = await asyncio.to_thread(self._slots.try_take, n)
        except Exception:  # nobody else need hold a bind: messages go on by the next provider, and operators hear of it
            note.exception("%s: bind slots can't be asked", self.name)
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
            session = await connect(self.settings, command, self._tls, deliver=self._delivered, freed=self._pump)
        except NoBind as problem:
            self._why = problem.result
            note.warning("%s: no bind: %s", self.name, problem)
            return
        except Exception as problem:  # a bind that nobody tries again would be found by the first silent night
            self._why = NotTransmitted(describe(problem))
            note.exception("%s: no bind", self.name)
            return
        note.info("%s: bound", self.name)
        self._sessions.append(session)
        self._senders = tuple(one for one in self._sessions if one.sends)
        why = await asyncio.shield(session.ended)
        self._sessions.remove(session)
        self._senders = tuple(one for one in self._sessions if one.sends)
        self._why = NotTransmitted(f"the connection was lost: {why}")
        note.warning("%s: %s", self.name, self._why.why)
        self._pump()

    def _pump(self) -> None:
        self._awake = False  # first: what is put from now on wakes us again
        now = time.monotonic()
        while self._queue:
            submission = self._queue[0]
            session = submission.session or self._best(now)
            why = self._hopeless(submission, session, now)
            if why:
                self._queue.popleft()
                submission.give_up(why)
                continue
            if session is None or session.free() < 1 or session.pace.wait(now) > 0:
                # Answers wake us by themselves; the pace does not.
                waiting = (submission.session,) if submission.session else self._senders
                waits = [one.pace.wait(now) for one in waiting if one.free() > 0]
                if self._timer:
                    self._timer.cancel()
                self._timer = self._loop.call_later(min(waits), self._pump) if waits else None
                return
            self._write(submission, session, now)

    def _hopeless(
        self, waiting: Submission, session: SmppSession | None, now: float
    ) -> Rejected | NotTransmitted | None:
        if not self._senders:
            return self._why
        if session is not None and session.ended.done():
            return NotTransmitted("the connection was lost")
        return NotTransmitted("a segment of it was lost") if waiting.spoilt() else waiting.late(now)

    def _best(self, now: float) -> SmppSession | None:
        """The session with the most room among those whose pace allows one more."""
        ready = [session for session in self._senders if session.free() > 0 and session.pace.wait(now) == 0]
        return max(ready, key=SmppSession.free, default=None)

    def _write(self, submission: Submission, session: SmppSession, now: float) -> None:
        place, submission.session = submission.written, session
        submission.written += 1
        if submission.written == len(submission.segments):
            self._queue.popleft()
        seconds = int(submission.worthless_at - now)
        if self.settings.validity == RELATIVE:
            validity = smpp.relative_time(seconds)
        else:
            validity = smpp.absolute_time(clock.now() + timedelta(seconds=seconds))
        service, segment = self.settings.service_type, submission.segments[place]
        body = smpp.submit(service, self._source, submission.to, validity, segment)
        session.submit(body, partial(submission.answered, place))

    def _fail_all(self, why: NotTransmitted) -> None:
        while self._queue:
            self._queue.popleft().give_up(why)

    def _delivered(self, delivered: smpp.Delivery, stored: Callable[[bool], None]) -> None:
        if not smpp_receipt.is_receipt(delivered):
            stored(True)  # a person's answer: nobody reads it, and the SMSC would repeat it for days
            return
        receipt = smpp_receipt.read(delivered, self.settings.forms, provider=self.name)
        if receipt.reference:
            self._receipts.put((receipt, stored))
        else:
            note.warning("%s: a receipt that names no message", self.name)
            stored(True)

    def _store(self) -> None:
        """The sink's thread."""
        while (asked := self._receipts.get()) is not None:
            receipt, stored = asked
            try:
                self._sink(receipt).add_done_callback(partial(self._stored, stored))
            except Exception:
                note.exception("%s: a receipt could not be stored", self.name)
                self._answer(stored, False)

    def _stored(self, stored: Callable[[bool], None], future: Future[None]) -> None:
        well = not future.cancelled() and future.exception() is None
        if not well:
            note.warning("%s: a receipt could not be stored; the SMSC will repeat it", self.name)
        self._answer(stored, well)

    def _answer(self, stored: Callable[[bool], None], well: bool) -> None:
        with suppress(RuntimeError):  # the loop has ended: the SMSC got no answer and will repeat
            self._loop.call_soon_threadsafe(stored, well)


def _done(result: Result) -> "Future[Result]":
    future: Future[Result] = Future()
    future.set_result(result)
    return future
