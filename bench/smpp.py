"""How many messages the SMPP client hands over in a second, alone: against an SMSC in a process of its own.

The SMSC is the one of the server tests, on the npm package `smpp`, where there is a Node.js with npm; otherwise the
scripted one of the contract tests. Every message asks for a receipt; every receipt is answered and stored in a list.
"Bound": what the same SMSC takes from a bare socket that writes ready-made bytes and reads nothing out of the answers.
"""

import contextlib
import json
import multiprocessing
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from bench import machine, report
from massar.domain.delivery.provider import Accepted, OutboundMessage, Receipt, Result
from massar.providers.smpp import pdu
from massar.providers.smpp.provider import SmppProvider
from massar.providers.smpp.settings import read_table
from tests.contracts import smpp_rig as rig
from tests.contracts.smpp_rig import PASSWORD, SYSTEM_ID
from tests.servers.machine import running
from tests.servers.node_modules import installed
from tests.support.postgres import free_port
from tests.support.waits import until

WINDOWS = (1, 10, 50)
TEXT = "Massar: mot de passe provisoire\nkdmwt-47392\nValable jusqu'à 14:35. Ne le donnez à personne."
MESSAGE = OutboundMessage("bench", "sms", "+212661000200", "fr", "", TEXT)
VALID = timedelta(minutes=10)


@contextlib.contextmanager
def smsc(file: str = "-") -> Iterator[tuple[str, int]]:
    """Its name, and the port of a fresh one. `file`: where it notes what came, one JSON object a line; "-": nowhere."""
    node = shutil.which("node")
    if not (node and shutil.which("npm")):
        yield from _own(file)
        return
    port = free_port()
    with tempfile.TemporaryDirectory() as name, machine.on_core(machine.OTHER_CORE):
        folder = installed(Path(name) / "node")
        with running([node, str(folder / "smsc.mjs"), str(port), file, "0"], folder=folder, ports=(port,)):
            yield "npm package smpp", port


def _own(file: str) -> Iterator[tuple[str, int]]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there, file), daemon=True)
    with machine.on_core(machine.OTHER_CORE):
        process.start()
    try:
        yield "the scripted one of the contract tests", here.recv()
    finally:
        process.terminate()
        process.join()


class NotingSmsc(rig.Smsc):
    """The scripted SMSC with a receipt for each message, and with the notes of the other one: what came, and when."""

    def __init__(self, file: str) -> None:
        self._notes = None if file == "-" else Path(file).open("a", buffering=1)  # noqa: SIM115
        super().__init__()

    def serve(self, link: rig.Link, asked: pdu.Pdu) -> None:
        super().serve(link, asked)
        self.heard.clear()
        self.submits.clear()
        note: dict[str, object] = {}
        if asked.command in rig.BINDS:
            note = {"bind": rig.BINDS[asked.command]}
        elif asked.command == pdu.SUBMIT_SM:
            note = {"submit": {"to": rig.read_submit(asked.body).to}}
            body = rig.deliver_body(rig.receipt_text(self.references.pop()))
            link.send(pdu.Pdu(pdu.DELIVER_SM, 0, asked.sequence, body))
        elif asked.command == pdu.DELIVER_SM | pdu.RESPONSE:
            note = {"receipt": str(asked.sequence)}
        if note and self._notes:
            self._notes.write(json.dumps({**note, "status": 0, "moment": time.monotonic()}) + "\n")


def serve(pipe: Connection, file: str) -> None:
    """The scripted SMSC as a process."""
    pipe.send(NotingSmsc(file).port)
    threading.Event().wait()


def measured(port: int, window: int, seconds: float) -> tuple[float, float, float]:
    """Messages per second (with their receipts stored), this process's CPU share, and microseconds of CPU each."""
    table = {"kind": "smpp", "host": "127.0.0.1", "port": port, "system_id": SYSTEM_ID, "password": PASSWORD,
             "tls": "off", "window": window, "rate": 1_000_000.0}  # fmt: skip
    provider = SmppProvider(read_table(table, name="bench"), name="bench")
    stored: list[Receipt] = []

    def store(receipt: Receipt) -> Future[None]:
        stored.append(receipt)
        future: Future[None] = Future()
        future.set_result(None)
        return future

    provider.open(store)
    until(provider.room)
    warm = _run(provider, window, 1.0)
    before, begun = time.process_time(), time.monotonic()
    done = _run(provider, window, seconds)
    until(lambda: len(stored) >= warm + done, 30)
    took, used = time.monotonic() - begun, time.process_time() - before
    provider.close()
    return done / took, used / took, used / done * 1e6


def _run(provider: SmppProvider, window: int, seconds: float) -> int:
    """Keeps the window full for so long; how many were accepted."""
    end, free = time.monotonic() + seconds, threading.Semaphore(2 * window if window > 1 else 1)
    futures: list[Future[Result]] = []
    while time.monotonic() < end:
        free.acquire()
        future = provider.submit(MESSAGE, valid_for=VALID)
        future.add_done_callback(lambda _: free.release())
        futures.append(future)
    for future in futures:
        result = future.result(30)
        assert isinstance(result, Accepted), result
    return len(futures)


def bound(port: int, window: int, seconds: float) -> float:
    """What the SMSC takes from ready-made bytes, its receipts left unanswered unread."""
    with BareLine(port) as line:
        answered, begun = 0, time.monotonic()
        line.send(window)
        while time.monotonic() - begun < seconds:
            came = line.answers()
            answered += came
            line.send(came)
        return answered / (time.monotonic() - begun)


class BareLine(contextlib.AbstractContextManager["BareLine"]):
    """A socket bound as a transmitter, and one message as ready-made bytes."""

    def __init__(self, port: int):
        (segment,) = pdu.contents(TEXT, "b")
        source, to = pdu.Address(5, 0, "MASSAR"), pdu.Address(1, 1, "212661000200")
        body = pdu.submit("", source, to, pdu.relative_time(600), segment)
        self._ready = pdu.Pdu(pdu.SUBMIT_SM, 0, 1, body).encoded()
        self._splitter = pdu.Splitter()
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(pdu.Pdu(pdu.BIND_TRANSMITTER, 0, 1, pdu.bind(SYSTEM_ID, PASSWORD, "")).encoded())
        while not self.answers():
            pass

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, times: int) -> None:
        self._socket.sendall(self._ready * times)

    def answers(self) -> int:
        """Waits for some bytes; how many answers they end. Receipts are not counted."""
        return sum(bool(one.command & pdu.RESPONSE) for one in self._splitter.feed(self._socket.recv(65_536)))


def table(seconds: float) -> str:
    """The table, measured now."""
    with smsc() as (name, port), machine.on_core(machine.SERVER_CORE):
        ours = [measured(port, window, seconds) for window in WINDOWS]
        # After ours: nobody takes the receipts of these, and the next to bind would get them all.
        most = [bound(port, window, min(seconds, 3.0)) for window in WINDOWS]
    rows = [
        [str(window), report.per_second(rate), report.per_second(alone), report.percent(share), f"{each:.0f}"]
        for window, alone, (rate, share, each) in zip(WINDOWS, most, ours, strict=True)
    ]
    return report.table(
        "SMPP: messages handed over, each with its receipt",
        ["window", "messages/s", "SMSC alone/s", "CPU of the client", "µs of CPU each"],
        rows,
        f"SMSC: {name}, on the other core, answering at once. Receipts are stored in a list. “SMSC alone”: ready-made "
        "bytes from a bare socket that binds as a transmitter, so without receipts. The aim is 5 000/s at window 50.",
    )
