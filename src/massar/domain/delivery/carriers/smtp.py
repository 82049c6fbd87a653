"""E-mail by SMTP (RFC 5321), with STARTTLS (RFC 3207), TLS from the first byte (RFC 8314) or in the clear.

The steps are spelled out instead of `smtplib.sendmail`, because the one thing that matters after trouble is
whether the final dot had left us.
"""

import hashlib
import re
import smtplib
import socket
from contextlib import suppress
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import NamedTuple

from massar.core import clock

from .contract import (
    EMAIL,
    Accepted,
    CarrierOptions,
    CarrierSettingError,
    NotSent,
    Outgoing,
    Refused,
    Result,
    Unsure,
    is_loopback,
    tls_context,
    trouble,
)
from .wire import curfew, dial

PLAIN = "plain"
STARTTLS = "starttls"
TLS = "tls"
DEFAULT_PORT = {PLAIN: 25, STARTTLS: 587, TLS: 465}

# What may stand between < and > of RCPT: nothing that ends a command, an address or a line. No quoted local
# parts: no living mailbox needs one, and they are the classic way to smuggle.
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?"
)
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\b")
_POLICY = SMTP_POLICY.clone(max_line_length=998, refold_source="none")


class SmtpServer(NamedTuple):
    """Where and how. `security` is one of PLAIN, STARTTLS, TLS; an empty `user` means no sign-in."""

    host: str
    port: int
    security: str
    user: str = ""
    password: str = ""


class SmtpCarrier:
    """One connection per message: no state between threads, nothing stale to repair."""

    channel = EMAIL

    def __init__(self, server: SmtpServer, options: CarrierOptions):
        if server.user and server.security == PLAIN and not is_loopback(server.host):
            raise CarrierSettingError(
                "A mail server's password may only be sent over TLS: use smtp+starttls:// or smtps://."
            )
        if not _ADDRESS.fullmatch(options.sender):
            raise CarrierSettingError("The sender of e-mail must be a bare address, as no-reply@example.ma.")
        self.name = options.name or f"smtp-{server.host}"
        self.longest = options.longest
        self._server = server
        self._options = options
        self._tls = None if server.security == PLAIN else tls_context(options.ca_file)
        self._hello = options.hello or _own_name()

    def __repr__(self):
        return f"<SmtpCarrier {self.name}>"

    def send(self, message: Outgoing, *, valid_for: timedelta) -> Result:
        recipient = mail_address(message.to)
        if recipient is None:
            return Refused("address can't be written to", permanent=True)
        letter = compose(message, recipient, self._options).as_bytes()
        try:
            line = dial(self._server.host, self._server.port, self._options.connect_timeout)
        except OSError as problem:
            return NotSent(trouble(problem))
        with line, curfew(line, self._options.total_timeout) as time:
            result = _Handover(self, line).run(recipient, letter, valid_for)
        if time.over and isinstance(result, NotSent | Unsure):
            return type(result)("the conversation took too long")
        return result

    def check(self) -> list[str]:
        where = f"Mail server {self._server.host}:{self._server.port}"
        try:
            line = dial(self._server.host, self._server.port, self._options.connect_timeout)
        except OSError as problem:
            return [f"{where} can't be reached: {trouble(problem)}."]
        with line, curfew(line, self._options.total_timeout):
            problem = _Handover(self, line).greet()
        if isinstance(problem, Refused):
            return [f"{where} refuses us: {problem.code}."]
        return [f"{where} can't be used: {problem.why}."] if problem else []


