"""Reading what comes back for a message: delivery reports (RFC 3464) and older bounces, and what they mean.

Reports are written by strangers. Nothing of them is kept but the action and the codes, and nothing in them raises."""

import re
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message

from massar.domain.delivery.bounce_words import ABOUT_US, GONE, is_restricted, meaning
from massar.domain.delivery.provider import DELIVERED, FAILED, UNDERWAY

_STATES = {"failed": FAILED, "delayed": UNDERWAY, "delivered": DELIVERED, "expanded": DELIVERED, "relayed": UNDERWAY}
# RFC 3463: no such mailbox, no such domain, no such syntax, moved away, takes no mail at all; mailbox closed. Exchange
# Online: another server said so (5.1.351).
# Not 5.1.0, 5.1.7 and 5.1.8, which many servers say of the sender; nor 5.4.4, which our own name server can cause.
_NO_SUCH_ADDRESS = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.1.351", "5.2.1"}
_VAGUE = {"", "4.0.0", "5.0.0"}
_FIELDS = ("message/delivery-status", "message/global-delivery-status")  # RFC 3464, RFC 6533
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?!\d)", re.ASCII)
# An enhanced code where servers put it: after the three digits of SMTP, or after qmail's number sign.
_QUOTED = re.compile(r"(?:(?<!\d)[245]\d\d[ :'-]{1,3}|#)([245]\.\d{1,3}\.\d{1,3})(?![\d.])", re.ASCII)
_MAILER = re.compile(r"(?:mailer[-_]?daemon|post_?master)@", re.IGNORECASE)
_NOT_YET = re.compile(r"(?<!\d)4\d\d[ -]", re.ASCII)
# Where the letter that came back begins, in a bounce of one part.
_COPY = re.compile(r"(?im)^(?:-{2,}.*\b(?:copy|headers?|original)\b|(?:return-path|received|message-id) ?:)")
_NEAR = 250  # signs around a code in a text: its reason
_MOST_PARTS = 30
_MOST_TEXT = 16 * 1024  # of a bounce without structure: the reason stands above the returned letter


@dataclass(frozen=True)
class Report:
    """`state` as in a Receipt. `code`: enhanced status (RFC 3463), or empty. `said`: what the words beside it say."""

    state: str
    code: str = ""
    said: str = field(default="", compare=False)

    @property
    def address_fault(self) -> bool:
        """Whether this address receives nothing, for good."""
        known = self.said == GONE if self.said else self.code in _NO_SUCH_ADDRESS
        return self.state == FAILED and known

    @property
    def configuration_error(self) -> bool:
        """Whether it was refused by a policy: that is about us, not about the address."""
        policy = self.said == ABOUT_US if self.said else self.code[1:].startswith(".7.")
        return self.state == FAILED and policy and not is_restricted(self.code[2:])


def read(content: bytes) -> Report | None:
    """What a letter to a return path says, or None if it is no report (a holiday note, say)."""
    try:
        letter = message_from_bytes(content)
        structured = [part for part in _parts(letter) if part.get_content_type() in _FIELDS]
        return next(filter(None, map(_of_fields, structured)), None) if structured else _of_text(letter)
    except RecursionError:  # parts in parts in parts: written to do harm
        return None


def _parts(letter: Message) -> list[Message]:
    """The parts one level down: where RFC 3462 puts them. A returned letter inside may hold anything."""
    parts = letter.get_payload()
    return [part for part in parts[:_MOST_PARTS] if isinstance(part, Message)] if isinstance(parts, list) else []


def _of_fields(part: Message) -> Report | None:
    """The first recipient's fields: a message of ours has one recipient."""
    for block in _blocks(part)[:_MOST_PARTS]:
        action = str(block.get("Action", "")).strip().lower()
        told = _STATUS.match(str(block.get("Status", "")))
        if action not in _STATES and not told:
            continue
        code = told[1] if told else ""
        words = " ".join(str(block.get(name, ""))[:_MOST_TEXT] for name in ("Diagnostic-Code", "X-Supplementary-Info"))
        quoted = _QUOTED.search(words)
        if quoted and (code in _VAGUE or quoted[1][0] == "4"):  # what the server said itself was no word for good
            code = quoted[1]
        return Report(_STATES.get(action) or _state_of(code), code, meaning(words, code))
    return None


def _blocks(part: Message) -> list[Message]:
    """The fields of the report and of each recipient. Those of RFC 6533 §3 may be encoded, which nothing undoes
    inside a message/…: they are read again without."""
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    encoded = encoding in ("base64", "quoted-printable")
    if not encoded and part.get_content_type() == _FIELDS[0]:
        return _parts(part)
    try:
        body = part.as_bytes().partition(b"\n\n")[2]
    except UnicodeError:  # it has headers that can't be written again
        return []
    if encoded:
        body = _decoded(message_from_bytes(f"Content-Transfer-Encoding: {encoding}\n\n".encode() + body))
    return _parts(message_from_bytes(b"Content-Type: message/delivery-status\n\n" + body))


def _decoded(part: Message) -> bytes:
    """What a part holds once its transfer encoding is undone; nothing for one with parts."""
    body = part.get_payload(decode=True)
    return body if isinstance(body, bytes) else b""


def _of_text(letter: Message) -> Report | None:
    """A bounce from before RFC 3464, by the code in its text. One without a code may be anything: it is a report only
    if a mail server wrote it, and its words leave no doubt."""
    # What is written for people. Exchange Online puts it one level deeper, beside the same as HTML.
    parts = [
        inner
        for part in _parts(letter) or [letter]
        for inner in (_parts(part) if part.get_content_type() == "multipart/alternative" else [part])
        if inner.get_content_maintype() == "text" and not inner.is_multipart()
    ]
    if not parts:
        return None
    body = _decoded(parts[0])[:_MOST_TEXT].decode("utf-8", "replace")
    text = body[: found.start()] if (found := _COPY.search(body)) else body
    for quoted in _QUOTED.finditer(text):
        if quoted[1][0] != "2":  # what went well on the way is no reason
            near = text[max(0, quoted.start() - _NEAR) : quoted.end() + _NEAR]
            return Report(_state_of(quoted[1]), quoted[1], meaning(near, quoted[1]))
    from_a_server = _MAILER.search(str(letter.get("From", "")))
    if from_a_server and not _NOT_YET.search(text) and meaning(text, "") == GONE:
        return Report(FAILED, "", GONE)
    return None


def _state_of(code: str) -> str:
    return {"2": DELIVERED, "5": FAILED}.get(code[:1], UNDERWAY)
