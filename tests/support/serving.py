"""A server of the test's own on loopback: a site, a backend, a far end that keeps what it is asked."""

import asyncio
import contextlib
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from massar.interfaces.commands import bounces


@contextlib.contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """The server answers in a thread of its own while the block runs; afterwards both are gone."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class SiteAtWork:
    """A site on loopback; `asked` is what came: method, path and form."""

    origin: str
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


@contextlib.contextmanager
def site_at_work(answer: Callable[[str, str, dict[str, str]], tuple[int, str]]) -> Iterator[SiteAtWork]:
    """A site that answers as `answer(method, path, form)` says, with a status and where that leads, or ''."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            came = (self.command, self.path, dict(parse_qsl(body, strict_parsing=bool(body))))
            site.asked.append(came)
            status, location = answer(*came)
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = SiteAtWork(f"http://127.0.0.1:{server.server_port}")
    with serving(server):
        yield site


class Receiver:
    """Our LMTP server in a thread of its own; `taken` is what it was handed: (recipient, message). `answer` is said to
    each."""

    def __init__(self, port: int = 0):
        self.taken: list[tuple[str, bytes]] = []
        self.answer = "250 2.0.0 Taken"
        self.server = bounces.Server(self._take, hello="account.test")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._listening = asyncio.run_coroutine_threadsafe(self._listen(port), self._loop).result(10)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def _listen(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self.server.meet, "127.0.0.1", port, limit=bounces.LINE)

    async def _take(self, recipient: str, message: bytes) -> str:
        self.taken.append((recipient, message))
        return self.answer

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._listening.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
