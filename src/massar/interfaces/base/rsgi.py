"""The way in from Granian: its RSGI requests, handed to the product's WSGI callable on threads of this process.

Granian could speak WSGI itself, and a little faster. But WSGI (PEP 3333, after CGI) writes `X-Forwarded-For` and
`X_Forwarded_For` as one name, the later one wins, and a client could speak for our own proxy: HAProxy, Caddy and Apache
pass such names on. RSGI still has the names as they were sent, so whatever holds an underscore is dropped here, as
nginx does (RFC 9110 §17.10 warns of it). See docs/adr/0045-names-with-underscores.md."""

import asyncio
import contextlib
import io
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any

log = logging.getLogger("massar.web")
Environ = dict[str, Any]
Wsgi = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Answer = tuple[list[tuple[str, str]], bytes]  # headers and body
RETRY_AFTER = ("Retry-After", "5")
THREADS = 24  # they wait for the hash gate and the database; so many keep one core busy
SETTLED_WITHIN = 0.1  # seconds
LARGEST_BODY = (
    1024 * 1024
)  # bytes that are read, of all but lists; every form and call-back is judged against a bound of its own
SMALL_BODY = 64 * 1024  # bytes; no more than the server's bound of requests have so much at once (`backlog`)
LARGE_AT_ONCE = 8  # larger bodies that one process holds: 8 MiB, and as many lists of agents: 80 MiB
BODY_WITHIN = 25.0  # seconds; less than what is being answered is given when the server is told to stop
UNPREFIXED = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
BODILESS = ("GET", "HEAD", "OPTIONS")  # these have a body only where something is said of it
JOINED_BY = {"cookie": "; "}  # a name that came twice: RFC 9110 §5.3, and for cookies RFC 6265bis §5.6.3


class RsgiApplication:
    """An RSGI application. One for each process, made before it forks. beside: begins what else runs in each. largest:
    how many bytes are read of a request with this head. busy: said to whoever sends much while others do."""

    def __init__(
        self, wsgi: Wsgi, beside: Callable[[], None] = lambda: None,
        largest: Callable[[Environ], int] = lambda _: LARGEST_BODY, busy: Answer = ([], b""),
    ):  # fmt: skip
        self.wsgi, self.beside, self.largest, self.busy = wsgi, beside, largest, busy
        self.large = {False: 0, True: 0}  # bodies that are held; True: lists of agents, whom no stranger is in the way

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiting: SimpleQueue[tuple[Environ, Any, asyncio.Future[None]]] = SimpleQueue()
        self.answered: deque[asyncio.Future[None]] = deque()
        self._settle_often()
        self.beside()
        for number in range(THREADS):
            threading.Thread(target=self._serve, name=f"web-{number}", daemon=True).start()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        self._settle()
        told = environ(scope)
        most = self.largest(told)
        place = _Place(self.large, most > LARGEST_BODY)
        try:
            body = await self._body(told, protocol, most, place)
            if body is None:
                return
            told["wsgi.input"] = io.BytesIO(body)
            answered = self.loop.create_future()
            self.waiting.put((told, protocol, answered))
            await answered
        finally:
            place.leave()

    async def _body(self, told: Environ, protocol: Any, most: int, place: "_Place") -> bytes | None:
        """Whole, or empty beyond the bound, with a length that Django refuses. None: it did not come, and nobody waits
        for an answer. In pieces (RFC 9112 §7.1) and by HTTP/2 no length needs to be told: it is put where Django
        looks."""
        may_have_one = "CONTENT_LENGTH" not in told and told["REQUEST_METHOD"] not in BODILESS
        untold = may_have_one or "HTTP_TRANSFER_ENCODING" in told
        if not untold and not 0 < _length(told) <= most:
            return b""
        reading = self.loop.create_task(_read(protocol, most, place))
        await asyncio.wait([reading], timeout=BODY_WITHIN)
        if not reading.done():
            reading.cancel()
            protocol.response_bytes(408, [("Connection", "close")], b"")
            return None
        if isinstance(reading.exception(), _NoPlace):
            headers, page = self.busy
            protocol.response_bytes(503, [*headers, RETRY_AFTER, ("Connection", "close")], page)
            return None
        if isinstance(reading.exception(), RuntimeError):
            return None  # whoever sent it has gone
        body = reading.result()
        if untold:
            told["CONTENT_LENGTH"] = str(len(body))
            body = body if len(body) <= most else b""
        elif len(body) != _length(told):  # cut on the way: half a form is another one (RFC 9112 §8)
            protocol.response_bytes(400, [("Connection", "close")], b"")
            return None
        return body

    def _settle(self) -> None:
        """End the calls whose answers have left. To wake the loop for each would cost more than all the rest."""
        while self.answered:
            call = self.answered.popleft()
            if not call.done():  # given up when the server was told to stop
                call.set_result(None)

    def _settle_often(self) -> None:
        self._settle()
        self.loop.call_later(SETTLED_WITHIN, self._settle_often)

    def _serve(self) -> None:
        while True:
            told, protocol, answered = self.waiting.get()
            try:
                self._answer(told, protocol)
            except Exception:  # a thread that ended would be missing for good
                part = told["PATH_INFO"].split("/")[1:2]  # what stands behind it may be the secret of a link
                log.exception("no answer to %s below /%s", told["REQUEST_METHOD"], *part or [""])
                with contextlib.suppress(Exception):  # it may have been the answer that could not be sent
                    protocol.response_bytes(500, [], b"")
            finally:
                self.answered.append(answered)

    def _answer(self, told: Environ, protocol: Any) -> None:
        head: list[Any] = []
        parts = self.wsgi(told, lambda status, headers, _=None: head.extend((status, headers)))
        try:
            body = b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        status, headers = head
        protocol.response_bytes(int(status[:3]), headers, body)


