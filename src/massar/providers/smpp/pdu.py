"""PDUs of SMPP 3.4 as bytes: framing, the requests and texts we write, the fields and statuses we read. No socket.

Section numbers are those of the SMPP Protocol Specification v3.4, issue 1.2. What comes in is hostile until it was
read: every length is checked, and what can't be read is BadPdu."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from massar.domain.delivery.provider import MESSAGE, NOTHING, Rejected
from massar.domain.delivery.sms_text import GSM7, GSM7_CODES, segments

HEADER = struct.Struct(">IIII")
SMALLEST, LARGEST = HEADER.size, 65_536
VERSION = 0x34
LAST_SEQUENCE = 0x7FFFFFFF  # §3.2

# §5.1.2.1
RESPONSE = 0x80000000
GENERIC_NACK = 0x80000000
BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER = 0x01, 0x02, 0x09
SUBMIT_SM, DELIVER_SM, DATA_SM = 0x04, 0x05, 0x103
UNBIND, OUTBIND, ENQUIRE_LINK, ALERT_NOTIFICATION = 0x06, 0x0B, 0x15, 0x102
UNANSWERED = frozenset({OUTBIND, ALERT_NOTIFICATION})  # requests that have no response

# §5.1.3; those past 0x100 are of SMPP 5.0
OK = 0x00
BAD_LENGTH, BAD_COMMAND = 0x02, 0x03
TRY_AGAIN, NEVER = 0x64, 0x65  # ESME_RX_T_APPN, ESME_RX_P_APPN: what we answer to a deliver_sm
# The number is none for this SMSC. So is every number where a type or plan of ours is wrong: others may know better.
PERMANENT = frozenset({0x0B})
# More than they take just now: throttled, message queue full.
BUSY = frozenset({0x58, 0x14})
# Our account, sender, settings or way of writing; an operator must look.
CONFIGURATION_ERROR = frozenset(
    {
        0x01, 0x02, 0x03, 0x04,  # lengths, command, not bound for this
        0x06, 0x07, 0x0A,  # priority, registered delivery, source address
        0x0D, 0x0E, 0x0F,  # bind failed, password, system id
        0x15, 0x43,  # service type, esm_class
        0x48, 0x49, 0x50, 0x51, 0x53,  # types and plans of both addresses, system type
        0x61, 0x62,  # schedule, validity
        0xC0, 0xC1, 0xC2, 0xC3, 0xC4,  # optional parameters
        0x100, 0x101, 0x103, 0x104,  # service not allowed, prohibited, service denied, data coding
    }
)  # fmt: skip
_OF_THE_BIND = frozenset({0x03, 0x04, 0x05, 0x0D, 0x0E, 0x0F})  # about the connection, whatever was sent over it

CODING_DEFAULT, CODING_UCS2 = 0x00, 0x08  # §5.2.19
MOST_SEGMENTS = 255

# §5.2.12
UDH = 0x40
RECEIPT_TYPES = 0x3C
FINAL_RECEIPT, INTERMEDIATE = 0x04, 0x20
WANT_RECEIPT = 0x01  # §5.2.17: whatever becomes of it

# §5.3.2
RECEIPTED_ID, MESSAGE_STATE, NETWORK_ERROR, PAYLOAD = 0x001E, 0x0427, 0x0423, 0x0424
_TLVS_READ = frozenset({RECEIPTED_ID, MESSAGE_STATE, NETWORK_ERROR, PAYLOAD})
_LONGEST_ID = 65


class BadPdu(Exception):
    """Bytes that are no PDU, or a PDU whose fields can't be told apart."""


class Pdu(NamedTuple):
    """One PDU without its length; `body` is what follows the header."""

    command: int
    status: int
    sequence: int
    body: bytes = b""

    def encoded(self) -> bytes:
        return HEADER.pack(SMALLEST + len(self.body), self.command, self.status, self.sequence) + self.body


