"""One connection to a mail server (RFC 5321), with STARTTLS (RFC 3207), TLS from the first byte (RFC 8314) or in the
clear, and the letters that go over it.

The steps are spelled out instead of `smtplib.sendmail`, because the one thing that matters after trouble is
whether the final dot had left us.
"""

import re
import select
import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from massar.domain.delivery.provider import (
    MESSAGE,
    NOTHING,
    RECIPIENT,
    Accepted,
    NotTransmitted,
    OutcomeUnknown,
    ProviderOptions,
    Rejected,
    Result,
)
from massar.providers.connect import TimedSocket, connect, describe
from massar.providers.oauth_token import TokenSource
from massar.providers.smtp.bearer import WAYS, initial_fits
from massar.providers.smtp.mime import one_line
from massar.providers.smtp.replies import DATA, END, GREETING, HELLO, MAIL, RCPT, SIGN_IN, judged

PLAIN = "plain"
STARTTLS = "starttls"
TLS = "tls"
DEFAULT_PORT = {PLAIN: 25, STARTTLS: 587, TLS: 465}
MOST_LETTERS = 100  # then a connection is renewed, before a server's own limit ends it
REST = 30.0  # seconds without a letter, after which a connection is asked whether it lives


class SmtpServer(NamedTuple):
    """Where and how. `security` is one of PLAIN, STARTTLS, TLS; an empty `user` means no sign-in. `tokens` are shown
    instead of a password."""

    host: str
    port: int
    security: str
    user: str = ""
    password: str = ""
    tokens: TokenSource | None = None


class Envelope(NamedTuple):
    """A message with its envelope. Servers that report (RFC 3461) are told `message_id`; `receipt`: of success too."""

    message_id: str
    sender: str
    recipient: str
    content: bytes
    valid_for: timedelta
    receipt: bool


class _Smtp(smtplib.SMTP):
    """smtplib's client over a socket that is open already."""

    def __init__(self, opened: TimedSocket, host: str, hello: str):
        super().__init__(local_hostname=hello)
        self.sock: socket.socket | None = opened
        self._host = host

    def limit(self, ends: float | None, patience: float = 0.0) -> None:
        if isinstance(self.sock, TimedSocket):
            self.sock.limit(ends, patience)


