"""One request over HTTP(S), and its response or what became of it: urllib3, with three promises that it does not make.

All of a call ends at one moment, however slowly the other side drips. A failure says whether the request may have left
as a whole. A connection that rests is not used longer than the other side keeps it. Redirects are not followed: they
would carry what is secret to an address that nobody configured; and no proxy is taken from the environment."""

import http.client
import logging
import re
import threading
import time
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from massar.core.loopback import is_loopback
from massar.domain.delivery.provider import MESSAGE, NOTHING, NotTransmitted, OutcomeUnknown, ProviderOptions
from massar.providers.connect import TOO_LONG, TimedSocket, connect, describe, tls_context

LARGEST_BODY = 64 * 1024
MOST_KEPT = 32
# Common servers close an idle connection after 5 seconds, and some say so in their answer.
KEPT_SECONDS, LONGEST_KEPT_SECONDS = 4.0, 60.0
_KEEP_ALIVE = re.compile(r"timeout=(\d{1,6})", re.IGNORECASE)
_FAILURES = (HTTPError, OSError, http.client.HTTPException, ValueError)

# It logs addresses, and a gateway's address may hold the text of a message.
logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)


class Origin(NamedTuple):
    secure: bool
    host: str
    port: int


def split_address(parts: SplitResult) -> tuple[Origin, str]:
    """The origin of an address that names a host, and its target: path and query as they go into the request line."""
    secure = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Origin(secure, parts.hostname or "", parts.port or (443 if secure else 80)), target


