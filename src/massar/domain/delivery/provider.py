"""The words every provider speaks: what goes out, what can come back, what can be set."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

EMAIL, SMS, SITE, SOAP = "email", "sms", "site", "soap"
_ID_SHAPE = re.compile(r"(?=.{1,100}\Z)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")


class ProviderSettingError(ValueError):
    """Settings of a provider can't work. `mistakes`: one sentence for each, for the operator, without any secret."""

    def __init__(self, *mistakes: str):
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True)
class OutboundMessage:
    """One message, ready to leave. `message_id` is the outbox's own id, the same when it is sent again: 1 to 100 of
    `A-Za-z0-9._-`. `to` is an e-mail address, a number in E.164 (`+212…`), or a site's address for logout tokens or for
    SOAP. Only mail has subject, html and written_at: when it was made, which every repeat tells alike (RFC 5322
    §3.6.1); None: now."""

    message_id: str
    channel: str
    to: str = field(repr=False)
    language: str
    subject: str
    text: str = field(repr=False)
    html: str | None = field(default=None, repr=False)
    written_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.channel not in (EMAIL, SMS, SITE, SOAP):
            raise ValueError(f"unknown channel {self.channel!r}")
        if not _ID_SHAPE.fullmatch(self.message_id):
            raise ValueError("message_id has an impossible shape")


@dataclass(frozen=True)
class Accepted:
    """The provider has taken the message over. `reference` is its own name for it, or empty. `parts`: the names of all
    its segments when it left as several, the first being `reference`. `receipt`: the provider was asked to tell later
    what became of it, and usually does. `segments`: how many SMS it says that it made, 0 where it does not say.
    `answer`: what a site said by SOAP, unread."""

    reference: str
    parts: tuple[str, ...] = ()
    receipt: bool = False
    segments: int = 0
    answer: bytes = field(default=b"", repr=False)


# How much of a message the other side knew when trouble came, and so whose trouble it may be. NOTHING: the provider's,
# or ours. MESSAGE: that message's. RECIPIENT: the recipient's, or that of all in one domain; the content was not known.
NOTHING, MESSAGE, RECIPIENT = "", "message", "recipient"


@dataclass(frozen=True)
class Rejected:
    """The provider answered no. `permanent`: this message to this recipient will not go by this provider, now or later;
    and by no other, unless `elsewhere`. `configuration_error`: our account, sender or setting is at fault, so nothing
    is known about the recipient; never permanent: another provider may do it, and an operator must look. `busy`: more
    than the provider takes just now, which is nobody's fault. None of them: the same try may work later. `about`:
    NOTHING, MESSAGE or RECIPIENT. What may be one message's own trouble blames nobody until others meet it."""

    outcome: ClassVar[str] = "rejected"  # as it is stored and shown
    code: str
    permanent: bool
    configuration_error: bool = False
    busy: bool = False
    about: str = field(default=NOTHING, compare=False)
    elsewhere: bool = field(default=False, compare=False)

    @property
    def why(self) -> str:
        return self.code


@dataclass(frozen=True)
class OutcomeUnknown:
    """All of it left us and no answer came: it may have arrived. Sending again may deliver it twice."""

    outcome: ClassVar[str] = "outcome_unknown"
    about: ClassVar[str] = MESSAGE
    why: str


@dataclass(frozen=True)
class NotTransmitted:
    """It never left us as a whole. Sending again can't deliver it twice. `about`: as in Rejected."""

    outcome: ClassVar[str] = "not_transmitted"
    why: str
    about: str = field(default=NOTHING, compare=False)


Refusal = Rejected | OutcomeUnknown | NotTransmitted
Result = Accepted | Refusal

DELIVERED, FAILED, UNDERWAY = "delivered", "failed", "underway"


@dataclass(frozen=True)
class Receipt:
    """What a provider tells later about a message it had accepted. `reference`: as in the answer to which it belongs,
    in that same form. `state`: DELIVERED, FAILED (it will not arrive by this provider), or UNDERWAY (a word in between
    that settles nothing). `code`: the provider's reason. `to`: the number in E.164 or the address it was for, or empty
    where the provider does not say."""

    provider: str
    reference: str
    state: str
    code: str = ""
    to: str = field(default="", repr=False)


# Stores a receipt. Done once it is committed; only then may the provider be told that it was received.
ReceiptSink = Callable[[Receipt], "Future[None]"]


class Provider(ABC):
    """Takes messages of one channel out. Called from worker threads at once, outside any transaction."""

    name: str
    channel: str
    longest: timedelta  # no call of `send` lasts longer, name look-up aside: a lease must outlive it
    receipts_at: str = ""  # one address for all receipts, which the operator tells the gateway
    left_alone: str = ""  # why the last `check` did not try

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @abstractmethod
    def send(self, message: OutboundMessage, *, valid_for: timedelta) -> Result:
        """Hand the message over. Trouble with network or protocol is a result, never an exception. valid_for: how long
        it is still worth something; providers that can drop late messages are told."""

    @abstractmethod
    def check(self) -> list[str]:
        """Connect, and sign in where that is possible, without sending. Returns sentences about what is wrong."""

    def standby(self) -> bool:
        """Whether it has no connection and that is nobody's fault: others hold all of them, or one is being made."""
        return False

    def close(self) -> None:
        """Answer what is under way, say goodbye, disconnect. Waits for that, at most `longest`."""
        return


class Pipelined(Provider):
    """A provider with a standing connection over which many messages are under way at once (SMPP)."""

    @abstractmethod
    def open(self, receipts: ReceiptSink) -> None:
        """Begin to connect, in the background, and to take receipts. Returns at once."""

    @abstractmethod
    def submit(self, message: OutboundMessage, *, valid_for: timedelta) -> "Future[Result]":
        """As `send`, without waiting. Never raises; the future always gets a Result within `longest`."""

    @abstractmethod
    def room(self) -> int:
        """How many more messages could leave without waiting for an answer; 0 while there is no connection."""

    def send(self, message: OutboundMessage, *, valid_for: timedelta) -> Result:
        return self.submit(message, valid_for=valid_for).result()


@dataclass(frozen=True)
class ProviderOptions:
    """What can be set beside the URL. Times are in seconds. E-mail: `sender` is the bare address that mail comes from.
    SMS: names of the JSON fields; a dot goes one object deeper (`message.text`). `sms_reference_field`: where the
    gateway's own id stands in its answer (a number picks from a list: `messages.0.id`). An empty `sms_sender_field` or
    `sms_validity_field` leaves that field out; validity is sent in seconds. `ca_file` replaces the system's list of
    certificate authorities."""

    name: str = ""
    sender: str = "no-reply@localhost"
    sms_to_field: str = "to"
    sms_text_field: str = "text"
    sms_sender_field: str = "from"
    sms_sender: str = "MASSAR"
    sms_validity_field: str = ""
    sms_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    sms_extra: Mapping[str, object] = field(default_factory=dict, repr=False)
    sms_reference_field: str = "id"
    ca_file: Path | None = None
    connect_timeout: float = 5.0
    answer_timeout: float = 15.0
    total_timeout: float = 30.0

    def __post_init__(self) -> None:
        times = (self.connect_timeout, self.answer_timeout, self.total_timeout)
        if any(not 0 < seconds <= 600 for seconds in times):
            raise ProviderSettingError("A provider's timeouts must be more than 0 and at most 600 seconds.")

    @property
    def longest(self) -> timedelta:
        """Reaching the provider (two addresses at most are tried) and then talking to it."""
        return timedelta(seconds=2 * self.connect_timeout + self.total_timeout)
