"""One connection to a mail server (RFC 5321), with STARTTLS (RFC 3207), TLS from the first byte (RFC 8314) or in the
clear, and the messages that go over it.

The steps are spelled out instead of `smtplib.sendmail`, because the one thing that matters after trouble is whether the
final dot had left us."""

import re
import select
import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import chain, repeat
from typing import NamedTuple

from massar.domain.delivery import provider as contract
from massar.domain.delivery.provider import Accepted, NotTransmitted, OutcomeUnknown, Rejected, Result
from massar.providers.connect import TimedSocket, connect, describe
from massar.providers.oauth_token import TokenSource
from massar.providers.smtp.mime import one_line
from massar.providers.smtp.replies import DATA, END, GREETING, HELLO, MAIL, RCPT, SIGN_IN, judged
from massar.providers.smtp.settings import STARTTLS, TLS, SmtpSettings

MOST_MESSAGES = 100  # then a connection is renewed, before a server's own limit ends it
REST = 30.0  # seconds without a message, after which a connection is asked whether it lives


def _oauthbearer(settings: SmtpSettings, token: str) -> tuple[str, str]:
    """RFC 7628 §3.1; the refusal is acknowledged with a %x01 (§3.2.3)."""
    user = settings.user.replace("=", "=3D").replace(",", "=2C")
    host, port = settings.place
    return f"n,a={user},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01", "\x01"