def read_address(url: object) -> tuple[Origin, str]:
    """The same of a gateway or a token server, in settings. Raises ValueError with the rest of a sentence."""
    if not isinstance(url, str):
        raise ValueError("must be an address, in quotes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("has a host or port that is wrong") from None
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("holds signs that must be percent-encoded")
    if parts.scheme not in ("https", "http") or not parts.hostname or "{" in parts.netloc or port == 0:
        raise ValueError("must begin with https:// and name a host")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("holds a user or a #: keys go into auth or headers")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("names another machine, which must be reached by https://")
    return split_address(parts)


class HttpRequest(NamedTuple):
    """`target`: see split_address. Only a POST has a body."""

    method: str
    origin: Origin
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


class HttpResponse(NamedTuple):
    """`headers` by small letters; `body` is None if it broke off or is larger than LARGEST_BODY."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


Answer = HttpResponse | NotTransmitted | OutcomeUnknown


class _Stage(Enum):
    BEGUN = "no connection yet"
    KEPT = "on a kept connection, and not all of it left"
    CONNECTED = "on a new connection, and not all of it left"
    TRANSMITTED = "all of it left"


class _Call(threading.local):
    """The call of this thread: when it must end, and how far it came."""

    ends = 0.0
    longest = 0.0  # of the exchange alone
    patience = 0.0
    stage = _Stage.BEGUN


class _Tracked(HTTPConnection):
    """A connection that keeps the limits of the call it serves, and tells it how far it came."""

    def __init__(self, *args: Any, call: _Call, **options: Any):
        super().__init__(*args, **options)
        self._call = call
        self.kept_until = 0.0

    def _new_conn(self) -> TimedSocket:
        seconds = min(float(self.timeout or 0), (self._call.ends - time.monotonic()) / 2)
        if seconds <= 0:
            raise TimeoutError(TOO_LONG)
        return connect(self.host, self.port, seconds)

    def connect(self) -> None:
        self._call.stage = _Stage.BEGUN
        super().connect()
        self._call.stage = _Stage.CONNECTED
        self._limit()

    def request(self, *args: Any, **options: Any) -> None:
        if self.sock is not None and self._call.stage is _Stage.BEGUN:
            self._call.stage = _Stage.KEPT
        self._limit()
        super().request(*args, **options)
        self._call.stage = _Stage.TRANSMITTED

    def _limit(self) -> None:
        self._call.ends = min(self._call.ends, time.monotonic() + self._call.longest)
        if isinstance(self.sock, TimedSocket):
            self.sock.limit(self._call.ends, self._call.patience)

    @property
    def is_connected(self) -> bool:
        """Whether it may serve again: in time, and nothing has come, not even the other side's goodbye."""
        return time.monotonic() < self.kept_until and super().is_connected


class _TrackedTls(_Tracked, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Tracked


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TrackedTls


class HttpClient:
    """Speaks to servers with one set of times. For any number of threads. `secure`: TLS is of use there; `keep_alive`:
    keep connections for the next request. Raises ProviderSettingError."""

    def __init__(self, options: ProviderOptions, *, secure: bool, keep_alive: bool = False):
        self._options, self._keep_alive = options, keep_alive
        self._tls = tls_context(options.ca_file) if secure else None
        self._timeout = Timeout(connect=options.connect_timeout, read=options.answer_timeout)
        self._pools: dict[Origin, HTTPConnectionPool] = {}
        self._call = _Call()

    def ends(self) -> float:
        """The moment, on the monotonic clock, at which everything that begins now must be over."""
        return time.monotonic() + self._options.longest.total_seconds()

    def send(self, request: HttpRequest, *, ends: float | None = None) -> Answer:
        """Ask, once. On a kept connection that turns out to be dead, ask again if the request surely had not left.
        NotTransmitted before all of it has left, OutcomeUnknown after that without an answer."""
        self._begin(self.ends() if ends is None else ends)
        pool = self._pool(request.origin)
        own = {"Accept-Encoding": "identity", "Connection": "keep-alive" if self._keep_alive else "close"}
        headers = {"User-Agent": "massar-account", **request.headers, **own}
        try:
            while True:
                self._call.stage = _Stage.BEGUN
                try:
                    response = pool.urlopen(
                        request.method, request.target, request.body or None, headers, retries=False, redirect=False,
                        timeout=self._timeout, preload_content=False, decode_content=False,
                    )  # fmt: skip
                    return self._read(response)
                except _FAILURES as problem:
                    stage = self._call.stage
                    if stage is _Stage.TRANSMITTED:
                        return OutcomeUnknown(self._why(problem))
                    if stage is not _Stage.KEPT:
                        return NotTransmitted(self._why(problem), MESSAGE if stage is _Stage.CONNECTED else NOTHING)
        finally:
            if not self._keep_alive:
                pool.close()

    def reach(self, origin: Origin) -> NotTransmitted | None:
        """Connect and verify the certificate; ask nothing. NotTransmitted says what is wrong."""
        self._begin(self.ends())
        options = {"ssl_context": self._tls} if origin.secure else {}
        made = _TrackedTls if origin.secure else _Tracked
        connection = made(origin.host, origin.port, timeout=self._options.connect_timeout, call=self._call, **options)
        try:
            connection.connect()
        except _FAILURES as problem:
            return NotTransmitted(self._why(problem))
        finally:
            connection.close()
        return None

    def _begin(self, ends: float) -> None:
        call, options = self._call, self._options
        call.ends, call.longest, call.patience = ends, options.total_timeout, options.answer_timeout

    def _pool(self, origin: Origin) -> HTTPConnectionPool:
        found = self._pools.get(origin)
        if found is None:
            options: dict[str, Any] = {"maxsize": MOST_KEPT if self._keep_alive else 1, "call": self._call}
            options |= {"ssl_context": self._tls} if origin.secure else {}
            found = (_TlsPool if origin.secure else _Pool)(origin.host, origin.port, **options)
            if self._keep_alive:
                found = self._pools.setdefault(origin, found)
        return found

    def _read(self, response: BaseHTTPResponse) -> HttpResponse:
        headers = {name.lower(): value for name, value in response.headers.items()}
        if self._keep_alive and isinstance(response.connection, _Tracked):
            said = _KEEP_ALIVE.search(headers.get("keep-alive", ""))
            seconds = min(float(said[1]) - 1, LONGEST_KEPT_SECONDS) if said else KEPT_SECONDS  # one for the way
            response.connection.kept_until = time.monotonic() + seconds
        try:
            body: bytes | None = response.read(LARGEST_BODY + 1)
        except _FAILURES:
            body = None
        if body is None or len(body) > LARGEST_BODY or response.length_remaining:
            body = None
            response.close()
        response.release_conn()
        return HttpResponse(response.status, headers, body)

    def _why(self, problem: BaseException) -> str:
        if time.monotonic() >= self._call.ends:
            return TOO_LONG
        while isinstance(problem, HTTPError):
            inner = problem.__cause__ or next((one for one in problem.args if isinstance(one, Exception)), None)
            if inner is None:
                break
            problem = inner
        if isinstance(problem, http.client.RemoteDisconnected):
            return "the other side hung up without an answer"
        return describe(problem)
