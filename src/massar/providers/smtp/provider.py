"""E-mail by SMTP, over a few connections that are kept.

A kept connection may die at any time. Before the final dot of a letter that costs one try on a new connection, which
nobody notices; after it the letter may have arrived, and the answer is OutcomeUnknown as ever.
"""

import socket
import threading
import time
from dataclasses import replace
from datetime import timedelta

from massar.core.loopback import is_loopback
from massar.domain.delivery import return_path
from massar.domain.delivery.provider import (
    EMAIL,
    NotTransmitted,
    OutboundMessage,
    OutcomeUnknown,
    Provider,
    ProviderOptions,
    ProviderSettingError,
    Rejected,
    Result,
)
from massar.providers.connect import TOO_LONG, describe, tls_context
from massar.providers.smtp.connection import PLAIN, Envelope, SmtpConnection, SmtpServer
from massar.providers.smtp.mime import build_mime, is_address, mail_address


class SmtpProvider(Provider):
    """At most `options.connections` conversations at once; further senders wait for one to be free."""

    channel = EMAIL

    def __init__(self, server: SmtpServer, options: ProviderOptions):
        _judge(server, options)
        self.name = options.name or f"smtp-{server.host}"
        self.longest = options.longest
        self._server = server
        self._options = options
        self._tls = tls_context(options.ca_file)
        self._hello = options.hello or _own_name()
        self._free = threading.Semaphore(options.connections)
        self._kept: list[SmtpConnection] = []
        self._open = True

    def send(self, message: OutboundMessage, *, valid_for: timedelta) -> Result:
        recipient = mail_address(message.to)
        if recipient is None:
            return Rejected("address can't be written to", permanent=True)
        envelope = self._pack(message, recipient, valid_for)
        ends = time.monotonic() + self._options.total_timeout
        if not self._free.acquire(timeout=self._options.total_timeout):
            return Rejected("all connections are busy", permanent=False, busy=True)
        try:
            return self._deliver(envelope, ends)
        finally:
            self._free.release()

    def check(self) -> list[str]:
        where = f"Mail server {self._server.host}:{self._server.port}"
        connection = self._connect()
        if isinstance(connection, NotTransmitted):
            return [f"{where} can't be reached: {connection.why}."]
        problem = connection.ready(time.monotonic() + self._options.total_timeout)
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

    def _pack(self, message: OutboundMessage, recipient: str, valid_for: timedelta) -> Envelope:
        options = self._options
        sender = options.sender
        if options.bounces:
            sender = return_path.address(message.message_id, message.to, options.bounces)
        content = build_mime(message, recipient, options)
        return Envelope(message.message_id, sender, recipient, content, valid_for, options.receipts)

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
        """Try once over that connection, and keep or close it in the end."""
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
            return SmtpConnection(self._server, self._options, tls=self._tls, hello=self._hello)
        except OSError as problem:
            return NotTransmitted(describe(problem))


def _judge(server: SmtpServer, options: ProviderOptions) -> None:
    if server.user and server.security == PLAIN and not is_loopback(server.host):
        raise ProviderSettingError(
            "A mail server's password or token may only be sent over TLS: use smtp+starttls:// or smtps://."
        )
    if not is_address(options.sender):
        raise ProviderSettingError("The sender of e-mail must be a bare address, as no-reply@example.ma.")
    if not 1 <= options.connections <= 50:
        raise ProviderSettingError("A mail server's connections must be a whole number from 1 to 50.")
    if options.bounces and not is_address(f"b@{options.bounces}"):
        raise ProviderSettingError("The domain for bounces must be a bare domain, as bounce.example.ma.")
    if options.receipts and not options.bounces:
        raise ProviderSettingError("Receipts by mail need a domain for bounces, where they arrive.")


def _own_name() -> str:
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"
