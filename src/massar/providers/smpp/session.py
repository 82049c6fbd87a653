"""One SMPP connection: bound, watched, and answered for whatever the other end sends. Lives in one event loop.

Nothing here waits: requests are written with what is to be done with their answer, and a tick looks at deadlines."""

import asyncio
import itertools
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from functools import partial

from massar.domain.delivery.provider import Accepted, NotTransmitted, OutcomeUnknown, Rejected, Result
from massar.providers.connect import connect as open_socket
from massar.providers.connect import describe
from massar.providers.smpp import pdu as smpp
from massar.providers.smpp.settings import SmppSettings

note = logging.getLogger("massar.smpp")
MOST_RECEIPTS = 1_000  # unanswered at once; past it the SMSC is told to come again
RECOVERY = 0.1  # of the full rate, per second
SLOWEST = 1 / 32  # of the full rate
NO_ANSWER = "no answer in time"
NOT_IN_TIME = NotTransmitted("its turn did not come in time")
TOO_LATE = NotTransmitted("too late")

# What becomes of an answer: the PDU, or why there is none.
Answer = smpp.Pdu | str
# Takes a deliver_sm and says later whether it is stored.
Deliver = Callable[[smpp.Delivery, Callable[[bool], None]], None]


class NoBind(Exception):
    """The connection did not come to be bound; `result` is what a message gets meanwhile."""

    def __init__(self, result: Rejected | NotTransmitted):
        super().__init__(result.why if isinstance(result, NotTransmitted) else result.code)
        self.result = result


class Pace:
    """A bucket of tokens: so many messages per second, half as many once the SMSC complains, then back again. `now` is
    always the loop's clock, in seconds. A tenth of a second's worth may leave at once."""

    def __init__(self, full: float, now: float):
        self._full = self.rate = full
        self._most = self._tokens = max(1.0, full / 10)
        self._at = self._slowed = now

    def wait(self, now: float) -> float:
        """Seconds until a message may leave: 0 for at once."""
        passed, self._at = now - self._at, now
        self.rate = min(self._full, self.rate + RECOVERY * self._full * passed)
        self._tokens = min(self._most, self._tokens + self.rate * passed)
        lacking = 1 - self._tokens
        return lacking / self.rate if lacking > 1e-9 else 0.0  # less is the rounding of sums

    def take(self) -> None:
        self._tokens -= 1

    def slow(self, now: float, written: float) -> None:
        """The SMSC found a message of `written` too much. What was on its way when we slowed tells nothing new."""
        if written > self._slowed:
            self.wait(now)
            self.rate = max(self.rate / 2, self._full * SLOWEST)
            self._tokens, self._slowed = min(self._tokens, 0.0), now


