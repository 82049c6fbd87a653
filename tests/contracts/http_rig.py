"""A real SMS gateway stand-in over the socket, with the faults that gateways have."""

import json
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # the default of 5 drops connections when a dozen threads come at once


class Gateway:
    """`mood`: empty, a status number, `cut_before`, `cut_after`, `silent`, `drip`, `huge`, `redirect`,
    `garbage`, `lost_body`, `short_body`, or a delay in seconds. `requests`: (path, headers, body) of all that was read.

    `answer` is sent as JSON, bytes as they are; `headers` go with it. `keeps`: connections stay open (HTTP/1.1), and
    `lines` counts them, `closed` those that are over. `hangs_up`: closes each connection after its answer, unsaid.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, *, keeps: bool = False):
        self.mood: str | int | float = ""
        self.answer: object = {"id": "gw-1"}
        self.requests: list[tuple[str, dict[str, str], dict]] = []
        self.headers: dict[str, str] = {}
        self.lines = self.closed = 0
        self.hangs_up = False
        self._ended = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self, "HTTP/1.1" if keeps else "HTTP/1.0"))
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        if self.mood == "cut_before":
            return _cut(handler)
        kind, length = handler.headers["Content-Type"] or "", int(handler.headers["Content-Length"] or 0)
        sent = handler.rfile.read(length)
        if "xml" in kind:  # gateways speak JSON, sites take a form or an envelope
            body = {"envelope": sent.decode()}
        else:
            body = json.loads(sent) if "json" in kind else dict(parse_qsl(sent.decode()))
        self.requests.append((handler.path, dict(handler.headers), body))
        if self.mood == "cut_after":
            return _cut(handler)
        if self.mood == "silent":
            self._ended.wait(5)
            return None
        return self._respond(handler)

    def _respond(self, handler: BaseHTTPRequestHandler) -> None:
        body = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        if self.hangs_up:
            handler.close_connection = True
        if self.mood == "drip":
            handler.wfile.write(b"HTTP/1.1 ")
            while not self._ended.wait(0.05):
                handler.wfile.write(b".")
        elif self.mood == "garbage":
            handler.wfile.write(b"220 mail.test ESMTP\r\n\r\n")
        elif self.mood == "huge":
            _answer(handler, 200, b'{"id": "' + b"9" * 200_000 + b'"}')
        elif self.mood == "lost_body":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
            _cut(handler)
        elif self.mood == "short_body":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + body)
            handler.close_connection = True
        elif self.mood == "redirect":
            _answer(handler, 307, b"", Location=f"http://127.0.0.1:{self.port}/elsewhere")
        elif isinstance(self.mood, int):
            _answer(handler, self.mood, body, **self.headers)
        else:
            time.sleep(self.mood or 0)
            _answer(handler, 200, body, **self.headers)


def _handler(gateway: Gateway, version: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = version

        def setup(self):
            super().setup()
            gateway.lines += 1

        def finish(self):
            super().finish()
            self.connection.close()
            gateway.closed += 1

        def do_POST(self):
            try:
                gateway.serve(self)
            except OSError:
                self.close_connection = True

        do_GET = do_POST

        def log_message(self, *words):
            """Silent: tests read `requests`."""

    return Handler


def _cut(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def _answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
