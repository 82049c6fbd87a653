"""The way in from Granian: its RSGI requests, handed to the product's WSGI callable on threads of this process.

Granian could speak WSGI itself, and a little faster. But WSGI (PEP 3333, after CGI) writes `X-Forwarded-For` and
`X_Forwarded_For` as one name, the later one wins, and a client could speak for our own proxy: HAProxy, Caddy and Apache
pass such names on. RSGI still has the names as they were sent, so whatever holds an underscore is dropped here, as
nginx does (RFC 9110 §17.10 warns of it). See docs/adr/0045-names-with-underscores.md.

What may cost a hash waits for its turn, and few threads take it (`turns.py`); everything else has threads of its own,
so that no rush at the sign-in holds up pages, files or signs of life. See docs/adr/0086-a-rush-is-bounded.md."""

import asyncio
import contextlib
import io
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any, Protocol

from massar.interfaces.base import turns
from massar.interfaces.base.turns import PlaceInLine, Turns

log = logging.getLogger("massar.web")
Environ = dict[str, Any]
Wsgi = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Answer = tuple[list[tuple[str, str]], bytes]  # headers and body
RETRY_AFTER = ("Retry-After", "5")
THREADS = 24  # they wait for the database; so many keep one core busy
HAS_TURN = "massar.has_turn"  # in the environ: whether the request may hash
SETTLED_WITHIN = 0.1  # seconds
LARGEST_BODY = 1024 * 1024  # bytes that are read, of all but lists; forms and call-backs have bounds of their own
SMALL_BODY = 64 * 1024  # bytes; no more than the server's bound of requests have so much at once (`backlog`)
LARGE_AT_ONCE = 8  # larger bodies that one process holds: 8 MiB, and as many lists of agents: 80 MiB
BODY_WITHIN = 25.0  # seconds; less than what is being answered is given when the server is told to stop
UNPREFIXED = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
BODILESS = ("GET", "HEAD", "OPTIONS")  # these have a body only where something is said of it
JOINED_BY = {"cookie": "; "}  # a name that came twice: RFC 9110 §5.3, and for cookies RFC 6265bis §5.6.3


@dataclass(eq=False)
class Call:
    """A request on its way. cookies: lines for the head of its answer, beside the answer's own. request: the same for
    `rush.py`, once that has looked at it."""

    told: Environ
    protocol: Any
    answered: asyncio.Future[None]
    cookies: list[tuple[str, str]] = field(default_factory=list)
    request: Any = None


class AdmissionControl(Protocol):
    """Who waits for a turn (`rush.py`)."""

    turns: Turns

    def by_turns(self, told: Environ) -> bool: ...

    def place(self, call: Call) -> PlaceInLine: ...

    def send_away(self, place: PlaceInLine) -> tuple[int, list[tuple[str, str]], bytes] | None: ...


