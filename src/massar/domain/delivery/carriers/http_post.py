"""One POST over HTTP(S) on a connection of its own, and what became of it. Redirects are not followed: they would carry
what is secret to an address that nobody configured.
"""

import http.client
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .contract import CarrierOptions, NotSent, Result, Unsure, trouble
from .wire import curfew, dial


class Place(NamedTuple):
    """`target` is path and query as they go into the request line."""

    secure: bool
    host: str
    port: int
    target: str


class Poster:
    """Speaks to places with one set of times; `tls` is used where a place is secure."""

    def __init__(self, options: CarrierOptions, tls: ssl.SSLContext | None):
        self._options, self._tls = options, tls

    def post(
        self,
        place: Place,
        body: bytes,
        headers: Mapping[str, str],
        judge: Callable[[http.client.HTTPResponse], Result],
    ) -> Result:
        """`judge` turns an answer into a result. Before everything has left it is NotSent, without an answer Unsure."""
        try:
            line = dial(place.host, place.port, self._options.connect_timeout)
        except OSError as problem:
            return NotSent(trouble(problem))
        with line, curfew(line, self._options.total_timeout) as time:
            result = self._exchange(line, place, body, headers, judge)
        if time.over and isinstance(result, NotSent | Unsure):
            return type(result)("the conversation took too long")
        return result

    def reach(self, place: Place) -> None:
        """Connects and verifies the certificate; nothing is asked. Raises OSError or ValueError."""
        line = dial(place.host, place.port, self._options.connect_timeout)
        with line, curfew(line, self._options.total_timeout):
            self._secured(line, place).close()

    def _secured(self, line: socket.socket, place: Place) -> socket.socket:
        return self._tls.wrap_socket(line, server_hostname=place.host) if place.secure else line

    def _exchange(self, line, place: Place, body: bytes, headers, judge) -> Result:
        try:
            connection = http.client.HTTPConnection(place.host, place.port)
            connection.auto_open = 0
            connection.sock = line = self._secured(line, place)
            line.settimeout(self._options.answer_timeout)
            _write(connection, place, body, headers)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            return NotSent(trouble(problem))
        with line:
            return _answered(connection, judge)


def _write(connection: http.client.HTTPConnection, place: Place, body: bytes, headers) -> None:
    connection.putrequest("POST", place.target, skip_accept_encoding=True)
    ours = {"User-Agent": "massar-account", **headers}
    for name, value in {**ours, "Content-Length": str(len(body)), "Connection": "close"}.items():
        connection.putheader(name, value)
    connection.endheaders(body)


def _answered(connection: http.client.HTTPConnection, judge) -> Result:
    try:
        answer = connection.getresponse()
    except http.client.RemoteDisconnected:
        return Unsure("the other side hung up without an answer")
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return Unsure(trouble(problem))
    return judge(answer)
