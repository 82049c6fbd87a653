"""What runs behind an SMPP provider: the loop's thread, its sessions, the queue of messages, the sink's thread."""

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
from massar.domain.delivery import provider as contract
from massar.domain.delivery.provider import Accepted, NotTransmitted, OutcomeUnknown, Receipt, Rejected, Result
from massar.providers.connect import describe
from massar.providers.smpp import pdu as smpp
from massar.providers.smpp import receipt as smpp_receipt
from massar.providers.smpp.session import NoBind, Session, connect
from massar.providers.smpp.settings import RELATIVE, SmppSettings

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


class Submission:
    """One message on its way. Times are of `time.monotonic`, which is the clock of asyncio's loops too."""

    def __init__(self, to: smpp.Address, segments: list[smpp.Content], *, valid_for: timedelta, patience: float):
        self.future: Future[Result] = Future()
        self.future.set_running_or_notify_cancel()  # from here on nobody can take it back
        self.to, self.segments = to, segments
        now = time.monotonic()
        self.leave_by, self.worthless_at = now + patience, now + valid_for.total_seconds()
        self.written = 0
        self.session: Session | None = None  # all segments leave by one
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
        self, name: str, settings: SmppSettings, tls: ssl.SSLContext | None, slots: BindSlots | None,
        sink: contract.ReceiptSink,
    ):  # fmt: skip
        self._name, self._settings, self._tls, self._slots, self._sink = name, settings, tls, slots, sink
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"{name} loop", daemon=True)
        self._storing = threading.Thread(target=self._store, name=f"{name} receipts", daemon=True)
        self._receipts: SimpleQueue[tuple[Receipt, Callable[[bool], None]] | None] = SimpleQueue()
        self._queue: deque[Submission] = deque()
        self._lock = threading.Lock()
        self._closed = self._awake = False
        self._stopping = asyncio.Event()
        self._sessions: list[Session] = []  # all that are bound
        self._senders: tuple[Session, ...] = ()  # those that send
        self._held: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._why: Rejected | NotTransmitted = NO_CONNECTION
        self._source = settings.sender

    # From any thread ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._storing.start()
        self._thread.start()

    def put(self, submission: Submission) -> None:
        with self._lock:
            if self._closed:
                submission.give_up(CLOSED)
                return
            self._queue.append(submission)
            if not self._awake:
                self._awake = True
                self._loop.call_soon_threadsafe(self._pump)

    def room(self) -> int:
        """What the windows have room for and the rate lets go within a second, without what waits already."""
        free = sum(min(session.free(), max(1, int(session.pace.rate))) for session in self._senders)
        return max(0, free - len(self._queue))

    def standby(self) -> bool:
        """Nothing to send through, and nobody's fault: others hold the binds, or the first connect is not over."""
        return not self._senders and self._why in (NO_CONNECTION, TAKEN)

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
        binds = [(n, command) for n in range(self._settings.binds) for command in self._settings.commands]
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
            await asyncio.sleep(self._settings.tick)
            now = time.monotonic()
            for submission, why in [(one, one.late(now)) for one in self._queue]:
                if why:
                    self._queue.remove(submission)
                    submission.give_up(why)
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
        self._sessions.append(session)
        self._senders = tuple(one for one in self._sessions if one.sends)
        why = await asyncio.shield(session.ended)
        self._sessions.remove(session)
        self._senders = tuple(one for one in self._sessions if one.sends)
        self._why = NotTransmitted(f"the connection was lost: {why}")
        note.warning("%s: %s", self._name, self._why.why)
        self._pump()

    # The queue ----------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Write what has its turn."""
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
        self, submission: Submission, session: Session | None, now: float
    ) -> Rejected | NotTransmitted | None:
        if not self._senders:
            return self._why
        if session is not None and session.ended.done():
            return NotTransmitted("the connection was lost")
        return NotTransmitted("a segment of it was lost") if submission.spoilt() else submission.late(now)

    def _best(self, now: float) -> Session | None:
        """The session with the most room among those whose pace allows one more."""
        ready = [session for session in self._senders if session.free() > 0 and session.pace.wait(now) == 0]
        return max(ready, key=Session.free, default=None)

    def _write(self, submission: Submission, session: Session, now: float) -> None:
        """The next segment, by that session."""
        place, submission.session = submission.written, session
        submission.written += 1
        if submission.written == len(submission.segments):
            self._queue.popleft()
        seconds = int(submission.worthless_at - now)
        if self._settings.validity == RELATIVE:
            validity = smpp.relative_time(seconds)
        else:
            validity = smpp.absolute_time(clock.now() + timedelta(seconds=seconds))
        service, segment = self._settings.service_type, submission.segments[place]
        body = smpp.submit(service, self._source, submission.to, validity, segment)
        session.submit(body, partial(submission.answered, place))

    def _fail_all(self, why: NotTransmitted) -> None:
        while self._queue:
            self._queue.popleft().give_up(why)

    # Receipts -----------------------------------------------------------------------------------------------------

    def _delivered(self, delivered: smpp.Delivery, stored: Callable[[bool], None]) -> None:
        if not smpp_receipt.is_receipt(delivered):
            stored(True)  # a person's answer: nobody reads it, and the SMSC would repeat it for days
            return
        receipt = smpp_receipt.read(delivered, self._settings.forms, provider=self._name)
        if receipt.reference:
            self._receipts.put((receipt, stored))
        else:
            note.warning("%s: a receipt that names no message", self._name)
            stored(True)

    def _store(self) -> None:
        """The sink's thread."""
        while (asked := self._receipts.get()) is not None:
            receipt, stored = asked
            try:
                self._sink(receipt).add_done_callback(partial(self._stored, stored))
            except Exception:
                note.exception("%s: a receipt could not be stored", self._name)
                self._answer(stored, False)

    def _stored(self, stored: Callable[[bool], None], future: Future[None]) -> None:
        well = not future.cancelled() and future.exception() is None
        if not well:
            note.warning("%s: a receipt could not be stored; the SMSC will repeat it", self._name)
        self._answer(stored, well)

    def _answer(self, stored: Callable[[bool], None], well: bool) -> None:
        with suppress(RuntimeError):  # the loop has ended: the SMSC got no answer and will repeat
            self._loop.call_soon_threadsafe(stored, well)
