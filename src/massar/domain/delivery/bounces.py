"""Reading what comes back for a message: delivery reports (RFC 3464) and older bounces, and what they mean.

Reports are written by strangers. Nothing of them is kept but the action and the codes, and nothing in them raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message

from massar.domain.delivery.carriers.base import DELIVERED, FAILED, UNDERWAY

_STATES = {"failed": FAILED, "delayed": UNDERWAY, "delivered": DELIVERED, "expanded": DELIVERED, "relayed": UNDERWAY}
# RFC 3463: no such mailbox, no such domain, no such syntax, moved away, takes no mail at all; mailbox closed.
# Not 5.1.0, 5.1.7 and 5.1.8, which many servers say of the sender; nor 5.4.4, which our own name server can cause.
_NO_SUCH_ADDRESS = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"}
_VAGUE = {"", "4.0.0", "5.0.0"}
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?!\d)", re.ASCII)
# An enhanced code where servers put it: after the three digits of SMTP, or after qmail's number sign.
_QUOTED = re.compile(r"(?:(?<!\d)[245]\d\d[ -]{1,3}|#)([245]\.\d{1,3}\.\d{1,3})(?![\d.])", re.ASCII)
_MOST_PARTS = 30
_MOST_TEXT = 16 * 1024  # of a bounce without structure: the reason stands above the returned letter


@dataclass(frozen=True)
class Report:
    """`state` as in a Receipt. `code`: enhanced status (RFC 3463), or empty."""

    state: str
    code: str = ""

    @property
    def address_fault(self) -> bool:
        """Whether this address receives nothing, for good."""
        return self.state == FAILED and self.code in _NO_SUCH_ADDRESS

    @property
    def ours(self) -> bool:
        """Whether it was refused by a policy: that is about us, not about the address."""
        return self.state == FAILED and self.code[1:].startswith(".7.")


def read(content: bytes) -> Report | None:
    """What a letter to a return path says, or None if it is no report (a holiday note, say)."""
    try:
        letter = message_from_bytes(content)
    except RecursionError:  # parts in parts in parts: written to do harm
        return None
    structured = False
    for part in _parts(letter):
        if part.get_content_type() == "message/delivery-status":
            structured = True
            report = _of_fields(part)
            if report:
                return report
    return None if structured else _of_text(letter)


def _parts(letter: Message) -> list[Message]:
    """The parts one level down: where RFC 3462 puts them. A returned letter inside may hold anything."""
    parts = letter.get_payload() if letter.is_multipart() else []
    return [part for part in parts[:_MOST_PARTS] if isinstance(part, Message)]


def _of_fields(part: Message) -> Report | None:
    """The first recipient's fields: a message of ours has one recipient."""
    blocks = part.get_payload() if part.is_multipart() else []
    for block in blocks[:_MOST_PARTS]:
        action = str(block.get("Action", "")).strip().lower()
        told = _STATUS.match(str(block.get("Status", "")))
        if action not in _STATES and not told:
            continue
        code = told[1] if told else ""
        quoted = _QUOTED.search(str(block.get("Diagnostic-Code", ""))[:_MOST_TEXT])
        if code in _VAGUE and quoted:
            code = quoted[1]
        return Report(_STATES.get(action) or _state_of(code), code)
    return None


def _of_text(letter: Message) -> Report | None:
    """A bounce from before RFC 3464, by the code in its text. Without one it may be anything: no report."""
    first = next((p for p in _parts(letter) or [letter] if p.get_content_maintype() == "text"), None)
    if first is None or first.is_multipart():
        return None
    body = first.get_payload(decode=True) or b""
    quoted = _QUOTED.finditer(body[:_MOST_TEXT].decode("ascii", "replace"))
    code = next((one[1] for one in quoted if one[1][0] != "2"), "")  # what went well on the way is no reason
    return Report(_state_of(code), code) if code else None


def _state_of(code: str) -> str:
    return {"2": DELIVERED, "5": FAILED}.get(code[:1], UNDERWAY)
