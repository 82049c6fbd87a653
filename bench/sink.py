"""The far end of the providers, as lean as can be: every message that arrives becomes one line `moment recipient`.

    python -m bench.sink SMTP_PORT SMS_PORT FILE

Moments are CLOCK_MONOTONIC seconds, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session


class Notes:
    """Appends lines; one writer at a time."""

    def __init__(self, path: str):
        self._file = Path(path).open("a", buffering=1)  # noqa: SIM115 - as long as the process
        self._lock = threading.Lock()

    def add(self, recipient: str) -> None:
        moment = time.monotonic()
        with self._lock:
            self._file.write(f"{moment:.6f} {recipient}\n")


class Mailbox:
    """What aiosmtpd asks at the end of a message."""

    def __init__(self, notes: Notes):
        self._notes = notes

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        for recipient in envelope.rcpt_tos:
            self._notes.add(recipient)
        return "250 2.0.0 OK"


class GatewayServer(ThreadingHTTPServer):
    """Holds the notes of its requests."""

    daemon_threads = True

    def __init__(self, port: int, notes: Notes) -> None:
        super().__init__(("127.0.0.1", port), Gateway)
        self.notes = notes


class Gateway(BaseHTTPRequestHandler):
    """Answers 202 to every SMS."""

    server: GatewayServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        sms = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.notes.add(sms["to"])
        body = b'{"id": "1"}'
        self.send_response(202)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silent."""


async def receive(smtp_port: int, notes: Notes) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    mailbox = Mailbox(notes)
    server = await loop.create_server(lambda: SMTP(mailbox, hostname="sink.test", loop=loop), "127.0.0.1", smtp_port)
    await stop.wait()
    server.close()


def main() -> None:
    smtp_port, sms_port, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    notes = Notes(path)
    gateway = GatewayServer(sms_port, notes)
    threading.Thread(target=gateway.serve_forever, daemon=True).start()
    asyncio.run(receive(smtp_port, notes))


if __name__ == "__main__":
    main()
