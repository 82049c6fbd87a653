"""The far end of the demo's providers: a real mail server and a real SMS gateway on this machine.

    python -m massar.interfaces.demo.receiver --smtp-port 2525 --sms-port 2526 --store var/demo-inbox.sqlite3

Numbers, or names before the @, that end in 0001 are refused; 0002: the message arrives and the line is cut
before the answer; 0003: it takes three seconds. Prints nothing but errors; ends on SIGINT or SIGTERM, or with the
process that started it."""

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from massar.interfaces.demo.store import Store

LOOPBACK = "127.0.0.1"
LARGEST = 1024 * 1024
SLOW_SECONDS = 3.0
PARENT_CHECK_SECONDS = 1.0
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_HARD_CLOSE = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # SO_LINGER on, zero seconds: the other side sees a reset


def serve(smtp_port: int, sms_port: int, store_path: Path) -> None:
    """Until SIGINT or SIGTERM. Raises OSError when a port is taken. Runs in the main thread."""
    parent = os.getppid()  # before any port answers: whoever saw one answer may be killed at once
    store = Store(store_path)
    store.prepare()
    gateway = _Gateway((LOOPBACK, sms_port), _SmsRequest)
    gateway.store = store
    thread = threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        asyncio.run(_receive_mail(smtp_port, store, parent))
    finally:
        gateway.shutdown()
        gateway.server_close()
        thread.join()


def ending(recipient: str) -> str:
    """The four signs that choose a fault."""
    return recipient.partition("@")[0][-4:]


async def _receive_mail(port: int, store: Store, parent: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    made = partial(SMTP, _Mailbox(store), hostname="demo.localhost", data_size_limit=LARGEST, loop=loop)
    server = await loop.create_server(made, LOOPBACK, port)
    orphaned = asyncio.create_task(_stop_with_parent(stop, parent))
    await stop.wait()
    orphaned.cancel()
    server.close()


async def _stop_with_parent(stop: asyncio.Event, parent: int) -> None:
    """End with a demo that was killed: else its children would hold ports and store for ever."""
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_CHECK_SECONDS)
    stop.set()


class _Mailbox:
    def __init__(self, store: Store):
        self._store = store

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, to: str, options: list[str]) -> str:
        if ending(to) == "0001":
            return "550 5.1.1 No such mailbox"
        envelope.rcpt_tos.append(to)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        letter = message_from_bytes(envelope.original_content or b"", policy=default)
        faults = {ending(address) for address in envelope.rcpt_tos}
        if "0003" in faults:
            await asyncio.sleep(SLOW_SECONDS)
        for address in envelope.rcpt_tos:
            number = await asyncio.to_thread(
                self._store.add,
                kind="email", key=str(letter["Message-ID"] or ""), sender=str(letter["From"] or ""), recipient=address,
                subject=str(letter["Subject"] or ""), text=_body(letter, "plain"), html=_body(letter, "html"),
            )  # fmt: skip
        if "0002" in faults and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        return f"250 2.0.0 OK: kept as {number}"


def _body(letter: EmailMessage, subtype: str) -> str:
    part = letter.get_body((subtype,))
    return "\n".join(part.get_content().splitlines()) if part else ""


class _Gateway(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    store: Store


class _SmsRequest(BaseHTTPRequestHandler):
    """POST {"to": "+212…", "text": "…", "from": "MASSAR"} answers 202 {"id": "…"}."""

    server: _Gateway
    timeout = 30

    def do_POST(self) -> None:
        try:
            sms = self._read()
        except (ValueError, KeyError, TypeError):
            self._answer(400, {"error": "give to and text"})
            return
        fault = ending(sms["recipient"])
        if fault == "0001":
            self._answer(422, {"error": "no such number"})
            return
        if fault == "0003":
            time.sleep(SLOW_SECONDS)
        number = self.server.store.add(kind="sms", key=self.headers.get("Idempotency-Key", ""), **sms)
        if fault == "0002":
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HARD_CLOSE)
        else:
            self._answer(202, {"id": f"demo-{number}"})

    def _read(self) -> dict[str, str]:
        length = int(self.headers["Content-Length"])
        if not 0 < length <= LARGEST:
            raise ValueError(length)
        body = json.loads(self.rfile.read(length))
        to, text, sender = body["to"], body["text"], body.get("from", "")
        if not (to and text and all(isinstance(value, str) for value in (to, text, sender)) and _NUMBER.fullmatch(to)):
            raise ValueError("not a message")
        return {"sender": sender, "recipient": to, "subject": "", "text": text}

    def _answer(self, status: int, answer: dict[str, str]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object, **named: object) -> None:
        """Silent: the terminal belongs to the demo."""


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="massar.interfaces.demo.receiver", description=__doc__.partition("\n")[0])
    parser.add_argument("--smtp-port", type=int, required=True, help="port of the mail server on 127.0.0.1")
    parser.add_argument("--sms-port", type=int, required=True, help="port of the SMS gateway on 127.0.0.1")
    parser.add_argument("--store", type=Path, required=True, help="SQLite file that keeps what arrives")
    asked = parser.parse_args(words)
    try:
        serve(asked.smtp_port, asked.sms_port, asked.store)
    except OSError as problem:
        print(f"The demo's phone and mailbox can't start: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
