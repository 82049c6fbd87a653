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
    ProviderOptions,
    ProviderSettingError,
    Rejected,
    Result,
    tls_context,
    trouble,
)
from massar.providers.connect import curfew, dial
from massar.providers.smtp.connection import PLAIN, Line, Parcel, SmtpServer
from massar.providers.smtp.mime import compose, is_address, mail_address

TOO_LONG = "the conversation took too long"


class SmtpProvider:
    """At most `options.connections` conversations at once; further senders wait for one to be free."""

    channel = EMAIL

    def __init__(self, server: SmtpServer, options: ProviderOptions):
        _judge(server, options)
        self.name = options.name or f"smtp-{server.host}"
        self.longest = options.longest
        self._server = server
        self._options = options
        self._tls = None if server.security == PLAIN else tls_context(options.ca_file)
        self._hello = options.hello or _own_name()
        self._free = threading.Semaphore(options.connections)
        self._kept: list[Line] = []
        self._open = True

    def __repr__(self):
        return f"<SmtpProvider {self.name}>"

    def send(self, message: OutboundMessage, *, valid_for: timedelta) -> Result:
        recipient = mail_address(message.to)
        if recipient is None:
            return Rejected("address can't be written to", permanent=True)
        parcel = self._packed(message, recipient, valid_for)
        ends = time.monotonic() + self._options.total_timeout
        if not self._free.acquire(timeout=self._options.total_timeout):
            return Rejected("all connections are busy", permanent=False, busy=True)
        try:
            return self._deliver(parcel, ends)
        finally:
            self._free.release()

    def check(self) -> list[str]:
        where = f"Mail server {self._server.host}:{self._server.port}"
        line = self._dialled()
        if isinstance(line, NotTransmitted):
            return [f"{where} can't be reached: {line.why}."]
        with curfew(line.wire, self._options.total_timeout):
            problem = line.ready(time.monotonic() + self._options.total_timeout)
            line.close()
        if isinstance(problem, Rejected):
            return [f"{where} refuses us: {problem.code}."]
        return [f"{where} can't be used: {problem.why}."] if problem else []

    def close(self) -> None:
        """Say goodbye on every connection that rests. One in use is closed by its sender."""
        self._open = False
        while line := self._rested():
            line.close()

    def _packed(self, message: OutboundMessage, recipient: str, valid_for: timedelta) -> Parcel:
        options = self._options
        sender = options.sender
        if options.bounces:
            sender = return_path.address(message.message_id, message.to, options.bounces)
        letter = compose(message, recipient, options)
        return Parcel(message.message_id, sender, recipient, letter, valid_for, options.receipts)

    def _deliver(self, parcel: Parcel, ends: float) -> Result:
        line = self._rested()
        if line is not None:
            result = self._attempt(line, parcel, ends)
            if not isinstance(result, NotTransmitted):
                return result
        dialling = time.monotonic()
        line = self._dialled()
        if isinstance(line, NotTransmitted):
            return line
        return self._attempt(line, parcel, ends + time.monotonic() - dialling)

    def _attempt(self, line: Line, parcel: Parcel, ends: float) -> Result:
        """One try over that connection, which is kept or closed in the end."""
        with curfew(line.wire, max(0.0, ends - time.monotonic())) as bell:
            result = line.ready(ends) or line.deliver(parcel)
            if bell.over or not line.kept or not self._open:
                line.close()
            else:
                self._kept.append(line)
        if bell.over and isinstance(result, NotTransmitted | OutcomeUnknown):
            return replace(result, why=TOO_LONG)
        return result

    def _rested(self) -> Line | None:
        """The connection that was used last: the others may rest and be closed by the server."""
        try:
            return self._kept.pop()
        except IndexError:
            return None

    def _dialled(self) -> Line | NotTransmitted:
        server = self._server
        try:
            wire = dial(server.host, server.port, self._options.connect_timeout)
        except OSError as problem:
            return NotTransmitted(trouble(problem))
        return Line(wire, server, self._options, tls=self._tls, hello=self._hello)


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