class SmppSession(asyncio.Protocol):
    """`command` is the bind that it asks for. `freed` is called when there is room again or none any more."""

    def __init__(self, settings: SmppSettings, command: int, *, deliver: Deliver, freed: Callable[[], None]):
        self._settings, self._command = settings, command
        self._deliver, self._freed = deliver, freed
        self._loop = asyncio.get_running_loop()
        self._splitter = smpp.Splitter()
        self._sequences = itertools.count()
        # Of ours, without an answer yet: command, deadline, what is done with the answer.
        self._requests: dict[int, tuple[int, float, Callable[[Answer], None]]] = {}
        self._deliveries: dict[int, tuple[smpp.Pdu, float]] = {}  # that we have to answer, with their deadlines
        self._tokens = itertools.count()
        self._out: list[bytes] = []
        self._under_way = 0
        self._heard = self._loop.time()
        self._probing = self._leaving = self._choked = False
        self._idle: asyncio.Event | None = None
        self._ended_why = ""
        self.bound = False
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self.pace = Pace(settings.rate_of_a_bind, self._heard)

    @property
    def sends(self) -> bool:
        return self._command != smpp.BIND_RECEIVER

    async def bind(self) -> None:
        """Raises NoBind."""
        settings = self._settings
        answered: asyncio.Future[Answer] = self._loop.create_future()
        body = smpp.bind(settings.system_id, settings.password, settings.system_type)

        def at_once(answer: Answer) -> None:  # and not in the coroutine: a deliver_sm may stand in the same packet
            good = (self._command | smpp.RESPONSE, smpp.OK)
            self.bound = isinstance(answer, smpp.Pdu) and (answer.command, answer.status) == good
            if not answered.done():
                answered.set_result(answer)

        self._ask(self._command, body, at_once)
        answer = await answered
        if self.bound:
            return
        if isinstance(answer, str):
            raise NoBind(NotTransmitted(answer))
        refused = smpp.refusal(answer.status or smpp.BAD_COMMAND)
        if refused.configuration_error or refused.permanent:
            raise NoBind(Rejected(f"{refused.code} at bind", permanent=False, configuration_error=True))
        raise NoBind(NotTransmitted(f"bind was refused ({refused.code})"))

    async def goodbye(self) -> None:
        """Answer what is under way, unbind, disconnect. At most 1.5 times the answer timeout."""
        self._leaving = True
        if self.bound and not self.ended.done():
            self._idle = asyncio.Event()
            self._look_idle()
            await _at_most(self._settings.answer_timeout, self._idle.wait())
            gone = asyncio.Event()
            self._ask(smpp.UNBIND, b"", lambda answer: gone.set())
            await _at_most(self._settings.answer_timeout / 4, gone.wait())
        self._close()
        await _at_most(self._settings.answer_timeout / 4, asyncio.shield(self.ended))
        self._transport.abort()
        await self.ended

    def free(self) -> int:
        """How many more submit_sm the window has room for."""
        usable = self.bound and not (self._leaving or self._choked or self._probing or self.ended.done())
        return self._settings.window - self._under_way if usable else 0

    def submit(self, body: bytes, done: Callable[[Result], None]) -> None:
        """Write a submit_sm. `done` gets Accepted, Rejected or OutcomeUnknown, once."""
        self.pace.take()
        self._under_way += 1
        self._ask(smpp.SUBMIT_SM, body, partial(self._submitted, self._loop.time(), done))

    def _submitted(self, written: float, done: Callable[[Result], None], answer: Answer) -> None:
        self._under_way -= 1
        if isinstance(answer, str):
            result: Result = OutcomeUnknown(answer)
        elif answer.command == smpp.GENERIC_NACK or answer.status != smpp.OK:
            result = refused = smpp.refusal(answer.status or smpp.BAD_COMMAND)
            if refused.busy:
                self.pace.slow(self._loop.time(), written)
        else:
            reference = self._settings.forms.of_answer(smpp.message_id(answer.body))
            result = Accepted(reference, receipt=bool(reference))
        if answer is NO_ANSWER and not self._probing:
            self._probe()  # is the SMSC slow, or is nobody there?
        done(result)
        self._look_idle()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self._ticking = self._loop.call_later(self._settings.tick, self._tick)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        try:
            for pdu in self._splitter.feed(data):
                self._take(pdu)
        except smpp.BadPdu as problem:
            self._send(smpp.Pdu(smpp.GENERIC_NACK, smpp.BAD_LENGTH, 0))
            self.cut(f"the SMSC sent {problem}")
        self._freed()

    def pause_writing(self) -> None:
        """The other end does not read: nothing more is read from it either, or answers would pile up."""
        self._choked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._choked = False
        if not self._transport.is_closing():
            self._transport.resume_reading()
        self._freed()

    def connection_lost(self, problem: Exception | None) -> None:
        self._ticking.cancel()
        why = self._ended_why or (describe(problem) if problem else "the SMSC hung up")
        if not self.ended.done():
            self.ended.set_result(why)
        asked, self._requests = self._requests, {}
        self._deliveries.clear()
        for _, _, done in asked.values():
            done(why)
        self._look_idle()
        self._freed()

    def _take(self, pdu: smpp.Pdu) -> None:
        if pdu.command & smpp.RESPONSE:
            command, _, done = self._requests.get(pdu.sequence, (None, 0.0, None))
            if command is not None and done and pdu.command in (command | smpp.RESPONSE, smpp.GENERIC_NACK):
                del self._requests[pdu.sequence]
                done(pdu)
        elif pdu.command == smpp.ENQUIRE_LINK:
            self._respond(pdu, smpp.OK)
        elif pdu.command in (smpp.DELIVER_SM, smpp.DATA_SM) and self.bound:
            self._delivered(pdu)
        elif pdu.command == smpp.UNBIND:
            self._respond(pdu, smpp.OK)
            self._ended_why = "the SMSC said goodbye"
            self._close()
        elif pdu.command not in smpp.UNANSWERED:
            self._send(smpp.Pdu(smpp.GENERIC_NACK, smpp.BAD_COMMAND, pdu.sequence))

    def _delivered(self, pdu: smpp.Pdu) -> None:
        try:
            delivered = smpp.delivery(pdu)
        except smpp.BadPdu as problem:
            note.warning("a deliver_sm could not be read: %s", problem)
            self._respond(pdu, smpp.NEVER)
            return
        if len(self._deliveries) >= MOST_RECEIPTS:
            self._respond(pdu, smpp.TRY_AGAIN)
            return
        token = next(self._tokens)
        self._deliveries[token] = (pdu, self._loop.time() + self._settings.answer_timeout)
        self._deliver(delivered, partial(self._stored, token))

    def _stored(self, token: int, well: bool) -> None:
        """Answers a deliver_sm, once: it was stored, or the SMSC shall come again."""
        pdu, _deadline = self._deliveries.pop(token, (None, 0.0))
        if pdu:
            self._respond(pdu, smpp.OK if well else smpp.TRY_AGAIN)
            self._look_idle()

    def _respond(self, pdu: smpp.Pdu, status: int) -> None:
        # §4.6.2: an id that means nothing.
        body = b"\0" if pdu.command in (smpp.DELIVER_SM, smpp.DATA_SM) else b""
        self._send(smpp.Pdu(pdu.command | smpp.RESPONSE, status, pdu.sequence, body))

    def _ask(self, command: int, body: bytes, done: Callable[[Answer], None]) -> None:
        if self.ended.done():
            done(self.ended.result())
            return
        sequence = next(self._sequences) % smpp.LAST_SEQUENCE + 1
        self._requests[sequence] = (command, self._loop.time() + self._settings.answer_timeout, done)
        self._send(smpp.Pdu(command, 0, sequence, body))

    def _send(self, pdu: smpp.Pdu) -> None:
        """What is written in one turn of the loop leaves in one piece."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(pdu.encoded())

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and not self._transport.is_closing():
            self._transport.write(b"".join(out))

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(self._settings.tick, self._tick)
        now = self._loop.time()
        # Both are in the order of their deadlines, for all have the same patience.
        while (first := next(iter(self._requests), None)) is not None and self._requests[first][1] <= now:
            self._requests.pop(first)[2](NO_ANSWER)
        while (token := next(iter(self._deliveries), None)) is not None and self._deliveries[token][1] <= now:
            self._stored(token, False)
        if self.bound and not self._probing and now - self._heard >= self._settings.enquire_after:
            self._probe()
        self._freed()

    def _probe(self) -> None:
        """enquire_link. Nothing is sent by this connection until it is answered; unanswered, it is cut."""

        def answered(answer: Answer) -> None:
            self._probing = False
            if isinstance(answer, str):
                self.cut("enquire_link was not answered")

        self._probing = True
        self._ask(smpp.ENQUIRE_LINK, b"", answered)

    def _look_idle(self) -> None:
        if self._idle and not self._under_way and not self._deliveries:
            self._idle.set()

    def _close(self) -> None:
        self._leaving = True
        self._flush()
        self._transport.close()

    def cut(self, why: str) -> None:
        self._ended_why = self._ended_why or why
        self._leaving = True
        self._flush()
        self._transport.abort()


async def connect(
    settings: SmppSettings, command: int, tls: ssl.SSLContext | None, *, deliver: Deliver, freed: Callable[[], None]
) -> SmppSession:
    """A bound session. Raises NoBind."""
    loop = asyncio.get_running_loop()
    host, port = settings.place
    try:
        opened = await asyncio.to_thread(open_socket, host, port, settings.connect_timeout)
        async with asyncio.timeout(settings.connect_timeout):
            _, session = await loop.create_connection(
                lambda: SmppSession(settings, command, deliver=deliver, freed=freed), sock=opened, ssl=tls,
                server_hostname=host if tls else None, ssl_shutdown_timeout=1.0 if tls else None,
            )  # fmt: skip
    except (OSError, ValueError) as problem:
        raise NoBind(NotTransmitted(describe(problem))) from problem
    try:
        await session.bind()
    except BaseException:
        session.cut("not bound")
        raise
    return session


async def _at_most(seconds: float, waited: Awaitable[object]) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(waited, seconds)


class Submission:
    """One message on its way: its segments, when it must leave, and what became of it. Times are of
    `time.monotonic`, which is the clock of asyncio's loops too."""

    def __init__(self, to: smpp.Address, segments: list[smpp.Content], *, valid_for: timedelta, patience: float):
        self.future: Future[Result] = Future()
        self.future.set_running_or_notify_cancel()  # from here on nobody can take it back
        self.to, self.segments = to, segments
        now = time.monotonic()
        self.leave_by, self.worthless_at = now + patience, now + valid_for.total_seconds()
        self.written = 0
        self.session: SmppSession | None = None  # all segments leave by one
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
