"""An SMSC of our own, scripted, in a thread beside the test. It judges nothing about the codec (the servers of
tests/servers do, with codecs of others): it is there for what no polite server does."""

import asyncio
import itertools
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from massar.domain.delivery.sms_text import GSM7_CODES
from massar.providers.smpp import pdu as smpp
from massar.providers.smpp.pdu import RESPONSE, Pdu
from tests.support.waits import DEADLINE, until

SYSTEM_ID, PASSWORD = "massar", "p@s:w/rd"
BINDS = {smpp.BIND_RECEIVER: "rx", smpp.BIND_TRANSMITTER: "tx", smpp.BIND_TRANSCEIVER: "trx"}
SIGNS = {code: sign for sign, code in GSM7_CODES.items()}


@dataclass
class Submit:
    """The fields of a submit_sm, read by hand."""

    service: str
    source: tuple[int, int, str]
    to: tuple[int, int, str]
    esm_class: int
    validity: str
    registered: int
    coding: int
    content: bytes = field(repr=False)

    @property
    def header(self) -> bytes:
        return self.content[: 1 + self.content[0]] if self.esm_class & 0x40 else b""

    @property
    def text(self) -> str:
        """Words of this segment alone."""
        body = self.content[len(self.header) :]
        if self.coding == 8:
            return body.decode("utf-16-be", "surrogatepass")
        signs, codes = [], iter(body)
        for code in codes:
            signs.append(SIGNS[bytes((code, next(codes))) if code == 0x1B else bytes((code,))])
        return "".join(signs)


def read_submit(body: bytes, *, with_parameters: bool = False) -> Submit:
    """`with_parameters`: optional ones, which ours never sends, may follow."""

    def text() -> str:
        nonlocal body
        found, _, body = body.partition(b"\0")
        return found.decode("ascii")

    def byte() -> int:
        nonlocal body
        found, body = body[0], body[1:]
        return found

    service = text()
    source, to = ((byte(), byte(), text()) for _ in range(2))
    esm_class, _protocol, _priority = byte(), byte(), byte()
    _scheduled, validity = text(), text()
    registered, _replace, coding, _default, size = (byte() for _ in range(5))
    assert len(body) == size or with_parameters, "the length of the text is not what was said"
    return Submit(service, source, to, esm_class, validity, registered, coding, body[:size])


def deliver_body(text: bytes, *, source=(1, 1, "212661000222"), esm_class=4, tlvs=(), coding=0) -> bytes:
    """Body of a deliver_sm, field by field; `tlvs`: (tag, value)."""
    ton, npi, number = source
    fields = b"\0" + bytes((ton, npi)) + number.encode() + b"\0" + b"\5\0MASSAR\0" + bytes((esm_class, 0, 0))
    fields += b"\0\0" + bytes((0, 0, coding, 0, len(text))) + text
    return fields + b"".join(struct.pack(">HH", tag, len(value)) + value for tag, value in tlvs)


def receipt_text(reference: str, state: str = "DELIVRD", error: str = "000") -> bytes:
    return (
        f"id:{reference} sub:001 dlvrd:001 submit date:2602150155 done date:2602150156 "
        f"stat:{state} err:{error} text:Massar: mot de passe"
    ).encode()


class Link(asyncio.Protocol):
    """One connection of a client, at the SMSC's end."""

    def __init__(self, smsc: "Smsc"):
        self.smsc, self.mode, self._splitter = smsc, "", smpp.Splitter()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.smsc.links.append(self)

    def data_received(self, data: bytes) -> None:
        for pdu in self._splitter.feed(data):
            self.smsc.heard.append(pdu)
            self.smsc.serve(self, pdu)

    def connection_lost(self, problem: Exception | None) -> None:
        self.smsc.links.remove(self)

    def send(self, pdu: Pdu) -> None:
        if not self.transport.is_closing():
            self.transport.write(pdu.encoded())

    def answer(self, pdu: Pdu, status: int = 0, body: bytes = b"") -> None:
        self.send(Pdu(pdu.command | RESPONSE, status, pdu.sequence, body))


