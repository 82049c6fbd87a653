"""One browser on one warm connection: real cookies, the real form token, real redirects, no time spent on comfort.

It speaks as the proxy in front of the server would: https outside, the browser's address in X-Forwarded-For.
"""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from urllib.parse import urlencode

from bench.place import HOST

TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="([^"]+)"')
ASK_ID = re.compile(rb'name="ask_id" value="([^"]+)"')
TIMEOUT = 30.0


@dataclass(frozen=True)
class Answer:
    """`seconds` from the first byte sent to the last byte received; `size` of head and body on the wire, bytes."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    seconds: float
    size: int

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")


class Browser:
    """Cookies in `jar`. `address` is the one the proxy reports."""

    def __init__(self, port: int, address: str = "192.0.2.1"):
        self.jar: dict[str, str] = {}
        self.address = address
        self.token = ""
        self._fresh: tuple[str, dict[str, str]] = ("", {})
        self._port = port
        self._socket = self._connect()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def get(self, path: str, **headers: str) -> Answer:
        answer = self._exchange(self._head("GET", path, headers) + b"\r\n")
        found = TOKEN.search(answer.body)
        if found:
            self.token = found[1].decode()
        return answer

    def post(self, path: str, fields: dict[str, str]) -> Answer:
        return self.send(self.prepared(path, fields))

    def prepared(self, path: str, fields: dict[str, str]) -> bytes:
        """The whole request as bytes, so that nothing but the exchange is timed."""
        body = urlencode({"csrfmiddlewaretoken": self.token, **fields}).encode()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": str(len(body)),
            "Origin": f"https://{HOST}",
        }
        return self._head("POST", path, headers) + b"\r\n" + body

    def send(self, request: bytes) -> Answer:
        return self._exchange(request)

    def call(self, path: str, fields: dict[str, str], headers: dict[str, str]) -> Answer:
        """A post as a site's server sends it: no cookies, no form token, no origin."""
        body = urlencode(fields).encode()
        headers = {
            **headers,
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": str(len(body)),
        }
        kept, self.jar = self.jar, {}
        try:
            return self._exchange(self._head("POST", path, headers) + b"\r\n" + body)
        finally:
            self.jar = kept

    def remember_form(self) -> None:
        """The state in which a browser has fetched a form and nothing else: token and cookies."""
        self._fresh = (self.token, dict(self.jar))

    def as_with_form(self) -> None:
        """Back to that state: another person's browser, which nobody has signed in with."""
        self.token, self.jar = self._fresh[0], dict(self._fresh[1])

    def _head(self, method: str, path: str, headers: dict[str, str]) -> bytes:
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {HOST}",
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Accept: text/html",
            "X-Forwarded-Proto: https",
            f"X-Forwarded-For: {self.address}",
        ]
        if self.jar:
            lines.append("Cookie: " + "; ".join(f"{k}={v}" for k, v in self.jar.items()))
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, ""]).encode()

    def _exchange(self, request: bytes) -> Answer:
        start = time.perf_counter()
        self._socket.sendall(request)
        head, rest = self._read_head()
        status, headers = _parsed(head)
        body = self._read_body(headers, rest, status)
        seconds = time.perf_counter() - start
        self._keep_cookies(headers)
        return Answer(status, headers, body, seconds, len(head) + 4 + len(body))

    def _read_head(self) -> tuple[bytes, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionError("the server closed the connection")
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        return head, rest

    def _read_body(self, headers: list[tuple[str, str]], data: bytes, status: int) -> bytes:
        fields = dict(headers)
        if fields.get("transfer-encoding") == "chunked":
            return self._read_chunks(data)
        wanted = int(fields.get("content-length", 0))
        while len(data) < wanted:
            data += self._socket.recv(65536)
        return data

    def _read_chunks(self, data: bytes) -> bytes:
        while not data.endswith(b"0\r\n\r\n"):
            data += self._socket.recv(65536)
        body = b""
        while data:
            size, _, data = data.partition(b"\r\n")
            body += data[: int(size, 16)]
            data = data[int(size, 16) + 2 :]
        return body

    def _keep_cookies(self, headers: list[tuple[str, str]]) -> None:
        for name, value in headers:
            if name == "set-cookie":
                pair = value.partition(";")[0]
                key, _, content = pair.partition("=")
                if content.strip('"'):
                    self.jar[key] = content
                else:
                    self.jar.pop(key, None)


def _parsed(head: bytes) -> tuple[int, list[tuple[str, str]]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split()[1]), [(name.lower(), value.strip()) for name, _, value in pairs]
