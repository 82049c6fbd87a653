"""One browser on one warm connection: real cookies, the real form token, real redirects, no time spent on comfort.

It speaks as the proxy in front of the server would: https outside, the browser's address in X-Forwarded-For.
"""

import html
import re
import socket
import time
from dataclasses import dataclass
from urllib.parse import urlencode

from bench.place import HOST

TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="([^"]+)"')
OPTIONS = re.compile(rb'action="/sign-in/passkey/"[^>]*data-options="([^"]+)"')
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
    """Cookies in `jar`. `address` is the one the proxy reports. `passkey_options`: what the last sign-in page asks."""

    def __init__(self, port: int, address: str = "192.0.2.1"):
        self.jar: dict[str, str] = {}
        self.address = address
        self.token = self.passkey_options = ""
        self._fresh: tuple[str, dict[str, str]] = ("", {})
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, path: str, **headers: str) -> Answer:
        answer = self._exchange(self._request("GET", path, headers))
        found = TOKEN.search(answer.body)
        if found:
            self.token = found[1].decode()
        asked = OPTIONS.search(answer.body)
        if asked:
            self.passkey_options = html.unescape(asked[1].decode())
        return answer

    def post(self, path: str, fields: dict[str, str]) -> Answer:
        body = urlencode({"csrfmiddlewaretoken": self.token, **fields}).encode()
        return self._exchange(self._request("POST", path, {"Origin": f"https://{HOST}"}, body))

    def call(self, path: str, fields: dict[str, str], headers: dict[str, str]) -> Answer:
        """A post as a site's server sends it: no cookies, no form token, no origin."""
        kept, self.jar = self.jar, {}
        try:
            return self._exchange(self._request("POST", path, headers, urlencode(fields).encode()))
        finally:
            self.jar = kept

    def remember_form(self) -> None:
        """The state in which a browser has fetched a form and nothing else: token and cookies."""
        self._fresh = (self.token, dict(self.jar))

    def as_with_form(self) -> None:
        """Back to that state: another person's browser, which nobody has signed in with."""
        self.token, self.jar = self._fresh[0], dict(self._fresh[1])

    def _request(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
        """The whole request as bytes, so that nothing but the exchange is timed."""
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
        if body:
            lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def _exchange(self, request: bytes) -> Answer:
        start = time.perf_counter()
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        body = self._read_body(dict(headers), data)
        seconds = time.perf_counter() - start
        self._keep_cookies(headers)
        return Answer(int(first.split()[1]), headers, body, seconds, len(head) + 4 + len(body))

    def _more(self) -> bytes:
        more = self._socket.recv(65536)
        if not more:
            raise ConnectionError("the server closed the connection")
        return more

    def _read_body(self, headers: dict[str, str], data: bytes) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            wanted = int(headers.get("content-length", 0))
            while len(data) < wanted:
                data += self._more()
            return data
        while not data.endswith(b"0\r\n\r\n"):
            data += self._more()
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
