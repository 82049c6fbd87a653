"""E-mail by SMTP, over a few connections that are kept.

A kept connection may die at any time. Before the final dot of a message that costs one try on a new connection, which
nobody notices; after it the message may have arrived, and the answer is OutcomeUnknown as ever."""

import threading
import time
from dataclasses import replace
from datetime import timedelta

from massar.domain.delivery import provider as contract
from massar.domain.delivery import return_path
from massar.domain.delivery.provider import NotTransmitted, OutboundMessage, OutcomeUnknown, Rejected, Result
from massar.providers.connect import TOO_LONG, describe, tls_context
from massar.providers.oauth_token import TokenSource
from massar.providers.smtp.connection import Envelope, SmtpConnection
from massar.providers.smtp.mime import build_mime, mail_address
from massar.providers.smtp.settings import SmtpSettings


class SmtpProvider(contract.Provider):
    """At most `settings.connections` conversations at once; further senders wait for one to be free."""

    channel = contract.EMAIL

    def __init__(self, settings: SmtpSettings, *, name: str = ""):
        self.name = name or f"smtp-{settings.host}"
        options = settings.options(self.name)
        self.longest, self.settings = options.longest, settings
        self._tokens = TokenSource(settings.auth, options) if settings.auth.kind == "oauth2" else None
        self._tls = tls_context(settings.ca_file)
        self._free = threading.Semaphore(settings.connections)
        self._kept: list[SmtpConnection] = []
        self._open = True

    def send(self, message: OutboundMessage, *, valid_for: timedelta) -> Result:
        settings, recipient = self.settings, mail_address(message.to)
        if recipient is None:
            return Rejected("address can't be written to", permanent=True)
        sender = settings.sender
        if settings.bounces:
            sender = return_path.address(message.message_id, message.to, settings.bounces)
        content = build_mime(message, recipient, settings.sender, settings.sender_name)
        envelope = Envelope(message.message_id, sender, recipient, content, valid_for, settings.receipts)
        ends = time.monotonic() + settings.total_timeout
        if not self._free.acquire(timeout=settings.total_timeout):
            return Rejected("all connections are busy", permanent=False, busy=True)
        try:
            return self._deliver(envelope, ends)
        finally:
            self._free.release()

    def check(self) -> list[str]:
        where = "Mail server {}:{}".format(*self.settings.place)
        connection = self._connect()
        if isinstance(connection, NotTransmitted):
            return [f"{where} can't be reached: {connection.why}."]
        problem = connection.ready(time.monotonic() + self.settings.total_timeout)
        connection.close()
        match problem:
            case Rejected(code=code):
                return [f"{where} refuses us: {code}."]
            case NotTransmitted(why=why):
                return [f"{where} can't be used: {why}."]
        return []

    def close(self) -> None:
        """Say goodbye on every connection that rests. One in use is closed by its sender."""
        self._open = False
        while connection := self._take():
            connection.close()

    def _deliver(self, envelope: Envelope, ends: float) -> Result:
        connection = self._take()
        if connection is not None:
            result = self._attempt(connection, envelope, ends)
            if not isinstance(result, NotTransmitted):
                return result
        began = time.monotonic()
        opened = self._connect()
        if isinstance(opened, NotTransmitted):
            return opened
        return self._attempt(opened, envelope, ends + time.monotonic() - began)

    def _attempt(self, connection: SmtpConnection, envelope: Envelope, ends: float) -> Result:
        result = connection.ready(ends) or connection.deliver(envelope)
        if connection.kept and self._open:
            self._kept.append(connection)
        else:
            connection.close()
        if isinstance(result, NotTransmitted | OutcomeUnknown) and time.monotonic() >= ends:
            return replace(result, why=TOO_LONG)
        return result

    def _take(self) -> SmtpConnection | None:
        """The connection that was used last: the others may rest and be closed by the server."""
        try:
            return self._kept.pop()
        except IndexError:
            return None

    def _connect(self) -> SmtpConnection | NotTransmitted:
        try:
            return SmtpConnection(self.settings, self._tokens, self._tls)
        except OSError as problem:
            return NotTransmitted(describe(problem))