# Method of sign-in by token (XOAUTH2: Google, Microsoft) to what is answered first, and to what is asked after that.
# The first that is offered is taken.
WAYS: dict[str, Callable[[SmtpSettings, str], tuple[str, str]]] = {
    "XOAUTH2": lambda settings, token: (f"user={settings.user}\x01auth=Bearer {token}\x01\x01", ""),
    "OAUTHBEARER": _oauthbearer,
}
LONGEST_LINE = 512  # RFC 5321 §4.5.3.1.4: a longer first answer waits until it is asked for (RFC 4954 §4)


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
    """A connection from greeting to goodbye, opened at once. One thread at a time. `tokens` are shown instead of a
    password. Call `ready`, then `deliver`, as long as `kept`. Raises OSError when the server can't be reached."""

    def __init__(self, settings: SmtpSettings, tokens: TokenSource | None, tls: ssl.SSLContext):
        self.kept = False
        self._settings, self._tokens, self._tls = settings, tokens, tls
        self._smtp = _Smtp(connect(*settings.place, settings.connect_timeout), settings.host, settings.own_name)
        self._greeted, self._ends = False, 0.0
        self._sent, self._used, self._unclean = 0, 0.0, False

    def ready(self, ends: float) -> Result | None:
        """Do everything before a message. All until `close` must end at the moment `ends` of the monotonic clock. None
        when the server is ready for it. NotTransmitted of a used connection: it is dead, a new one is worth a try."""
        self.kept, self._ends = False, ends
        self._limit()
        if self._greeted:
            return None if self._lives() else NotTransmitted("the kept connection was gone")
        self._greeted = True
        try:
            if self._settings.security == TLS and self._smtp.sock:
                self._smtp.sock = self._tls.wrap_socket(self._smtp.sock, server_hostname=self._settings.host)
                self._limit()
            code, text = self._smtp.getreply()
            if code != 220:
                return judged(code, text, GREETING)
            self._smtp.ehlo_or_helo_if_needed()
            return self._sign_in()
        except smtplib.SMTPHeloError as problem:
            return judged(problem.smtp_code, problem.smtp_error, HELLO)
        except (OSError, smtplib.SMTPException, ValueError) as problem:
            return NotTransmitted(_reason(problem))

    def deliver(self, envelope: Envelope) -> Result:
        """One message. Afterwards `kept` says whether another may follow."""
        result = self._announce(envelope) or self._content(envelope)
        self._sent += 1
        self._used = time.monotonic()
        # A refused recipient leaves half an envelope behind; it is cleared when somebody needs the connection.
        self._unclean = not isinstance(result, Accepted)
        goodbye = isinstance(result, Rejected) and (result.configuration_error or result.code.startswith("421"))
        self.kept = isinstance(result, Accepted | Rejected) and not goodbye and self._sent < MOST_MESSAGES
        return result

    def close(self) -> None:
        """Say goodbye and don't wait: the answer to QUIT has no bearing on any message."""
        self.kept = False
        self._smtp.limit(time.monotonic() + 1.0, 1.0)
        with suppress(OSError, smtplib.SMTPException):
            self._smtp.putcmd("QUIT")
        with suppress(OSError):
            self._smtp.close()

    def _limit(self) -> None:
        self._smtp.limit(self._ends, self._settings.answer_timeout)

    def _sign_in(self) -> Result | None:
        smtp, settings = self._smtp, self._settings
        if settings.security == STARTTLS:
            if not smtp.has_extn("starttls"):
                # A listener in the middle hides the offer; going on in the clear is what it waits for.
                return NotTransmitted("the server offers no STARTTLS")
            smtp.starttls(context=self._tls)
            self._limit()
            smtp.ehlo_or_helo_if_needed()
        if not settings.user:
            return None
        # One method, one try: `login` would go through all of them, and each counts as a wrong password.
        offered = smtp.esmtp_features.get("auth", "").upper().split()
        method = next((one for one in (WAYS if self._tokens else ("PLAIN", "LOGIN")) if one in offered), None)
        if method is None:
            return Rejected("no sign-in method in common", permanent=False, configuration_error=True)
        if self._tokens:
            return self._by_token(self._tokens, method)
        smtp.user, smtp.password = settings.user, settings.password
        return self._authenticated(method, smtp.auth_plain if method == "PLAIN" else smtp.auth_login)

    def _by_token(self, tokens: TokenSource, method: str) -> Result | None:
        """A token that was kept may have been taken back before its end: then a new one is shown. A new one that is
        refused tells of our rights, and one more would count as one more wrong password."""
        while True:
            kept, token = tokens.holds(), tokens.token(self._ends)
            if not isinstance(token, str):
                return token
            first, last = WAYS[method](self._settings, token)
            at_once = len(f"AUTH {method} \r\n") + -(-len(first) // 3) * 4 <= LONGEST_LINE
            try:
                answers = chain((first,), repeat(last))
                refusal = self._authenticated(method, lambda _=None, said=answers: next(said), at_once=at_once)
            except (OSError, smtplib.SMTPException):
                tokens.renew(token)  # some servers hang up instead of answering a second time
                raise
            if not isinstance(refusal, Rejected) or not refusal.configuration_error:
                return refusal
            tokens.renew(token)
            if not kept:
                return refusal

    def _authenticated(self, method: str, answer: Callable[..., str], *, at_once: bool = True) -> Result | None:
        try:
            self._smtp.auth(method, answer, initial_response_ok=at_once)
        except smtplib.SMTPAuthenticationError as problem:
            return judged(problem.smtp_code, problem.smtp_error, SIGN_IN)
        return None

    def _lives(self) -> bool:
        """Whether the connection can take a message. RSET after a rest or a refusal: it asks and clears in one."""
        if not self._quiet():
            return False
        if not self._unclean and time.monotonic() - self._used < REST:
            return True
        try:
            self._smtp.limit(self._ends, self._settings.connect_timeout)  # slower than a new connection is no use
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
        smtp, about, reports = self._smtp, contract.NOTHING, self._smtp.has_extn("dsn")
        wanted = "NOTIFY=SUCCESS,FAILURE,DELAY" if envelope.receipt else "NOTIFY=FAILURE,DELAY"
        try:
            code, text = smtp.mail(envelope.sender, self._mail_options(envelope))
            if code != 250:
                return self._refused(code, text, MAIL)
            about = contract.RECIPIENT
            code, text = smtp.rcpt(envelope.recipient, [wanted] if reports else [])
            if code not in (250, 251, 252):
                return self._refused(code, text, RCPT)
            about = contract.MESSAGE
            code, text = smtp.docmd("DATA")
            return None if code == 354 else self._refused(code, text, DATA)
        except (OSError, smtplib.SMTPException, ValueError) as problem:
            return NotTransmitted(_reason(problem), about)

    def _refused(self, code: int, text: bytes, stage: str) -> Result:
        """A goodbye on a used connection says nothing about this message: it never left us. Nor does a sign-in that is
        over by now (the end of a token, a server's limit): a new connection signs in anew."""
        if self._sent and code in (421, 530, 535):
            return NotTransmitted("the server ended the kept connection")
        return judged(code, text, stage)

    def _mail_options(self, envelope: Envelope) -> list[str]:
        """What the server offers to do: give late mail back, and report under our name without the body."""
        options = ["RET=HDRS", f"ENVID={envelope.message_id}"] if self._smtp.has_extn("dsn") else []
        seconds = int(envelope.valid_for.total_seconds())
        if self._smtp.has_extn("deliverby") and seconds >= 1:
            shortest = self._smtp.esmtp_features["deliverby"].strip()
            if not shortest.isdigit() or seconds >= int(shortest):
                options.append(f"BY={min(seconds, 999_999_999)};R")  # RFC 2852: rather given back than delivered late
        return options

    def _content(self, envelope: Envelope) -> Result:
        smtp = self._smtp
        try:
            smtp.send(re.sub(rb"(?m)^\.", b"..", envelope.content))
        except (OSError, smtplib.SMTPException) as problem:
            return NotTransmitted(_reason(problem), contract.MESSAGE)
        try:
            smtp.send(b".\r\n")
            code, text = smtp.getreply()
        except (OSError, smtplib.SMTPException) as problem:
            return OutcomeUnknown(_reason(problem))
        if code == 250:
            reference = one_line(text.decode("ascii", "replace"))[:120]
            return Accepted(reference, receipt=envelope.receipt and smtp.has_extn("dsn"))
        if not 400 <= code <= 599:
            return OutcomeUnknown(f"the server answered {code} to the message")
        return judged(code, text, END)


def _reason(problem: BaseException) -> str:
    if isinstance(problem, smtplib.SMTPServerDisconnected):
        # smtplib turns a timeout inside an answer into this one; the cause tells them apart.
        cause = problem.__cause__ or problem.__context__
        return describe(cause) if isinstance(cause, OSError) else "the server hung up"
    if isinstance(problem, smtplib.SMTPResponseException):
        return f"the server answered {problem.smtp_code}"
    return describe(problem)
