"""The far end of the providers, as lean as can be: every message that arrives becomes one line `moment recipient`.

    python -m bench.sink SMTP_PORT SMS_PORT FILE

Moments are CLOCK_MONOTONIC seconds, which all processes of a machine share.
"""

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
    """Appends lines; one writer at a time. It is what aiosmtpd asks at the end of a message, too."""

    def __init__(self, path: str):
        self._file = Path(path).open("a", buffering=1)  # noqa: SIM115 - as long as the process
        self._lock = threading.Lock()

    def add(self, recipient: str) -> None:
        moment = time.monotonic()
        with self._lock:
            self._file.write(f"{moment:.6f} {recipient}\n")

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        for recipient in envelope.rcpt_tos:
            self.add(recipient)
        return "250 2.0.0 OK"


def serve_gateway(port: int, notes: Notes) -> None:
    """Answers 202 to every SMS."""

    class Gateway(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            notes.add(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["to"])
            body = b'{"id": "1"}'
            self.send_response(202)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Silent."""

    ThreadingHTTPServer(("127.0.0.1", port), Gateway).serve_forever()


async def receive(port: int, notes: Notes) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(lambda: SMTP(notes, hostname="sink.test", loop=loop), "127.0.0.1", port)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    smtp_port, sms_port, notes = int(sys.argv[1]), int(sys.argv[2]), Notes(sys.argv[3])
    threading.Thread(target=serve_gateway, args=(sms_port, notes), daemon=True).start()
    asyncio.run(receive(smtp_port, notes))
