"""A server of the test's own on loopback: a site, a backend, a far end that keeps what it is asked."""

import contextlib
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl


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