class RsgiApplication:
    """An RSGI application. One for each process, made before it forks. beside: begins what else runs in each. largest:
    how many bytes are read of a request with this head. busy: said to whoever sends much while others do. rush: which
    requests wait for a turn; None: none does."""

    def __init__(
        self, wsgi: Wsgi, beside: Callable[[], None] = lambda: None,
        largest: Callable[[Environ], int] = lambda _: LARGEST_BODY, busy: Answer = ([], b""),
        rush: AdmissionControl | None = None,
    ):  # fmt: skip
        self.wsgi, self.beside, self.largest, self.busy, self.rush = wsgi, beside, largest, busy, rush
        self.large = {False: 0, True: 0}  # bodies that are held; True: lists of agents, whom no stranger is in the way

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiting: SimpleQueue[Call] = SimpleQueue()
        self.answered: deque[asyncio.Future[None]] = deque()
        self._settle_often()
        self.beside()
        serving: list[Callable[[], None]] = [self._serve] * THREADS
        if self.rush:
            serving[: turns.THREADS] = [partial(self._serve_turns, self.rush.turns)] * turns.THREADS
        for number, serve in enumerate(serving):
            threading.Thread(target=serve, name=f"web-{number}", daemon=True).start()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        self._settle()
        told = environ(scope)
        most = self.largest(told)
        held = _LargeBody(self.large, most > LARGEST_BODY)
        try:
            body = await self._body(told, protocol, most, held)
            if body is None:
                return
            told["wsgi.input"] = io.BytesIO(body)
            await self._until_answered(Call(told, protocol, self.loop.create_future()))
        finally:
            held.leave()

    async def _until_answered(self, call: Call) -> None:
        """What may hash waits for its turn, and leaves the line if its client goes. Who has one at once is not looked
        at."""
        rush = self.rush
        if rush is None or not rush.by_turns(call.told):
            self.waiting.put(call)
            await call.answered
            return
        if rush.turns.is_free:
            rush.turns.join(PlaceInLine(call))
            await call.answered
            return
        place = rush.place(call)
        if left := rush.turns.join(place):
            self._send_away(rush, left)
        if left is place:
            await call.answered
            return
        gone = asyncio.ensure_future(call.protocol.client_disconnect())
        gone.add_done_callback(lambda _: self._forget(rush, place))
        try:
            await call.answered
        finally:
            gone.cancel()

    def _forget(self, rush: AdmissionControl, place: PlaceInLine) -> None:
        if rush.turns.leave(place):  # and was not answered
            self._end(place.call.answered)

    def _send_away(self, rush: AdmissionControl, place: PlaceInLine) -> None:
        """Answer at once. Where the page has to say it itself, it does so without a turn."""
        call: Call = place.call
        with _a_fault_is_told(call):
            away = rush.send_away(place)
            if away is None:
                self.waiting.put(call)
                return
            call.protocol.response_bytes(*away)
        self._end(call.answered)

    async def _body(self, told: Environ, protocol: Any, most: int, place: "_LargeBody") -> bytes | None:
        """Whole, or empty beyond the bound, with a length that Django refuses. None: it did not come, and nobody waits
        for an answer. In pieces (RFC 9112 §7.1) and by HTTP/2 no length needs to be told: it is put where Django
        looks."""
        may_have_one = "CONTENT_LENGTH" not in told and told["REQUEST_METHOD"] not in BODILESS
        untold = may_have_one or "HTTP_TRANSFER_ENCODING" in told
        if not untold and not 0 < length(told) <= most:
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
        elif len(body) != length(told):  # cut on the way: half a form is another one (RFC 9112 §8)
            protocol.response_bytes(400, [("Connection", "close")], b"")
            return None
        return body

    def _settle(self) -> None:
        """End the calls whose answers have left. To wake the loop for each would cost more than all the rest."""
        while self.answered:
            self._end(self.answered.popleft())

    def _end(self, answered: asyncio.Future[None]) -> None:
        if not answered.done():  # given up when the server was told to stop
            answered.set_result(None)

    def _settle_often(self) -> None:
        self.loop.call_later(SETTLED_WITHIN, self._settle_often)
        self._settle()
        if self.rush:
            for place in self.rush.turns.late():
                self._send_away(self.rush, place)

    def _serve(self) -> None:
        while True:
            self._answer(self.waiting.get(), has_turn=self.rush is None)

    def _serve_turns(self, line: Turns) -> None:
        while True:
            self._answer(line.take().call, has_turn=True)
            line.end()

    def _answer(self, call: Call, *, has_turn: bool) -> None:
        call.told[HAS_TURN] = has_turn
        head: list[Any] = []
        with _a_fault_is_told(call):  # a thread that ended would be missing for good
            parts = self.wsgi(call.told, lambda status, headers, _=None: head.extend((status, headers)))
            try:
                body = b"".join(parts)
            finally:
                if hasattr(parts, "close"):
                    parts.close()
            status, headers = head
            call.protocol.response_bytes(int(status[:3]), [*headers, *call.cookies], body)
        self.answered.append(call.answered)


@contextlib.contextmanager
def _a_fault_is_told(call: Call) -> Iterator[None]:
    try:
        yield
    except Exception:
        part = call.told["PATH_INFO"].split("/")[1:2]  # what stands behind it may be the secret of a link
        log.exception("no answer to %s below /%s", call.told["REQUEST_METHOD"], *part or [""])
        with contextlib.suppress(Exception):  # it may have been the answer that could not be sent
            call.protocol.response_bytes(500, [], b"")


class _NoPlace(Exception):
    """As many large bodies are held as one process holds at once."""


class _LargeBody:
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


async def _read(protocol: Any, most: int, place: _LargeBody) -> bytes:
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


def length(told: Environ) -> int:
    said = told.get("CONTENT_LENGTH", "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 16 else 0
