"""How many messages the SMPP client hands over in a second, alone: against an SMSC in a process of its own.

    python -m bench.smpp [--seconds 5]

The SMSC is the one of the server tests, on the npm package `smpp`, where there is a Node.js with npm; otherwise the
scripted one of the contract tests. Every message asks for a receipt, and every receipt is answered and stored in a list.
"Bound" is what the same SMSC takes from a bare socket that writes ready-made bytes and reads nothing out of the answers.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path

from bench import machine, report
from massar.domain.delivery.carriers import smpp_pdu as pdu
from massar.domain.delivery.carriers.base import Accepted, Outgoing
from massar.domain.delivery.carriers.smpp import from_table as smpp_carrier
from massar.domain.delivery.carriers.smpp_text import contents
from tests.contracts.smpp_rig import PASSWORD, SYSTEM_ID, Smsc, deliver_body, receipt_text, until
from tests.servers.machine import running
from tests.servers.node_modules import installed
from tests.support.postgres import free_port

WINDOWS = (1, 10, 50)
TEXT = "Massar: mot de passe provisoire\nkdmwt-47392\nValable jusqu'à 14:35. Ne le donnez à personne."
MESSAGE = Outgoing("bench", "sms", "+212661000200", "fr", "", TEXT)
VALID = timedelta(minutes=10)


class Sink:
    """Counts receipts and gives them back as stored."""

    def __init__(self):
        self.stored = 0

    def __call__(self, receipt) -> Future[None]:
        self.stored += 1
        future: Future[None] = Future()
        future.set_result(None)
        return future


@contextlib.contextmanager
def smsc() -> Iterator[tuple[str, int]]:
    """Its name, and the port of a fresh one."""
    node = shutil.which("node")
    if not (node and shutil.which("npm")):
        yield from _own()
        return
    port = free_port()
    with tempfile.TemporaryDirectory() as name, machine.on_core(machine.OTHER_CORE):
        folder = installed(Path(name) / "node")
        with running([node, str(folder / "smsc.mjs"), str(port), "-", "0"], folder=folder, ports=(port,)):
            yield "npm package smpp", port


def _own() -> Iterator[tuple[str, int]]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    with machine.on_core(machine.OTHER_CORE):
        process.start()
    try:
        yield "the scripted one of the contract tests", here.recv()
    finally:
        process.terminate()
        process.join()


def serve(pipe) -> None:
    """The scripted SMSC as a process; every message gets its receipt."""
    server = Smsc()

    def accepted(link, asked):
        server.submits.clear()
        server._accept(link, asked)
        body = deliver_body(receipt_text(server.references.pop()))
        link.send(pdu.Pdu(pdu.DELIVER_SM, 0, asked.sequence, body))

    server.mood = accepted
    pipe.send(server.port)
    threading.Event().wait()


def measured(port: int, window: int, seconds: float) -> tuple[float, float, float]:
    """Messages per second (with their receipts stored), this process's CPU share, and microseconds of CPU each."""
    sink = Sink()
    table = {"host": "127.0.0.1", "port": port, "system_id": SYSTEM_ID, "password": PASSWORD, "tls": "off",
             "window": window, "rate": 1_000_000.0}  # fmt: skip
    carrier = smpp_carrier(table, name="bench")
    carrier.open(sink)
    until(carrier.room)
    _run(carrier, window, 1.0)
    before, sink.stored = time.process_time(), 0
    begun = time.monotonic()
    done = _run(carrier, window, seconds)
    until(lambda: sink.stored >= done, 30)
    took, used = time.monotonic() - begun, time.process_time() - before
    carrier.close()
    return done / took, used / took, used / done * 1e6


def _run(carrier, window: int, seconds: float) -> int:
    """Keeps the window full for so long; how many were accepted."""
    end, done = time.monotonic() + seconds, 0
    free = threading.Semaphore(2 * window if window > 1 else 1)
    futures: list[Future] = []

    def back(_future) -> None:
        free.release()

    while time.monotonic() < end:
        free.acquire()
        future = carrier.submit(MESSAGE, valid_for=VALID)
        future.add_done_callback(back)
        futures.append(future)
    for future in futures:
        result = future.result(30)
        assert isinstance(result, Accepted), result
        done += 1
    return done


def bound(port: int, window: int, seconds: float) -> float:
    """What the SMSC takes from ready-made bytes, its receipts left unanswered unread."""
    body = pdu.submit("", pdu.Address(5, 0, "MASSAR"), pdu.Address(1, 1, "212661000200"), udh=False,
                      validity=pdu.relative_time(600), coding=0, content=contents(TEXT, "b")[0].content)  # fmt: skip
    ready = pdu.Pdu(pdu.SUBMIT_SM, 0, 1, body).encoded()
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.sendall(pdu.Pdu(pdu.BIND_TRANSMITTER, 0, 1, pdu.bind(SYSTEM_ID, PASSWORD, "")).encoded())
        splitter, answered, begun = pdu.Splitter(), -1, time.monotonic()
        line.settimeout(10)
        while answered < 0:
            answered += sum(1 for _ in splitter.feed(line.recv(65_536)))
        line.sendall(ready * window)
        while time.monotonic() - begun < seconds:
            came = sum(1 for _ in splitter.feed(line.recv(65_536)))
            answered += came
            line.sendall(ready * came)
        return answered / (time.monotonic() - begun)


def table(seconds: float) -> str:
    """The table, measured now."""
    rows = []
    with smsc() as (name, port), machine.on_core(machine.SERVER_CORE):
        for window in WINDOWS:
            rate, share, each = measured(port, window, seconds)
            most = bound(port, window, min(seconds, 3.0))
            rows.append([str(window), report.per_second(rate), report.per_second(most), report.percent(share), f"{each:.0f}"])
    return report.table(
        "SMPP: messages handed over, each with its receipt",
        ["window", "messages/s", "SMSC alone/s", "CPU of the client", "µs of CPU each"],
        rows,
        f"SMSC: {name}, on the other core, answering at once. Receipts are stored in a list. “SMSC alone”: ready-made "
        "bytes from a bare socket that binds as a transmitter, so without receipts.",
    )


def main() -> int:
    unfit = machine.fit_for_this()
    if unfit:
        print(unfit, file=sys.stderr)
        return 1
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    print(table(parser.parse_args().seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
