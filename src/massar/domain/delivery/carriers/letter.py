"""The letter itself: addresses that can be written to, headers, text and HTML. Made twice, it has the same Message-ID."""

import hashlib
import re
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY

from massar.core import clock

from .contract import CarrierOptions, Outgoing

# What may stand between < and > of RCPT: nothing that ends a command, an address or a line. No quoted local
# parts: no living mailbox needs one, and they are the classic way to smuggle.
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?"
)
_POLICY = SMTP_POLICY.clone(max_line_length=998, refold_source="none")


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


def compose(message: Outgoing, recipient: str, options: CarrierOptions) -> EmailMessage:
    """The letter: text, and HTML beside it when there is any.

    Auto-Submitted is RFC 3834, X-Auto-Response-Suppress is for Exchange: no holiday note comes back.
    """
    letter = EmailMessage(policy=_POLICY)
    letter["From"] = Address(one_line(options.sender_name), addr_spec=options.sender)
    letter["To"] = Address(addr_spec=recipient)
    letter["Subject"] = one_line(message.subject)
    letter["Date"] = clock.now()
    letter["Message-ID"] = f"<{message.message_id}@{options.sender.rpartition('@')[2]}>"
    letter["Content-Language"] = one_line(message.language)
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


def one_line(text: str) -> str:
    """`text` without anything that ends a line or can't be seen; white space folded."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
