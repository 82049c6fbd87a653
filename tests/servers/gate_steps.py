"""An old site behind a gate, what is tried at every gate, and how a request is sent exactly as it is written."""

import base64
import json
import re
import socket
from http.server import BaseHTTPRequestHandler

FORGED = {
    "X-Massar-User": "minister@men.gov.ma", "X-Massar-Role": "admin", "X_Massar_User": "minister@men.gov.ma",
    "X-Massar-Token": "forged", "X-Massar-Name": "forged",
}  # fmt: skip
ODD = [
    "//", "/..", "/a/../../b", "/%2e%2e/x", "/..;/x", "/%2f%2fx", "/%5cx", "/%00", "/%zz", "/%", "/a%2fb",
    "/%252e%252e/x",
    "/\x01", "/a b", "/é", "/\xff\xfe", "*", "x", "/" + "a" * 5000, "/.massar/check",
    "/.massar/../x", "/.massar", "/%2emassar/check", "/.massar/begin", "/a#b", "/\\..\\x",
]  # fmt: skip


class Backend(BaseHTTPRequestHandler):
    """The old site: it answers with what reached it."""

    def do_GET(self):
        body = json.dumps({"path": self.path, "method": self.command, "headers": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def seen(page) -> dict[str, str]:
    """The headers that reached the site, by small letters."""
    assert page.status == 200, (page.address, page.status, page.text[:500])
    return {name.lower(): value for name, value in json.loads(page.text)["headers"].items()}


def believed(text: str) -> list[str]:
    return [word for word in ("minister", "forged", "admin") if word in text]


def auth_time(text: str) -> int:
    """Of the token that reached the site; its signature is looked at elsewhere."""
    payload = json.loads(text)["headers"]["X-Massar-Token"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=="))["auth_time"]


def raw(port: int, path: str, cookies: str, version: str) -> tuple[int, str]:
    """One request line exactly as given."""
    head = f"GET {path} {version}\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookies}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(head.encode("latin-1"))
        answer = b""
        while chunk := wire.recv(65536):
            answer += chunk
    text = answer.decode("latin-1")
    found = re.match(r"HTTP/1\.[01] (\d{3})", text)
    return (int(found[1]) if found else 0), text.partition("\r\n\r\n")[2]
