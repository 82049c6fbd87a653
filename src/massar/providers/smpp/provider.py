"""SMS by SMPP 3.4: standing connections to an operator's SMSC, many messages under way at once, receipts.

One thread holds an event loop with all connections of the provider; `submit` may be called from any other. A second
thread speaks to the sink of receipts, so that a slow database never keeps the loop from answering the SMSC.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from concurrent.futures import Future
from datetime import timedelta
from urllib.parse import SplitResult

from massar.core.loopback import is_loopback
from massar.domain.delivery import provider as contract
from massar.domain.delivery.provider import NotTransmitted, OutboundMessage, Rejected, Result
from massar.providers.connect import describe, tls_context
from massar.providers.smpp.engine import TOO_LATE, BindSlots, Engine, Submission
from massar.providers.smpp.pdu import Address, contents
from massar.providers.smpp.session import NoBind, connect
from massar.providers.smpp.settings import OFF, SmppSettings, read_table, read_url

note = logging.getLogger("massar.smpp")

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")  # E.164


class SmppProvider(contract.Pipelined):
    """A Pipelined provider for one contract. Its threads run from `open` to `close`; it is opened once.

    Callbacks of the futures run in the loop's thread: they must not wait.
    """

    channel = contract.SMS

    def __init__(self, settings: SmppSettings, *, name: str = "", slots: BindSlots | None = None):
        self.name = name or f"smpp-{settings.host}"
        self.longest = settings.longest
        self.settings, self._slots = settings, slots
        self._tls = None if settings.tls == OFF else tls_context(settings.ca_file)
        self._engine: Engine | None = None

    def open(self, receipts: contract.ReceiptSink) -> None:
        if self._engine:
            raise RuntimeError("a provider is opened once")
        if self._tls is None and not is_loopback(self.settings.host):
            note.warning("%s: tls is off, messages leave this machine in the clear", self.name)
        self._engine = Engine(self.name, self.settings, self._tls, self._slots, receipts)
        self._engine.start()

    def submit(self, message: OutboundMessage, *, valid_for: timedelta) -> "Future[Result]":
        settings = self.settings
        if valid_for < timedelta(seconds=1):
            return _done(TOO_LATE)
        if not _NUMBER.fullmatch(message.to):
            return _done(Rejected("number can't be written to", permanent=True))
        try:
            segments = contents(message.text, message.message_id)
        except ValueError as problem:
            return _done(Rejected(str(problem), permanent=True))
        if not self._engine:
            return _done(NotTransmitted("the provider is not open"))
        to = Address(settings.to_ton, settings.to_npi, message.to[1:])
        submission = Submission(to, segments, valid_for=valid_for, patience=settings.answer_timeout)
        self._engine.put(submission)
        return submission.future

    def room(self) -> int:
        return self._engine.room() if self._engine else 0

    def standby(self) -> bool:
        return self._engine is None or self._engine.standby()

    def close(self) -> None:
        if self._engine:
            self._engine.stop(self.longest.total_seconds())

    def check(self) -> list[str]:
        """Binds and says goodbye, with each kind of bind that is set. A provider that is bound already is healthy.

        The bind is one of the contract's: where workers hold them all, it is left to them (`left_alone` says so).
        """
        self.left_alone = ""
        if self._engine and self._engine.bound():
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


def _done(result: Result) -> "Future[Result]":
    future: Future[Result] = Future()
    future.set_result(result)
    return future


def from_table(
    table: Mapping[str, object], *, name: str, slots: BindSlots | None = None, environ: Mapping[str, str] | None = None
) -> SmppProvider:
    """Make the provider of one table. Raises ProviderSettingError, never with the password."""
    return SmppProvider(read_table(table, name=name, environ=environ), name=name, slots=slots)


def from_url(parts: SplitResult, options: contract.ProviderOptions, *, slots: BindSlots | None = None) -> SmppProvider:
    """Make the provider of a URL (see `read_url`). Raises ProviderSettingError."""
    return SmppProvider(read_url(parts, options), name=options.name, slots=slots)