class _Handover:
    """One conversation with one server, from greeting to goodbye."""

    def __init__(self, carrier: SmtpCarrier, line: socket.socket):
        self._server, self._options = carrier._server, carrier._options
        self._tls, self._hello, self._line = carrier._tls, carrier._hello, line

    def greet(self) -> Result | None:
        """Everything before the message: None when the server is ready for it."""
        try:
            self._smtp = self._open()
            return self._sign_in()
        except smtplib.SMTPConnectError as problem:
            return _refusal(problem.smtp_code, problem.smtp_error, "greeting", ours=problem.smtp_code >= 500)
        except (OSError, smtplib.SMTPException, ValueError) as problem:
            return NotSent(_reason(problem))

    def run(self, recipient: str, letter: bytes, valid_for: timedelta) -> Result:
        problem = self.greet()
        if problem is None:
            problem = self._envelope(recipient, valid_for) or self._content(letter)
        with suppress(AttributeError, OSError, smtplib.SMTPException):
            # The answer to QUIT has no bearing on the message: say goodbye and don't wait.
            self._smtp.putcmd("QUIT")
        return problem

    def _open(self) -> smtplib.SMTP:
        if self._server.security == TLS:
            self._line = self._tls.wrap_socket(self._line, server_hostname=self._server.host)
        self._line.settimeout(self._options.answer_timeout)
        smtp = smtplib.SMTP(local_hostname=self._hello, timeout=self._options.answer_timeout)
        smtp.sock, smtp._host = self._line, self._server.host
        code, words = smtp.getreply()
        if code != 220:
            raise smtplib.SMTPConnectError(code, words)
        smtp.ehlo_or_helo_if_needed()
        return smtp

    def _sign_in(self) -> Result | None:
        smtp = self._smtp
        if self._server.security == STARTTLS:
            if not smtp.has_extn("starttls"):
                # A listener in the middle hides the offer; going on in the clear is what it waits for.
                return NotSent("the server offers no STARTTLS")
            smtp.starttls(context=self._tls)
            smtp.ehlo_or_helo_if_needed()
        if not self._server.user:
            return None
        offered = smtp.esmtp_features.get("auth", "").upper().split()
        # One method, one try: `login` would go through all of them, and each counts as a wrong password.
        method = next((known for known in ("PLAIN", "LOGIN") if known in offered), None)
        if method is None:
            return Refused("no sign-in method in common", permanent=False, ours=True)
        smtp.user, smtp.password = self._server.user, self._server.password
        try:
            smtp.auth(method, smtp.auth_plain if method == "PLAIN" else smtp.auth_login)
        except smtplib.SMTPAuthenticationError as problem:
            return _refusal(problem.smtp_code, problem.smtp_error, "sign-in", ours=problem.smtp_code >= 500)
        return None

    def _envelope(self, recipient: str, valid_for: timedelta) -> Result | None:
        smtp = self._smtp
        try:
            code, words = smtp.mail(self._options.sender, self._mail_options(valid_for))
            if code != 250:
                return _refusal(code, words, "MAIL", ours=code >= 500)
            code, words = smtp.rcpt(recipient)
            if code not in (250, 251, 252):
                return _refusal(code, words, "RCPT", ours=_is_about_us(code, words))
            code, words = smtp.docmd("DATA")
            return None if code == 354 else _refusal(code, words, "DATA")
        except (OSError, smtplib.SMTPException, ValueError) as problem:
            return NotSent(_reason(problem))

    def _mail_options(self, valid_for: timedelta) -> list[str]:
        seconds = int(valid_for.total_seconds())
        if not self._smtp.has_extn("deliverby") or seconds < 1:
            return []
        shortest = self._smtp.esmtp_features["deliverby"].strip()
        if shortest.isdigit() and seconds < int(shortest):
            return []
        return [f"BY={min(seconds, 999_999_999)};R"]  # RFC 2852: give it back rather than deliver it late

    def _content(self, letter: bytes) -> Result:
        smtp = self._smtp
        try:
            smtp.send(re.sub(rb"(?m)^\.", b"..", letter))
        except (OSError, smtplib.SMTPException) as problem:
            return NotSent(_reason(problem))
        try:
            smtp.send(b".\r\n")
            code, words = smtp.getreply()
        except (OSError, smtplib.SMTPException) as problem:
            return Unsure(_reason(problem))
        if code == 250:
            return Accepted(_words(words))
        if not 400 <= code <= 599:
            return Unsure(f"the server answered {code} to the message")
        return _refusal(code, words, "the end of the message")


def mail_address(text: str) -> str | None:
    """`text` as an envelope address with an ASCII domain (IDNA), or None when no server could be told it."""
    local, at, domain = text.strip().rpartition("@")
    if not at:
        return None
    with suppress(UnicodeError):
        domain = domain.encode("idna").decode("ascii")
    address = f"{local}@{domain}"
    return address if _ADDRESS.fullmatch(address) and ".." not in address else None


def compose(message: Outgoing, recipient: str, options: CarrierOptions) -> EmailMessage:
    """The letter: text, and HTML beside it when there is any. Made twice, it has the same Message-ID.

    Auto-Submitted is RFC 3834, X-Auto-Response-Suppress is for Exchange: no holiday note comes back.
    """
    letter = EmailMessage(policy=_POLICY)
    letter["From"] = Address(_one_line(options.sender_name), addr_spec=options.sender)
    letter["To"] = Address(addr_spec=recipient)
    letter["Subject"] = _one_line(message.subject)
    letter["Date"] = clock.now()
    letter["Message-ID"] = f"<{message.message_id}@{options.sender.rpartition('@')[2]}>"
    letter["Content-Language"] = _one_line(message.language)
    letter["Auto-Submitted"] = "auto-generated"
    letter["X-Auto-Response-Suppress"] = "All"
    letter.set_content(message.text, subtype="plain", charset="utf-8", cte=_encoding(message.text))
    if message.html is not None:
        letter.add_alternative(message.html, subtype="html", charset="utf-8", cte=_encoding(message.html))
        letter.set_boundary("=_" + hashlib.sha256(message.message_id.encode()).hexdigest()[:40])
    return letter


def _encoding(text: str) -> str:
    """Base64 where quoted-printable would treble every letter (Arabic); both cross any 7-bit relay."""
    return "base64" if sum(sign > "\x7f" for sign in text) * 4 > len(text) else "quoted-printable"


def _own_name() -> str:
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _one_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _words(words: bytes) -> str:
    return _one_line(words.decode("ascii", "replace"))[:120]


def _reason(problem: BaseException) -> str:
    if isinstance(problem, smtplib.SMTPServerDisconnected):
        # smtplib turns a timeout inside an answer into this one; the cause tells them apart.
        cause = problem.__cause__ or problem.__context__
        return trouble(cause) if isinstance(cause, OSError) else "the server hung up"
    if isinstance(problem, smtplib.SMTPResponseException):
        return f"the server answered {problem.smtp_code}"
    return trouble(problem)


def _refusal(code: int, words: bytes, stage: str, *, ours: bool = False) -> Result:
    """The server's no. Its free text is left out: it often repeats the address."""
    if not 400 <= code <= 599:
        return NotSent(f"the server answered {code} at {stage}")
    enhanced = _ENHANCED.match(words.decode("ascii", "replace").strip())
    told = " ".join(filter(None, (str(code), enhanced and enhanced[1], "at", stage)))
    return Refused(told, permanent=code >= 500 and not ours, ours=ours)


def _is_about_us(code: int, words: bytes) -> bool:
    """Whether a refused recipient tells about us: not signed in (RFC 4954), or not allowed to relay."""
    text = words.decode("ascii", "replace").lower()
    return code in (530, 535, 538) or (code >= 500 and "relay" in text)


