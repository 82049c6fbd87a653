"""A small SMSC that speaks SMPP 3.4 on loopback, for Kannel to hand its messages to.

Numbers that end in 99 it refuses (ESME_RINVDSTADR), those in 88 it takes and then fails to deliver, of
those in 77 the first segment, of those in 66 the second; each segment it takes is followed by a receipt.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass

from massar.domain.delivery.sms_text import GSM7_CODES

BIND_TRANSCEIVER, SUBMIT, DELIVER, ENQUIRE_LINK, UNBIND = 0x09, 0x04, 0x05, 0x15, 0x06
ANSWER = 0x80000000
INVALID_DESTINATION = 0x0B
IS_RECEIPT, HAS_HEADER = 0x04, 0x40  # of esm_class
UCS2 = 8
GSM7_SIGNS = {code: sign for sign, code in GSM7_CODES.items()}


@dataclass(frozen=True)
class Arrived:
    """One message as a phone shows it, its segments joined. `validity`: in SMPP's own form, empty for its default."""

    sender: str
    to: str
    text: str
    validity: str
    segments: int = 1


@dataclass(frozen=True)
class Segment(Arrived):
    """As it reached the SMSC. `number`, `place` and `of`: what joins it to others (3GPP TS 23.040 §9.2.3.24.1)."""

    number: int = 0
    place: int = 1
    of: int = 1


class Smsc:
    """Listens until `stop`; `messages` are those it took whole, oldest first."""

    def __init__(self, port: int):
        self.messages: list[Arrived] = []
        self._segments: list[Segment] = []
        self._arrived = threading.Condition()
        self._listening = socket.create_server(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def wait_for(self, to: str, seconds: float = 20) -> Arrived:
        """The newest message to that number."""
        with self._arrived:
            found = self._arrived.wait_for(lambda: [m for m in self.messages if m.to == to], seconds)
        assert found, f"no message to {to} among {self.messages}"
        return found[-1]

    def stop(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)  # wakes `accept`, which closing alone does not
        self._thread.join(5)
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listening.accept()
                threading.Thread(target=self._talk, args=(line,), daemon=True).start()

    def _talk(self, line: socket.socket) -> None:
        with line, line.makefile("rb") as words, contextlib.suppress(OSError):
            while len(head := words.read(16)) == 16:
                length, command, _status, number = struct.unpack(">IIII", head)
                self._answer(line, command, number, words.read(length - 16))

    def _answer(self, line: socket.socket, command: int, number: int, body: bytes) -> None:
        if command == BIND_TRANSCEIVER:
            line.sendall(_pdu(command | ANSWER, 0, number, b"smsc\0"))
        elif command == SUBMIT:
            self._submitted(line, number, body)
        elif command in (ENQUIRE_LINK, UNBIND):
            line.sendall(_pdu(command | ANSWER, 0, number))

    def _submitted(self, line: socket.socket, number: int, body: bytes) -> None:
        segment = _read(body)
        if segment.to.endswith("99"):
            line.sendall(_pdu(SUBMIT | ANSWER, INVALID_DESTINATION, number))
            return
        with self._arrived:
            self._segments.append(segment)
            reference = str(len(self._segments))
            self._join(segment)
            self._arrived.notify_all()
        line.sendall(_pdu(SUBMIT | ANSWER, 0, number, f"{reference}\0".encode()))
        line.sendall(_pdu(DELIVER, 0, 1000 + len(self._segments), _receipt(segment, reference)))

    def _join(self, last: Segment) -> None:
        """The newest of each place, once all are there."""
        same = {s.place: s for s in self._segments if (s.to, s.number, s.of) == (last.to, last.number, last.of)}
        if len(same) == last.of:
            halves = "".join(same[place].text for place in sorted(same))  # a pair may lie in two segments
            text = halves.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")
            self.messages.append(Arrived(last.sender, last.to, text, last.validity, last.of))


def _pdu(command: int, status: int, number: int, body: bytes = b"") -> bytes:
    return struct.pack(">IIII", 16 + len(body), command, status, number) + body


def _read(body: bytes) -> Segment:
    """submit_sm, SMPP 3.4 §4.4.1."""
    _service, rest = _text(body)
    sender, rest = _text(rest[2:])
    to, rest = _text(rest[2:])
    esm_class = rest[0]
    _schedule, rest = _text(rest[3:])
    validity, rest = _text(rest)
    _receipt_wanted, _replace, coding, _default, length = rest[:5]
    said = rest[5 : 5 + length]
    joining = (0, 1, 1)
    if esm_class & HAS_HEADER:
        header, said = said[: said[0] + 1], said[said[0] + 1 :]
        assert header[1:3] == b"\0\3", f"a header of another kind: {header.hex()}"
        joining = header[3], header[5], header[4]
    number, place, of = joining
    text = said.decode("utf-16-be", "surrogatepass") if coding == UCS2 else _from_gsm7(said)
    return Segment(sender, to, text, validity, 1, number, place, of)


def _from_gsm7(said: bytes) -> str:
    """Septets, one in a byte; an escape takes the next with it."""
    signs, before = [], b""
    for code in said:
        before += bytes((code,))
        if before != b"\x1b":
            signs.append(GSM7_SIGNS.get(before, "\N{REPLACEMENT CHARACTER}"))
            before = b""
    return "".join(signs)


def _text(body: bytes) -> tuple[str, bytes]:
    value, _, rest = body.partition(b"\0")
    return value.decode("ascii"), rest


def _receipt(message: Segment, reference: str) -> bytes:
    """deliver_sm with a receipt in the usual words, SMPP 3.4 appendix B."""
    lost = {"88": range(1, 256), "77": (1,), "66": (2,)}.get(message.to[-2:], ())
    state = "UNDELIV" if message.place in lost else "DELIVRD"
    dates = "submit date:2602150155 done date:2602150155"
    text = f"id:{reference} sub:001 dlvrd:001 {dates} stat:{state} err:000 text:".encode()
    addresses = b"\0\1\1" + message.to.encode() + b"\0\0\0" + message.sender.encode() + b"\0"
    return addresses + bytes((IS_RECEIPT, 0, 0, 0, 0, 0, 0, 0, 0, len(text))) + text
