"""The way in from the real server: which header names arrive, and that nothing of a request is lost on it."""

import asyncio
import http.client
import json
import os
import socket
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from massar.interfaces.base import rsgi, turns
from tests.support.installation import SOURCE
from tests.support.postgres import free_port
from tests.support.waits import until

ECHO = """
import json
import threading
from massar.interfaces.base import rsgi, turns

rsgi.BODY_WITHIN = 1.0

class Rush:
    turns = turns.Turns()
    opened = threading.Event()

    def by_turns(self, told):
        return told["PATH_INFO"] == "/turn"

    def place(self, call):
        return turns.PlaceInLine(call)

rush = Rush()

def echo(environ, start_response):
    if environ["PATH_INFO"] == "/broken":
        raise RuntimeError("on purpose")
    if environ["PATH_INFO"] == "/turn":
        rush.opened.wait(20)
    elif environ["PATH_INFO"] == "/open":
        rush.opened.set()
    told = {name: value for name, value in environ.items() if isinstance(value, str)}
    told["body"], told["line"] = len(environ["wsgi.input"].read()), len(rush.turns)
    start_response("203 Told", [("Content-Type", "application/json"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [json.dumps(told).encode()]

server = rsgi.RsgiApplication(echo, rush=rush)
"""
SERVE = """
import importlib
import multiprocessing
import sys
from massar.interfaces.commands import web_process, web_server

multiprocessing.set_start_method("fork")
server = web_process.WebServer(web_server.listen("127.0.0.1", int(sys.argv[1])), 1)
server.serve(target_loader=lambda: importlib.import_module("echo").server, wrap_loader=False)
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("door") / "log"


@pytest.fixture(scope="module")
def port(log):
    folder, number = log.parent, free_port()
    (folder / "echo.py").write_text(ECHO)
    command = [sys.executable, "-c", SERVE, str(number)]
    environ = {**os.environ, "PYTHONPATH": f"{SOURCE}:{folder}", "OF_THE_PROCESS": "secret"}
    with log.open("wb") as file:
        server = subprocess.Popen(command, cwd=folder, env=environ, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 60
        while not _answers(number):
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.1)
        yield number
    finally:
        server.terminate()
        server.wait(20)


def _answers(port: int) -> bool:
    with suppress(OSError):
        return bool(ask(port))
    return False


def ask(port: int, *headers: tuple[str, str], path: str = "/", body: bytes | None = None) -> dict:
    length = [] if body is None else [("Content-Length", str(len(body)))]
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.putrequest("GET" if body is None else "POST", path, skip_accept_encoding=True)
        for name, value in (*headers, *length):
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        said = answer.read()
    if answer.status != 203:
        return {"status": answer.status}
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    return json.loads(said)


@pytest.mark.parametrize(
    "real", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Massar-Uri", "X-Massar-Origin", "User-Agent", "Content-Type"]
)
def test_a_name_with_an_underscore_never_stands_for_the_real_one(port, real):
    spoofed = {real.replace("-", "_"), real.replace("-", "_", 1).lower(), real.upper().replace("-", "_")}
    key = real.upper().replace("-", "_")
    key = key if real == "Content-Type" else f"HTTP_{key}"
    for other in spoofed:
        for sent in (((real, "ours"), (other, "theirs")), ((other, "theirs"), (real, "ours"))):
            assert ask(port, *sent)[key] == "ours"
        told = ask(port, (other, "theirs"))
        assert "theirs" not in told.values()


def test_the_request_arrives_as_the_standard_has_it(port):
    told = ask(port, ("Cookie", "a=1"), ("Cookie", "b=2"), ("X-Two", "1"), ("X-Two", "2"), path="/%D9%85/a%2Fb?q=%ff+x")
    assert told["HTTP_COOKIE"] == "a=1; b=2" and told["HTTP_X_TWO"] == "1,2"
    assert told["PATH_INFO"].encode("latin-1").decode() == "/م/a/b" and told["QUERY_STRING"] == "q=%ff+x"
    assert (told["REMOTE_ADDR"], told["SERVER_PORT"], told["REQUEST_METHOD"]) == ("127.0.0.1", str(port), "GET")
    assert told["HTTP_HOST"] == f"127.0.0.1:{port}" and told["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert "OF_THE_PROCESS" not in told, "what the process was started with is not part of a request"


def test_atk_066_a_head_is_bounded_before_anybody_reads_it(port):
    assert len(ask(port, ("Cookie", "a" * 30_000))["HTTP_COOKIE"]) == 30_000
    assert ask(port, ("Cookie", "a" * 40_000)) == {"status": 431}


def test_atk_066_by_http_2_a_head_is_as_large_as_what_its_indexes_stand_for(port):
    """RFC 9113 §6.5.2: a byte each (RFC 7541 §6.1) stands for a cookie that was sent once."""
    get = b"\x82\x86\x84\x01\x01a\x60\x03a=b"  # GET http / of host a, and the cookie a=b as entry 62
    packed = {b"\x10\x19": 203, b"\x69\x90\xff": 431}  # RFC 7541 Appendix B
    assert [packed[status_by_http_2(port, get + b"\xbe" * more)] for more in (100, 2000)] == [203, 431]


def status_by_http_2(port: int, head: bytes) -> bytes:
    """The status of the answer, with which its head begins, as it is packed."""
    frames = struct.pack(">xxBBBI", 0, 4, 0, 0) + struct.pack(">xHBBI", len(head), 1, 5, 1) + head
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line, line.makefile("rb") as answer:
        line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frames)
        while True:
            size, kind = struct.unpack(">xHBxxxxx", answer.read(9))
            said = answer.read(size)
            if kind == 1:
                return said[2 : 2 + (said[1] & 0x7F)]


@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize("sent", [0, 1, 70_000, 1024 * 1024])
def test_bodies_up_to_a_bound(port, sent, in_pieces):
    """In pieces whose length nobody told too: as Node and Go send what they stream, and proxies hand it on."""
    told = ask(port, body=b"x" * sent) if not in_pieces else ask_in_pieces(port, sent)
    assert told["body"] == sent and told["CONTENT_LENGTH"] == str(sent)


def ask_in_pieces(port: int, sent: int) -> dict:
    pieces = (b"x" * min(8192, sent - start) for start in range(0, sent, 8192))
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("POST", "/", pieces, {"Content-Type": "text/plain"}, encode_chunked=True)
        return json.loads(connection.getresponse().read())


def test_a_body_beyond_the_bound_is_not_read(port):
    with suppress(BrokenPipeError, ConnectionResetError):  # answered and closed before all of it was sent
        assert ask(port, body=b"x" * (8 * 1024 * 1024))["body"] == 0
    told = ask_in_pieces(port, 1024 * 1024 + 1)
    assert told["body"] == 0 and int(told["CONTENT_LENGTH"]) > 1024 * 1024, "a length that Django refuses: 413"
    assert ask(port, body=b"x")["body"] == 1


def said_to(port: int, head: str, body: bytes) -> bytes:
    """The answer to a POST as it comes, up to the end that the server makes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode() + body)
        said = b""
        while piece := line.recv(65536):
            said += piece
    return said


