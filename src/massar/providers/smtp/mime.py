"""The message as MIME: addresses that can be written to, headers, text and HTML. Made twice, it is the same bytes.

All of it is seven-bit. No line of content is longer than 76 signs (RFC 2045 §6.7, §6.8), none of a header than 76 (RFC
2047 §2), no encoded word than 75 (there too): only an address that is longer itself stands on a longer line."""

import hashlib
import re
from contextlib import suppress
from email.charset import BASE64, QP, Charset
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import compat32
from email.utils import format_datetime, formataddr

from massar.core import clock
from massar.domain.delivery.provider import OutboundMessage

# What may stand between < and > of RCPT: nothing that ends a command, an address or a line. No quoted local
# parts: no living mailbox needs one, and they are the classic way to smuggle.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_LONGEST_LINE = 76
_LONGEST_WORD = 60  # a word can't be folded; encoded, it can
# The older policy: the newer one's headers come out differently from one release of Python to the next.
_POLICY = compat32.clone(linesep="\r\n", max_line_length=_LONGEST_LINE)


def is_address(text: str) -> bool:
    """Whether `text` is a bare address as it may stand in an envelope."""
    return _ADDRESS.fullmatch(text) is not None


def mail_address(text: str) -> str | None:
    """`text` as an envelope address with an ASCII domain (IDNA), or None when no server could be told it."""
    local, at, domain = text.strip().rpartition("@")
    if not at:
        return None
    with suppress(UnicodeError):
        domain = domain.encode("idna").decode("ascii")
    address = f"{local}@{domain}"
    return address if is_address(address) and ".." not in address else None


def build_mime(message: OutboundMessage, recipient: str, sender: str, sender_name: str) -> bytes:
    """The letter as it travels: text, and HTML after it when there is any. Auto-Submitted is RFC 3834,
    X-Auto-Response-Suppress is for Exchange: no holiday note comes back."""
    plain = _part(message.text, "plain")
    letter: MIMEMultipart | MIMENonMultipart = plain
    if message.html is not None:
        boundary = "=_" + hashlib.sha256(message.message_id.encode()).hexdigest()[:40]
        letter = MIMEMultipart("alternative", boundary, [plain, _part(message.html, "html")])
    name = one_line(sender_name)
    writer: Header | str = formataddr((name, sender))
    if not _is_plain(name) or set('"\\') & set(name):
        writer = _encoded(name, "From")
        writer.append(f"<{sender}>", "us-ascii")
    letter["From"] = writer  # type: ignore[assignment]  # typeshed: str alone
    letter["To"] = recipient
    subject = one_line(message.subject)
    letter["Subject"] = subject if _is_plain(subject) else _encoded(subject, "Subject")  # type: ignore[assignment]  # as above
    letter["Date"] = format_datetime(message.written_at or clock.now())
    letter["Message-ID"] = f"<{message.message_id}@{sender.rpartition('@')[2]}>"
    letter["Content-Language"] = one_line(message.language)
    letter["Auto-Submitted"] = "auto-generated"
    letter["X-Auto-Response-Suppress"] = "All"
    return letter.as_bytes(policy=_POLICY)


def _part(text: str, kind: str) -> MIMENonMultipart:
    """Base64 where quoted-printable would treble every letter (Arabic); both cross any 7-bit relay."""
    charset = Charset("utf-8")
    charset.body_encoding = BASE64 if sum(sign > "\x7f" for sign in text) * 4 > len(text) else QP
    # Inside base64 a line ends as on the wire (RFC 2045 §6.8); around quoted-printable that comes with writing.
    ends = "\r\n" if charset.body_encoding == BASE64 else "\n"
    part = MIMENonMultipart("text", kind, charset="utf-8")
    part.set_payload(ends.join([*re.split(r"\r\n|\r|\n", text.removesuffix("\n")), ""]), charset)
    return part


def _encoded(text: str, field: str) -> Header:
    return Header(text, "utf-8", maxlinelen=_LONGEST_LINE, header_name=field)


def _is_plain(text: str) -> bool:
    """Whether it can stand as it is: foldable, and nobody takes it for an encoded word."""
    return text.isascii() and "=?" not in text and all(len(word) <= _LONGEST_WORD for word in text.split())


def one_line(text: str) -> str:
    """`text` without anything that ends a line or can't be seen; white space folded."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
