"""One request over HTTP(S), and its answer or what became of it. Redirects are not followed: they would carry what is
secret to an address that nobody configured.

A connection may be kept for the next request. When a kept one turns out to be dead, the request goes again on a new
one only if it surely had not left as a whole; otherwise the outcome is OutcomeUnknown, as on any connection.
"""

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from massar.domain.delivery.provider import MESSAGE, NotTransmitted, OutcomeUnknown, ProviderOptions, trouble
from massar.providers.connect import Curfew, curfew, dial

LARGEST_ANSWER = 64 * 1024
MOST_KEPT = 8
# Common servers close an idle connection after 5 seconds, and some say so in their answer.
KEPT_SECONDS, LONGEST_KEPT_SECONDS = 4.0, 60.0
_KEEP_ALIVE = re.compile(r"timeout=(\d{1,6})", re.IGNORECASE)
TOO_LONG = "the conversation took too long"


class Place(NamedTuple):
    """`target` is path and query as they go into the request line."""

    secure: bool
    host: str
    port: int
    target: str


class Call(NamedTuple):
    """A request: method, place, headers and body as they leave. Only a POST has a body."""

    method: str
    place: Place
    headers: Mapping[str, str]
    body: bytes = b""


class Answer(NamedTuple):
    """`headers` by small letters; `body` is None if it broke off or is larger than LARGEST_ANSWER."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


class Caller:
    """Speaks to places with one set of times; `tls` is used where a place is secure. For any number of threads."""

    def __init__(self, options: ProviderOptions, tls: ssl.SSLContext | None, *, keeps: bool = False):
        self._options, self._tls, self._keeps = options, tls, keeps
        self._kept: list[_Line] = []
        self._lock = threading.Lock()

    def ends(self) -> float:
        """The moment, on the monotonic clock, at which everything that begins now must be over."""
        return time.monotonic() + self._options.longest.total_seconds()

    def ask(self, call: Call, *, ends: float | None = None) -> Answer | NotTransmitted | OutcomeUnknown:
        """Before everything has left it is NotTransmitted, without an answer OutcomeUnknown."""
        ends = self.ends() if ends is None else ends
        line = self._take(call.place)
        if line:
            result = self._talk(line, call, ends)
            if not isinstance(result, NotTransmitted):
                return result
        line = self._reach(call.place, ends)
        return self._talk(line, call, ends) if isinstance(line, _Line) else line

    def reach(self, place: Place) -> NotTransmitted | None:
        """Connects and verifies the certificate; nothing is asked. NotTransmitted says what is wrong."""
        line = self._reach(place, self.ends())
        return line.close() if isinstance(line, _Line) else line

    def _reach(self, place: Place, ends: float) -> "_Line | NotTransmitted":
        left = ends - time.monotonic()
        if left <= 0:
            return NotTransmitted(TOO_LONG)
        limit = Curfew()
        try:
            line = _Line(dial(place.host, place.port, min(self._options.connect_timeout, left / 2)), place)
            with curfew(line.handle, self._seconds(ends)) as limit:
                line.secure(self._tls)
        except (OSError, ValueError) as problem:
            return NotTransmitted(TOO_LONG if limit.over else trouble(problem))
        return line

    def _talk(self, line: "_Line", call: Call, ends: float) -> Answer | NotTransmitted | OutcomeUnknown:
        with curfew(line.handle, self._seconds(ends)) as limit:
            result = line.exchange(call, self._options.answer_timeout, keeps=self._keeps)
        if limit.over and isinstance(result, NotTransmitted | OutcomeUnknown):
            result = replace(result, why=TOO_LONG)
        if line.kept_until and not limit.over:
            self._put(line)
        else:
            line.close()
        return result

    def _seconds(self, ends: float) -> float:
        return max(0.0, min(self._options.total_timeout, ends - time.monotonic()))

    def _take(self, place: Place) -> "_Line | None":
        """A kept connection on which the other side has said nothing since, not even goodbye."""
        found, dead = None, []
        with self._lock:
            for line in list(self._kept):
                if not line.quiet():
                    self._kept.remove(line)
                    dead.append(line)
                elif found is None and line.place[:3] == place[:3]:
                    self._kept.remove(line)
                    found = line
        for line in dead:
            line.close()
        return found

    def _put(self, line: "_Line") -> None:
        with self._lock:
            room = len(self._kept) < MOST_KEPT
            if room:
                self._kept.append(line)
        if not room:
            line.close()


class _Line:
    """One connection. `kept_until` is 0 while it must not serve again."""

    def __init__(self, raw: socket.socket, place: Place):
        self.place, self.kept_until = place, 0.0
        # Wrapping in TLS takes the first descriptor away; this one can still cut the line.
        self.handle = raw.dup()
        self.handle.settimeout(0)
        self._socket = raw
        self._http = http.client.HTTPConnection(place.host, place.port)
        self._http.auto_open = 0
        # The Host header leaves the scheme's own port out (RFC 9110 §7.2).
        self._http.default_port = 443 if place.secure else 80

    def secure(self, tls: ssl.SSLContext | None) -> None:
        try:
            if self.place.secure:
                self._socket = tls.wrap_socket(self._socket, server_hostname=self.place.host)
        except (OSError, ValueError):
            self.close()
            raise
        self._http.sock = self._socket

    def exchange(self, call: Call, patience: float, *, keeps: bool) -> Answer | NotTransmitted | OutcomeUnknown:
        self.kept_until = 0.0
        try:
            self._socket.settimeout(patience)
            self._write(call, keeps)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            return NotTransmitted(trouble(problem), MESSAGE)
        try:
            answer = self._http.getresponse()
        except http.client.RemoteDisconnected:
            return OutcomeUnknown("the other side hung up without an answer")
        except (OSError, http.client.HTTPException, ValueError) as problem:
            return OutcomeUnknown(trouble(problem))
        return self._read(answer, keeps)

    def _write(self, call: Call, keeps: bool) -> None:
        self._http.putrequest(call.method, call.place.target, skip_accept_encoding=True)
        ours = {"User-Agent": "massar-account", **call.headers}
        if call.method == "POST":
            ours["Content-Length"] = str(len(call.body))
        for name, value in {**ours, "Connection": "keep-alive" if keeps else "close"}.items():
            self._http.putheader(name, value)
        self._http.endheaders(call.body or None)

    def _read(self, answer: http.client.HTTPResponse, keeps: bool) -> Answer:
        headers = {name.lower(): value for name, value in answer.getheaders()}
        try:
            body = answer.read(LARGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException, ValueError):
            return Answer(answer.status, headers, None)
        if len(body) > LARGEST_ANSWER or answer.length:
            return Answer(answer.status, headers, None)
        if keeps and answer.isclosed() and not answer.will_close:
            self.kept_until = time.monotonic() + _patience(headers.get("keep-alive", ""))
        return Answer(answer.status, headers, body)

    def quiet(self) -> bool:
        """Whether it may serve again: in time, and nothing has come, not even the other side's goodbye."""
        try:
            self.handle.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return time.monotonic() < self.kept_until
        except OSError:
            return False
        return False

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()
        self.handle.close()


def _patience(said: str) -> float:
    """How long the other side keeps the connection, less a second for the way."""
    found = _KEEP_ALIVE.search(said)
    return min(float(found[1]) - 1, LONGEST_KEPT_SECONDS) if found else KEPT_SECONDS