class _NoPlace(Exception):
    """As many large bodies are held as one process holds at once."""


class _Place:
    """The place of one large body, until it is answered. Of the loop's thread alone."""

    def __init__(self, taken: dict[bool, int], of_agent: bool):
        self._taken, self._of_agent, self._held = taken, of_agent, False

    def take(self) -> None:
        """Raises _NoPlace."""
        if not self._held:
            if self._taken[self._of_agent] >= LARGE_AT_ONCE:
                raise _NoPlace
            self._taken[self._of_agent] += 1
            self._held = True

    def leave(self) -> None:
        self._taken[self._of_agent] -= self._held
        self._held = False


async def _read(protocol: Any, most: int, place: _Place) -> bytes:
    body = bytearray()
    async for piece in protocol:
        body += piece
        if len(body) > SMALL_BODY:
            place.take()
        if len(body) > most:
            break
    return bytes(body)


def environ(scope: Any) -> Environ:
    """Return the request as PEP 3333 has it, without its body; nothing of the process's own environment is in it."""
    server, _, port = scope.server.rpartition(":")
    told: Environ = {
        "REQUEST_METHOD": scope.method, "SCRIPT_NAME": "", "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string, "SERVER_NAME": server.strip("[]"), "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}", "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0), "wsgi.url_scheme": scope.scheme, "wsgi.errors": sys.stderr, "wsgi.multithread": True,
        "wsgi.multiprocess": True, "wsgi.run_once": False,
    }  # fmt: skip
    for name, value in scope.headers.items():
        if "_" in name:
            continue
        key = UNPREFIXED.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
        told[key] = f"{told[key]}{JOINED_BY.get(name, ',')}{value}" if key in told else value
    # HTTP/2 has it apart (RFC 9113 §8.3.1). Empty is refused: the server's own name must not stand in for it.
    told.setdefault("HTTP_HOST", scope.authority or "")
    return told


def _length(told: Environ) -> int:
    said = told.get("CONTENT_LENGTH", "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 16 else 0