class Splitter:
    """Cuts a stream of bytes into PDUs, however they were split or joined on the way."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Pdu]:
        """Every PDU that is now complete. Raises BadPdu at a length outside SMALLEST to LARGEST: from there on no
        PDU can be found in the stream."""
        self._rest += data
        begin = 0
        while len(self._rest) - begin >= SMALLEST:
            length, command, status, sequence = HEADER.unpack_from(self._rest, begin)
            if not SMALLEST <= length <= LARGEST:
                raise BadPdu(f"a PDU of {length} bytes")
            if len(self._rest) - begin < length:
                break
            yield Pdu(command, status, sequence, bytes(self._rest[begin + SMALLEST : begin + length]))
            begin += length
        del self._rest[:begin]


@dataclass(frozen=True)
class Address:
    """§5.2.5 to 5.2.8: type of number, numbering plan, and the number or name itself (ASCII)."""

    ton: int
    npi: int
    text: str = field(repr=False)

    def encoded(self) -> bytes:
        return bytes((self.ton, self.npi)) + c_string(self.text)


def c_string(text: str) -> bytes:
    return text.encode("ascii") + b"\0"


def bind(system_id: str, password: str, system_type: str) -> bytes:
    """Body of the three bind requests (§4.1); no address range is asked for."""
    names = b"".join(map(c_string, (system_id, password, system_type)))
    return names + bytes((VERSION,)) + Address(0, 0, "").encoded()


class Content(NamedTuple):
    """The short_message of one segment; `joined`: it begins with a header (UDH) that numbers it."""

    coding: int
    content: bytes
    joined: bool


def contents(text: str, message_id: str) -> list[Content]:
    """`text` in as many segments as it needs. Raises ValueError past 255. The septets stay one in a byte, as SMPP has
    them: the SMSC packs. Segments carry the header of 3GPP TS 23.040 §9.2.3.24.1, with a number made of `message_id`:
    when a message is sent again, halves of both tries still make one whole."""
    encoding, pieces = segments(text)
    if len(pieces) > MOST_SEGMENTS:
        raise ValueError("too long for an SMS")
    if encoding == GSM7:
        coding, bodies = CODING_DEFAULT, [b"".join(GSM7_CODES[sign] for sign in piece) for piece in pieces]
    else:  # half a surrogate pair, which no phone could show, becomes ?
        coding, bodies = CODING_UCS2, [piece.encode("utf-16-be", "replace") for piece in pieces]
    if len(bodies) == 1:
        return [Content(coding, bodies[0], False)]
    number = zlib.crc32(message_id.encode()) & 0xFF
    headers = (bytes((5, 0, 3, number, len(bodies), place)) for place in range(1, len(bodies) + 1))
    return [Content(coding, header + body, True) for header, body in zip(headers, bodies, strict=True)]


def submit(service: str, source: Address, to: Address, validity: str, segment: Content) -> bytes:
    """Body of submit_sm (§4.4.1) with a receipt asked for. `validity` is a time of §7.1.1, or empty."""
    kind = bytes((UDH if segment.joined else 0, 0, 0, 0))  # esm_class, protocol, priority, scheduled: now
    how = bytes((WANT_RECEIPT, 0, segment.coding, 0, len(segment.content)))
    addresses = c_string(service) + source.encoded() + to.encoded()
    return addresses + kind + c_string(validity) + how + segment.content


def relative_time(seconds: int) -> str:
    """`seconds` from when the SMSC takes it (§7.1.1.2), 30 days at most: never later than what was asked for."""
    minutes, second = divmod(min(seconds, 30 * 86_400), 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"0000{day:02}{hour:02}{minute:02}{second:02}000R"


def absolute_time(moment: datetime) -> str:
    """An aware moment, in UTC (§7.1.1.1)."""
    return f"{moment.astimezone(UTC):%y%m%d%H%M%S}000+"


def message_id(body: bytes) -> str:
    """The id in submit_sm_resp or data_sm_resp, or empty; cut where it is longer than may be."""
    return _readable(body.partition(b"\0")[0][:_LONGEST_ID]).strip()


@dataclass(frozen=True)
class Delivery:
    source: Address
    esm_class: int
    coding: int
    content: bytes = field(repr=False)
    tlvs: dict[int, bytes] = field(repr=False)


def delivery(pdu: Pdu) -> Delivery:
    """Read a deliver_sm (§4.6.1) or data_sm (§4.7.1). Raises BadPdu."""
    fields = _Fields(pdu.body)
    fields.text(6)
    source = Address(fields.byte(), fields.byte(), fields.text(65))
    fields.take(2)
    fields.text(65)
    esm_class = fields.byte()
    if pdu.command == DATA_SM:
        fields.take(1)
        coding, content = fields.byte(), b""
    else:
        fields.take(2)
        fields.text(17)
        fields.text(17)
        fields.take(2)
        coding = fields.byte()
        fields.take(1)
        content = fields.take(fields.byte())
    tlvs = {}
    while fields.left():  # the optional parameters that we know (§3.2.4)
        tag, size = struct.unpack(">HH", fields.take(4))
        value = fields.take(size)
        if tag in _TLVS_READ:
            tlvs[tag] = value
    return Delivery(source, esm_class, coding, tlvs.get(PAYLOAD, content), tlvs)


class _Fields:
    def __init__(self, body: bytes):
        self._body, self._at = body, 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._body):
            raise BadPdu("a body that ends too early")
        taken, self._at = self._body[self._at : end], end
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def text(self, longest: int) -> str:
        """A C-octet string of at most `longest` bytes, its end included."""
        end = self._body.find(b"\0", self._at, self._at + longest)
        if end < 0:
            raise BadPdu("a text without an end")
        text, self._at = self._body[self._at : end], end + 1
        return _readable(text)

    def left(self) -> bool:
        return self._at < len(self._body)


def _readable(text: bytes) -> str:
    return "".join(sign for sign in text.decode("ascii", "replace") if sign.isprintable() and sign != "\ufffd")


def refusal(status: int) -> Rejected:
    """The answer that `status` is. Any other, as a system error (0x08) or a failed submit (0x45), may pass. It is the
    answer to one message, to one number: lengths, validity, coding, even the sender may suit other networks."""
    return Rejected(
        f"smpp 0x{status:02x}", permanent=status in PERMANENT, configuration_error=status in CONFIGURATION_ERROR,
        busy=status in BUSY, about=NOTHING if status in _OF_THE_BIND else MESSAGE, elsewhere=True,
    )  # fmt: skip
