"""Attacks below the pages: raw bytes sent to the real server, numbered as in docs/security/attack-cases.md."""

import contextlib
import socket
import time
from subprocess import DEVNULL

import pytest

from tests.support.installation import Installation, running
from tests.support.postgres import free_port

TO_US = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
PAGE = b"GET /sign-in/" + TO_US


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """`massar serve` with an empty database of its own."""
    one, number = Installation(tmp_path_factory.mktemp("wire")), free_port()
    assert one.massar("migrate").returncode == 0
    words = ("serve", "--port", str(number), "--processes", "1")
    with running(*words, folder=one.folder, environ=one.environ, stdout=DEVNULL, stderr=DEVNULL):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", number), 1):
                break
            time.sleep(0.1)
        yield number


def send(port: int, raw: bytes) -> bytes:
    """Everything the server says to these bytes."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(raw)
        while part := line.recv(65536):
            said += part
    return said


def status(said: bytes) -> int:
    return int(said.split(b" ", 2)[1])


def test_the_page_is_there(port):
    said = send(port, PAGE + b"\r\n")
    assert status(said) == 200 and b"frame-ancestors 'none'" in said
    head = said.split(b"\r\n\r\n")[0].lower()
    assert b"python" not in head and b"django" not in head and b"granian/" not in head, "no version is told"


@pytest.mark.parametrize("hosts", [
    b"Host: evil.example", b"Host: localhost\r\nHost: evil.example", b"Host: localhost:@evil.example", b"X: y",
])  # fmt: skip
def test_atk_031_hosts_on_the_wire(port, hosts):
    said = send(port, b"GET /sign-in/ HTTP/1.1\r\n" + hosts + b"\r\nConnection: close\r\n\r\n")
    assert status(said) == 400 and b"evil" not in said
    assert b"evil" not in send(port, b"GET http://evil.example/recovery/" + TO_US + b"\r\n"), "an absolute address"


@pytest.mark.parametrize("header", [
    "Cookie: massar-session=١.x; massar-devices=é; massar-flash=ÿ.ÿ; massar-asked=ÿ; massar-language=ÿ".encode(),
    b"Cookie: massar-change=\xff.x; massar-flash=\xff.\xff",
    b"Cookie: " + b"a=b; " * 5000,
    b"User-Agent: \xff\xfe\xd9",
    "Accept-Language: عربي".encode(),
    b"X-Forwarded-For: \xff, ::::",
    b"Referer: \xff",
    b"Script-Name: /evil",
])  # fmt: skip
def test_headers_that_are_no_text_are_no_fault(port, header):
    assert status(send(port, PAGE + header + b"\r\n\r\n")) == 200


@pytest.mark.parametrize(
    "path", [b"/%ff%fe/%00", b"/\xd8\xa7", b"/sites/%ff/", b"/contacts/cancel/%ff-1-2-3/", b"/profile/..;/devices/"]
)
def test_paths_that_are_no_text_are_not_found(port, path):
    said = send(port, b"GET " + path + TO_US + b"\r\n")
    assert status(said) in (200, 303, 400, 404)


@pytest.mark.parametrize("raw", [
    b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    b"Content-Length: -4\r\n\r\n",
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    b"X-H: 1\r\n" * 10000 + b"\r\n",
])  # fmt: skip
def test_atk_099_two_ways_of_reading_a_request_are_refused(port, raw):
    said = send(port, b"POST /sign-in/" + TO_US + raw)
    assert 400 <= status(said) < 500
    assert said.count(b"HTTP/1.1 ") == 1, "one request, one answer: nothing was smuggled in"


def test_unknown_methods_change_nothing_and_a_page_comes_after_all_of_that(port):
    for method in (b"TRACE", b"PUT", b"BREW"):
        said = send(port, method + b" /sign-in/" + TO_US + b"\r\n")
        assert status(said) in (400, 405, 501)
    assert status(send(port, b"GET /healthz" + TO_US + b"\r\n")) == 200