class SmtpConnection:
    """A connection from greeting to goodbye, opened at once. One thread at a time.

    Call `ready`, then `deliver`, as long as `kept`. Raises OSError when the server can't be reached.
    """

    def __init__(self, server: SmtpServer, options: ProviderOptions, *, tls: ssl.SSLContext, hello: str):
        self.kept = False
        self._server, self._options, self._tls, self._hello = server, options, tls, hello
        self._smtp = _Smtp(connect(server.host, server.port, options.connect_timeout), server.host, hello)
        self._greeted, self._ends = False, 0.0
        self._letters, self._used, self._unclean = 0, 0.0, False

    def ready(self, ends: float) -> Result | None:
        """Do everything before a message. All until `close` must end at the moment `ends` of the monotonic clock.

        Returns:
            None when the server is ready for it. On a used connection, NotTransmitted means that it is dead and a new
            one is worth a try.
        """
        self.kept, self._ends = False, ends
        self._limit()
        if not self._greeted:
            self._greeted = True
            return self._greet()
        return None if self._lives() else NotTransmitted("the kept connection was gone")

    def deliver(self, envelope: Envelope) -> Result:
        """One letter. Afterwards `kept` says whether another may follow."""
        result = self._announce(envelope) or self._content(envelope)
        self._letters += 1
        self._used = time.monotonic()
        # A refused recipient leaves half an envelope behind; it is cleared when somebody needs the connection.
        self._unclean = not isinstance(result, Accepted)
        goodbye = isinstance(result, Rejected) and (result.configuration_error or result.code.startswith("421"))
        self.kept = isinstance(result, Accepted | Rejected) and not goodbye and self._letters < MOST_LETTERS
        return result

    def close(self) -> None:
        """Say goodbye and don't wait: the answer to QUIT has no bearing on any letter."""
        self.kept = False
        self._smtp.limit(time.monotonic() + 1.0, 1.0)
        with suppress(OSError, smtplib.SMTPException):
            self._smtp.putcmd("QUIT")
        with suppress(OSError):
            self._smtp.close()

    def _limit(self) -> None:
        self._smtp.limit(self._ends, self._options.answer_timeout)

    def _greet(self) -> Result | None:
        try:
            self._open()
            return self._sign_in()
        except smtplib.SMTPConnectError as problem:
            return judged(problem.smtp_code, problem.smtp_error, GREETING)
        except smtplib.SMTPHeloError as problem:
            return judged(problem.smtp_code, problem.smtp_error, HELLO)
        except (OSError, smtplib.SMTPException, ValueError) as problem:
            return NotTransmitted(_reason(problem))

    def _open(self) -> None:
        smtp = self._smtp
        if self._server.security == TLS and smtp.sock:
            smtp.sock = self._tls.wrap_socket(smtp.sock, server_hostname=self._server.host)
            self._limit()
        code, words = smtp.getreply()
        if code != 220:
            raise smtplib.SMTPConnectError(code, words)
        smtp.ehlo_or_helo_if_needed()

    def _sign_in(self) -> Result | None:
        smtp, tokens = self._smtp, self._server.tokens
        if self._server.security == STARTTLS:
            if not smtp.has_extn("starttls"):
                # A listener in the middle hides the offer; going on in the clear is what it waits for.
                return NotTransmitted("the server offers no STARTTLS")
            smtp.starttls(context=self._tls)
            self._limit()
            smtp.ehlo_or_helo_if_needed()
        if not self._server.user:
            return None
        # One method, one try: `login` would go through all of them, and each counts as a wrong password.
        offered = smtp.esmtp_features.get("auth", "").upper().split()
        method = next((one for one in (WAYS if tokens else ("PLAIN", "LOGIN")) if one in offered), None)
        if method is None:
            return Rejected("no sign-in method in common", permanent=False, configuration_error=True)
        return self._by_token(tokens, method) if tokens else self._by_password(method)

    def _by_password(self, method: str) -> Result | None:
        smtp = self._smtp
        smtp.user, smtp.password = self._server.user, self._server.password
        return self._authenticated(method, smtp.auth_plain if method == "PLAIN" else smtp.auth_login)

    def _by_token(self, tokens: TokenSource, method: str) -> Result | None:
        """A token that was kept may have been taken back before its end: then a new one is shown. A new one that is
        refused tells of our rights, and one more would count as one more wrong password."""
        while True:
            kept, token = tokens.holds(), tokens.token(self._ends)
            if not isinstance(token, str):
                return token
            words = WAYS[method](self._server, token)
            try:
                refusal = self._authenticated(method, words, at_once=initial_fits(method, words))
            except (OSError, smtplib.SMTPException):
                tokens.renew(token)  # some servers hang up instead of answering a second time
                raise
            if not isinstance(refusal, Rejected) or not refusal.configuration_error:
                return refusal
            tokens.renew(token)
            if not kept:
                return refusal

    def _authenticated(self, method: str, words: Callable[..., str], *, at_once: bool = True) -> Result | None:
        try:
            self._smtp.auth(method, words, initial_response_ok=at_once)
        except smtplib.SMTPAuthenticationError as problem:
            return judged(problem.smtp_code, problem.smtp_error, SIGN_IN)
        return None

    def _lives(self) -> bool:
        """Whether the connection can take a letter. RSET after a rest or a refusal: it asks and clears in one."""
        if not self._quiet():
            return False
        if not self._unclean and time.monotonic() - self._used < REST:
            return True
        try:
            self._smtp.limit(self._ends, self._options.connect_timeout)  # slower than a new connection is no use
            code, _ = self._smtp.rset()
            self._limit()
        except (OSError, smtplib.SMTPException):
            return False
        return code == 250

    def _quiet(self) -> bool:
        """Whether nothing came unasked: a hang-up, a goodbye, or an answer too many, which would shift all others."""
        smtp = self._smtp
        if not smtp.sock or not smtp.file:
            return False
        try:
            watch = select.poll()
            watch.register(smtp.sock, select.POLLIN)
            if watch.poll(0):
                return False
            smtp.limit(None)
            smtp.sock.settimeout(0)
            left_over = smtp.file.peek(1)
        except ssl.SSLWantReadError:
            left_over = b""
        except (OSError, ValueError):
            return False
        self._limit()
        return not left_over

    def _announce(self, envelope: Envelope) -> Result | None:
        smtp, about = self._smtp, NOTHING
        try:
            code, words = smtp.mail(envelope.sender, self._mail_options(envelope))
            if code != 250:
                return self._refused(code, words, MAIL)
            about = RECIPIENT
            code, words = smtp.rcpt(envelope.recipient, self._rcpt_options(envelope))
            if code not in (250, 251, 252):
                return self._refused(code, words, RCPT)
            about = MESSAGE
            code, words = smtp.docmd("DATA")
            return None if code == 354 else self._refused(code, words, DATA)
        except (OSError, smtplib.SMTPException, ValueError) as problem:
            return NotTransmitted(_reason(problem), about)

    def _refused(self, code: int, words: bytes, stage: str) -> Result:
        """A goodbye on a used connection says nothing about this letter: it never left us. Nor does a sign-in that is
        over by now (the end of a token, a server's limit): a new connection signs in anew."""
        if self._letters and code in (421, 530, 535):
            return NotTransmitted("the server ended the kept connection")
        return judged(code, words, stage)

    def _mail_options(self, envelope: Envelope) -> list[str]:
        """What the server offers to do: give late letters back, and report under our name without the body."""
        reports = ["RET=HDRS", f"ENVID={envelope.message_id}"] if self._smtp.has_extn("dsn") else []
        seconds = int(envelope.valid_for.total_seconds())
        if not self._smtp.has_extn("deliverby") or seconds < 1:
            return reports
        shortest = self._smtp.esmtp_features["deliverby"].strip()
        if shortest.isdigit() and seconds < int(shortest):
            return reports
        # RFC 2852: give it back rather than deliver it late
        return [*reports, f"BY={min(seconds, 999_999_999)};R"]

    def _rcpt_options(self, envelope: Envelope) -> list[str]:
        if not self._smtp.has_extn("dsn"):
            return []
        return ["NOTIFY=SUCCESS,FAILURE,DELAY" if envelope.receipt else "NOTIFY=FAILURE,DELAY"]

    def _content(self, envelope: Envelope) -> Result:
        smtp = self._smtp
        try:
            smtp.send(re.sub(rb"(?m)^\.", b"..", envelope.content))
        except (OSError, smtplib.SMTPException) as problem:
            return NotTransmitted(_reason(problem), MESSAGE)
        try:
            smtp.send(b".\r\n")
            code, words = smtp.getreply()
        except (OSError, smtplib.SMTPException) as problem:
            return OutcomeUnknown(_reason(problem))
        if code == 250:
            return Accepted(_words(words), receipt=envelope.receipt and smtp.has_extn("dsn"))
        if not 400 <= code <= 599:
            return OutcomeUnknown(f"the server answered {code} to the message")
        return judged(code, words, END)


def _words(words: bytes) -> str:
    return one_line(words.decode("ascii", "replace"))[:120]


def _reason(problem: BaseException) -> str:
    if isinstance(problem, smtplib.SMTPServerDisconnected):
        # smtplib turns a timeout inside an answer into this one; the cause tells them apart.
        cause = problem.__cause__ or problem.__context__
        return describe(cause) if isinstance(cause, OSError) else "the server hung up"
    if isinstance(problem, smtplib.SMTPResponseException):
        return f"the server answered {problem.smtp_code}"
    return describe(problem)