class Smsc:
    """`mood`: what becomes of a submit_sm. A status number; `silent`; `cut_before` (nothing read is kept),
    `cut_after`; `late`: kept until `release`; a function of (link, pdu); or empty: accepted.

    `submits`, `binds`, `heard`: what came, in its order. `deaf`: enquire_link is not answered. `links`: who is there.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, *, port: int = 0):
        self.mood: object = ""
        self.bind_mood: object = 0
        self.deaf = False
        self.submits: list[Submit] = []
        self.binds: list[str] = []
        self.heard: list[Pdu] = []
        self.links: list[Link] = []
        self.references: list[str] = []
        self.after_bind = b""
        self._kept: list[tuple[Link, Pdu]] = []
        self.kept_ever: list[tuple[Link, Pdu]] = []
        self._ids = itertools.count(1001)
        self._sequences = itertools.count(1)
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = self.call(self._listen(port))

    async def _listen(self, port: int) -> int:
        self._server = await self._loop.create_server(lambda: Link(self), "127.0.0.1", port, ssl=self._tls)
        return self._server.sockets[0].getsockname()[1]

    def call(self, work):
        """Run a coroutine in the SMSC's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)

    def do(self, work: Callable, *args) -> object:
        async def called():
            return work(*args)

        return self.call(called())

    def stop(self) -> None:
        self.cut()
        self.do(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()

    # What a test does to the client -------------------------------------------------------------------------------

    def cut(self) -> None:
        self.do(lambda: [link.transport.abort() for link in list(self.links)])

    def write(self, data: bytes) -> None:
        """Raw bytes to every client."""
        self.do(lambda: [link.transport.write(data) for link in self.links])

    def send(self, command: int, body: bytes = b"", status: int = 0) -> int:
        """A request to every client that receives; returns its sequence number."""
        sequence = next(self._sequences)
        pdu = Pdu(command, status, sequence, body)
        self.do(lambda: [link.send(pdu) for link in self.links if link.mode in ("rx", "trx")])
        return sequence

    def receipt(self, text: bytes, **fields) -> int:
        return self.send(smpp.DELIVER_SM, deliver_body(text, **fields))

    def answered(self, sequence: int, command: int = smpp.DELIVER_SM) -> Pdu:
        """The client's answer to that request, once it is there."""
        kinds = (command | RESPONSE, smpp.GENERIC_NACK)
        return until(lambda: next((p for p in list(self.heard) if p.sequence == sequence and p.command in kinds), None))

    def release(self) -> None:
        """Answer what was kept, in reverse: answers need not come in order."""
        kept, self._kept = self._kept, []
        self.do(lambda: [self.accept(link, pdu) for link, pdu in reversed(kept)])

    def asked(self, command: int) -> int:
        return sum(pdu.command == command for pdu in list(self.heard))

    # What it does by itself ---------------------------------------------------------------------------------------

    def serve(self, link: Link, pdu: Pdu) -> None:
        if pdu.command in BINDS:
            self._bind(link, pdu)
        elif pdu.command == smpp.SUBMIT_SM:
            self.take(link, pdu)
        elif pdu.command == smpp.ENQUIRE_LINK and not self.deaf:
            link.answer(pdu)
        elif pdu.command == smpp.UNBIND:
            link.answer(pdu)
            link.transport.close()

    def _bind(self, link: Link, pdu: Pdu) -> None:
        self.binds.append(BINDS[pdu.command])
        system_id, password = pdu.body.split(b"\0")[:2]
        if callable(self.bind_mood):
            self.bind_mood(link, pdu)
        elif self.bind_mood:
            link.answer(pdu, self.bind_mood)
        elif (system_id.decode(), password.decode()) != (SYSTEM_ID, PASSWORD):
            link.answer(pdu, 0x0E)
        else:
            link.mode = BINDS[pdu.command]
            welcome = Pdu(pdu.command | RESPONSE, 0, pdu.sequence, b"SMSC\0").encoded()
            link.transport.write(welcome + self.after_bind)

    def take(self, link: Link, pdu: Pdu) -> None:
        mood = self.mood
        if mood == "cut_before":
            link.transport.abort()
            return
        submit = read_submit(pdu.body)
        if callable(mood):
            self.submits.append(submit)
            mood(link, pdu)
        elif isinstance(mood, int):
            link.answer(pdu, mood)
        else:
            self.submits.append(submit)
            if mood == "cut_after":
                link.transport.abort()
            elif mood == "late":
                self._kept.append((link, pdu))
                self.kept_ever.append((link, pdu))
            elif mood != "silent":
                self.accept(link, pdu)

    def accept(self, link: Link, pdu: Pdu) -> None:
        self.references.append(str(next(self._ids)))
        link.answer(pdu, 0, self.references[-1].encode() + b"\0")