@pytest.mark.parametrize("head", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_who_does_not_go_on_sending_is_told_and_holds_up_nobody(port, head):
    """Neither the others nor, when the server is told to stop, its end."""
    with ThreadPoolExecutor(40) as pool:
        slow = [pool.submit(said_to, port, head, b"3\r\nabc") for _ in range(40)]
        assert ask(port, body=b"x")["body"] == 1
        assert all(one.result().startswith(b"HTTP/1.1 408 ") for one in slow)


def test_atk_066_many_large_bodies_wait_for_nobodys_memory(port):
    """ATK-066: over a real connection, and the place of one that did not go on is free again."""
    body = b"x" * (2 * rsgi.SMALL_BODY)
    with ThreadPoolExecutor(rsgi.LARGE_AT_ONCE + 4) as pool:
        length = f"Content-Length: {4 * rsgi.SMALL_BODY}"
        asked = [pool.submit(said_to, port, length, body) for _ in range(rsgi.LARGE_AT_ONCE + 4)]
        statuses = sorted(one.result().split(b" ")[1] for one in asked)
    assert statuses == [b"408"] * rsgi.LARGE_AT_ONCE + [b"503"] * 4
    assert ask(port, body=body)["body"] == len(body)


def test_who_has_gone_leaves_no_trace(port, log):
    before = log.read_text()
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc")
    assert ask(port, body=b"x")["body"] == 1 and log.read_text() == before


def test_atk_067_who_leaves_the_line_holds_no_place_in_it(port):
    """By a real connection that its client closes: nobody hashes for it."""

    def send() -> socket.socket:
        line = socket.create_connection(("127.0.0.1", port), timeout=20)
        line.sendall(b"GET /turn HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return line

    stay = [send() for _ in range(turns.THREADS + 1)]
    until(lambda: ask(port, path="/line")["line"] == 1)
    with send():
        until(lambda: ask(port, path="/line")["line"] == 2)
    until(lambda: ask(port, path="/line")["line"] == 1)
    ask(port, path="/open")
    for line in stay:
        with line, line.makefile("rb") as answer:
            assert answer.readline().startswith(b"HTTP/1.1 203 ")


def test_a_body_that_was_cut_is_not_half_believed(port):
    """RFC 9112 §8: `password=Abc` may be the beginning of a longer one."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\npassword=Abc")
        line.shutdown(socket.SHUT_WR)
        assert line.makefile("rb").readline().startswith(b"HTTP/1.1 400 ")
    assert ask(port, body=b"x")["body"] == 1


def test_a_fault_costs_one_answer_and_no_thread(port):
    assert all(ask(port, path="/broken") == {"status": 500} for _ in range(40)), "more than there are threads"
    assert ask(port)["PATH_INFO"] == "/"


class Scope:
    method, path, query_string, scheme, http_version = "GET", "/", "", "http", "1.1"
    server, client, authority, headers = "127.0.0.1:1", "127.0.0.1:2", None, {"host": "localhost"}


def test_an_answer_that_can_not_be_sent_costs_no_thread():
    """More calls than there are threads, each of whose answers fails, one given up; the next one is answered."""

    class Protocol:
        def __init__(self, *, fails: bool):
            self.fails, self.sent = fails, []

        def response_bytes(self, status: int, headers: list, body: bytes) -> None:
            if self.fails:
                raise RuntimeError("on purpose")
            self.sent.append(status)

    def wsgi(environ: dict, start_response) -> list[bytes]:
        start_response("200 OK", [])
        return [b""]

    async def calls() -> list[int]:
        way_in, last = rsgi.RsgiApplication(wsgi), Protocol(fails=False)
        way_in.__rsgi_init__(asyncio.get_running_loop())
        given_up = asyncio.ensure_future(way_in.__rsgi__(Scope, Protocol(fails=True)))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(*(way_in.__rsgi__(Scope, Protocol(fails=True)) for _ in range(2 * rsgi.THREADS)))
        await asyncio.wait_for(way_in.__rsgi__(Scope, last), timeout=20)
        return last.sent

    assert asyncio.run(calls()) == [200]


class Posting(Scope):
    method = "POST"


class Sender:
    """Sends so many bytes, and the last of them when it is let go."""

    def __init__(self, sent: int):
        self.sent, self.go_on, self.answers = sent, asyncio.Event(), []

    async def __aiter__(self):
        yield b"x" * (self.sent - 1)
        await self.go_on.wait()
        yield b"x"

    def response_bytes(self, status: int, headers: list, body: bytes) -> None:
        self.answers.append((status, dict(headers), body))


def told_length(environ: dict, start_response) -> list[bytes]:
    start_response("200 OK", [])
    return [str(len(environ["wsgi.input"].read())).encode()]


def test_atk_066_large_bodies_at_once_are_bounded():
    """ATK-066: whoever sends many of them is told to come back; small ones and the lists of agents go on."""
    large, agents, busy = rsgi.SMALL_BODY + 2, rsgi.LARGEST_BODY + 2, ([("X-Page", "yes")], b"busy")

    async def calls() -> None:
        mosts = iter([rsgi.LARGEST_BODY] * rsgi.LARGE_AT_ONCE + [rsgi.LARGEST_BODY] * 2 + [2 * agents])
        way_in = rsgi.RsgiApplication(told_length, largest=lambda _: next(mosts, rsgi.LARGEST_BODY), busy=busy)
        way_in.__rsgi_init__(asyncio.get_running_loop())
        sizes = [large] * (rsgi.LARGE_AT_ONCE + 1) + [rsgi.SMALL_BODY, agents]
        senders = [Sender(size) for size in sizes]
        asked = [asyncio.ensure_future(way_in.__rsgi__(Posting, one)) for one in senders]
        await asyncio.wait_for(asked[rsgi.LARGE_AT_ONCE], timeout=20)
        [(status, headers, page)] = senders[rsgi.LARGE_AT_ONCE].answers
        assert (status, headers, page) == (503, {"X-Page": "yes", "Retry-After": "5", "Connection": "close"}, b"busy")
        for one in senders:
            one.go_on.set()
        await asyncio.wait_for(asyncio.gather(*asked), timeout=20)
        del senders[rsgi.LARGE_AT_ONCE], sizes[rsgi.LARGE_AT_ONCE]
        assert [one.answers[0][2] for one in senders] == [str(size).encode() for size in sizes]
        later = Sender(large)
        later.go_on.set()
        await asyncio.wait_for(way_in.__rsgi__(Posting, later), timeout=20)
        assert later.answers[0][0] == 200 and way_in.large == {False: 0, True: 0}

    asyncio.run(calls())
