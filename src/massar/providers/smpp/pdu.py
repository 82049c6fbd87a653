"""PDUs of SMPP 3.4 as bytes: framing, the requests we write, the fields we read. Pure: no socket, no time.

Section numbers are those of the SMPP Protocol Specification v3.4, issue 1.2. What comes in is hostile until it was
read: every length is checked, and what can't be read is BadPdu.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

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

# §5.1.3
OK = 0x00
BAD_LENGTH, BAD_COMMAND = 0x02, 0x03
TRY_AGAIN, NEVER = 0x64, 0x65  # ESME_RX_T_APPN, ESME_RX_P_APPN: what we answer to a deliver_sm

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
    names = c_string(system_id) + c_string(password) + c_string(system_type)
    return names + bytes((VERSION,)) + Address(0, 0, "").encoded()


def submit(
    service: str, source: Address, to: Address, *, udh: bool, validity: str, coding: int, content: bytes
) -> bytes:
    """Body of submit_sm (§4.4.1) with a receipt asked for. `validity` is a time of §7.1.1, or empty."""
    return b"".join(
        (
            c_string(service),
            source.encoded(),
            to.encoded(),
            bytes((UDH if udh else 0, 0, 0, 0)),  # esm_class, protocol, priority, scheduled: now
            c_string(validity),
            bytes((WANT_RECEIPT, 0, coding, 0, len(content))),
            content,
        )
    )


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
    """The id in submit_sm_resp or data_sm_resp. Empty when there is none; cut where it is longer than may be."""
    return _readable(body.partition(b"\0")[0][:_LONGEST_ID]).strip()


@dataclass(frozen=True)
class Delivery:
    """What a deliver_sm or data_sm says, as far as we read it."""

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
    fields.skip(2)
    fields.text(65)
    esm_class = fields.byte()
    if pdu.command == DATA_SM:
        fields.skip(1)
        coding, content = fields.byte(), b""
    else:
        fields.skip(2)
        fields.text(17)
        fields.text(17)
        fields.skip(2)
        coding = fields.byte()
        fields.skip(1)
        content = fields.take(fields.byte())
    tlvs = dict(fields.tlvs())
    return Delivery(source, esm_class, coding, tlvs.get(PAYLOAD, content), tlvs)


class _Fields:
    """A body read from front to back."""

    def __init__(self, body: bytes):
        self._body, self._at = body, 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._body):
            raise BadPdu("a body that ends too early")
        taken, self._at = self._body[self._at : end], end
        return taken

    def skip(self, size: int) -> None:
        self.take(size)

    def byte(self) -> int:
        return self.take(1)[0]

    def text(self, longest: int) -> str:
        """A C-octet string of at most `longest` bytes, its end included."""
        end = self._body.find(b"\0", self._at, self._at + longest)
        if end < 0:
            raise BadPdu("a text without an end")
        text, self._at = self._body[self._at : end], end + 1
        return _readable(text)

    def tlvs(self) -> Iterator[tuple[int, bytes]]:
        """The optional parameters that we know (§3.2.4)."""
        while self._at < len(self._body):
            tag, size = struct.unpack(">HH", self.take(4))
            value = self.take(size)
            if tag in _TLVS_READ:
                yield tag, value


def _readable(text: bytes) -> str:
    return "".join(sign for sign in text.decode("ascii", "replace") if sign.isprintable() and sign != "\ufffd")
