"""What is nginx's own at the gate (what holds at every gate: test_every_gate.py): locations of all kinds, cookies,
connections, and how repeated header lines are read."""

import contextlib
import json
import os
import socket
import socketserver
import threading

import pytest
from playwright.sync_api import sync_playwright

from tests.cast import YOUSSEF
from tests.servers.gate_steps import FORGED, believed, seen
from tests.servers.nginx import running_nginx
from tests.servers.old_sites import FastCgi, Scgi, Server, Upgraded, Uwsgi
from tests.servers.surfer import Surfer
from tests.support import programs
from tests.support.serving import serving


@pytest.fixture(scope="module")
def nginx(account, layout, tmp_path_factory):
    with running_nginx(layout, tmp_path_factory.mktemp("nginx")):
        yield layout


@pytest.fixture
def gate_cookie(nginx, account, surfer) -> str:
    """That of somebody who is inside."""
    account.sign_in(surfer)
    surfer.open(nginx.at("gated", "/"))
    return f"massar-gate-gated={surfer.jar['127.0.0.1']['massar-gate-gated']}"


@pytest.mark.parametrize("through", ["", "/.massar/again?"])
def test_a_long_address_is_come_back_to(nginx, account, surfer, through):
    """The page promises 4096 characters; it travels in a header three times, and nginx keeps 4 KiB for all."""
    for length in (2500, 4096):
        wanted = "/dossier/7?q=" + "a" * (length - 13)
        surfer.open(nginx.at("gated", f"{through}{wanted}"))
        if surfer.page.address.startswith(account.url):
            account.sign_in(surfer)
        assert json.loads(surfer.page.text)["path"] == wanted


def test_two_gated_sites_of_one_host_stay_open_side_by_side(nginx, account, surfer):
    """The second opens without a word."""
    account.sign_in(surfer)
    for name in ("gated", "archive"):
        assert json.loads(surfer.open(nginx.at(name, "/x")).text)["path"] == "/x"
    for name in ("gated", "archive"):
        assert surfer.ask("POST", nginx.at(name, "/x"), "a=1").status == 200, name


def test_a_location_inside_another_is_closed_as_well(nginx, surfer, gate_cookie):
    surfer.jar["127.0.0.1"]["own"] = "kept"
    page = surfer.ask("GET", nginx.at("gated", "/outer/inner/x"), None, **FORGED)
    headers = seen(page)
    assert not believed(page.text) and headers["x-massar-user"] == YOUSSEF.login and headers["cookie"] == "own=kept"


@pytest.mark.parametrize(("name", "path", "kind"), [
    ("fastcgi", "/php/x", FastCgi), ("uwsgi", "/wsgi/x", Uwsgi), ("scgi", "/scgi/x", Scgi),
    ("scgi", "/scgi/inner/x", Scgi),
])  # fmt: skip
def test_a_site_behind_another_protocol_reads_what_the_account_said(
    nginx, account, surfer, gate_cookie, name, path, kind
):
    surfer.jar["127.0.0.1"]["own"] = "kept"
    with serving(Server(("127.0.0.1", nginx.port(name)), kind)):
        page = surfer.ask("GET", nginx.at("gated", path), None, **FORGED)
        assert page.status == 200, page.text
        assert Surfer().open(nginx.at("gated", path)).address == f"{account.url}/sign-in/"
    seen = json.loads(page.text)
    assert not believed(page.text) and seen["HTTP_X_MASSAR_USER"] == YOUSSEF.login
    assert seen["HTTP_COOKIE"] == "own=kept" and seen["REQUEST_URI"] == path


COOKIES = {
    "{gate}; z=1": "z=1",
    "z=1; {gate}": "z=1",
    "a=1; {gate}; z=1": "a=1; z=1",
    "xmassar-gate-gated=AAA; {gate}; z=1": "xmassar-gate-gated=AAA; z=1",
    "massar-mark-gated=m; {gate}; z=1; massar-gate-archive=AAA": "z=1",
    "__Host-massar-gate-gated=AAA; {gate}": None,
    "{gate}": None,
    "{gate};z=1": "z=1",
    "a=1;  {gate};\tmassar-mark-gated=m; z=1": "a=1; z=1",
    "massar-mark-a1=1; massar-gate-a1=2; massar-mark-b1=3; massar-gate-b1=4; massar-mark-gated=5; {gate}; z=1": "z=1",
    "z=1; massar-mark-a1=1; massar-gate-a1=2; massar-mark-b1=3; massar-gate-b1=4; massar-mark-c1=5; "
    "massar-gate-c1=6; {gate}": None,
}


def test_only_the_gates_own_cookies_are_left_out(nginx, surfer, gate_cookie):
    for sent, left in COOKIES.items():
        page = surfer.ask("GET", nginx.at("gated", "/x"), None, Cookie=sent.format(gate=gate_cookie))
        assert page.status == 200 and json.loads(page.text)["headers"].get("Cookie") == left, sent


class _Pipe(socketserver.BaseRequestHandler):
    """Hands everything on to the account, and is counted."""

    opened = 0

    def handle(self) -> None:
        type(self).opened += 1
        with socket.create_connection(self.server.onwards) as there:
            back = threading.Thread(target=self._copied, args=(there, self.request), daemon=True)
            back.start()
            self._copied(self.request, there)
            back.join()

    @staticmethod
    def _copied(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def test_connections_to_the_account_stay_open(nginx, account, surfer):
    """A new one for each request would cost a TLS handshake each time."""
    server = Server(("127.0.0.1", nginx.port("pipe")), _Pipe)
    server.onwards = ("127.0.0.1", nginx.port("account"))
    with serving(server):
        account.sign_in(surfer)
        assert surfer.open(nginx.at("counted", "/")).status == 200
        before = _Pipe.opened
        for number in range(20):
            assert surfer.ask("GET", nginx.at("counted", f"/{number}")).status == 200
        assert _Pipe.opened - before <= 2


def test_an_upgrade_passes_the_gate_and_stays_open_after_the_sign_out(nginx, account, surfer):
    with serving(Server(("127.0.0.1", nginx.port("socket")), Upgraded)):
        assert _upgrade(nginx, "", "Sec-Fetch-Dest: websocket")[1].startswith("HTTP/1.1 401 ")
        assert _upgrade(nginx, "")[1].startswith("HTTP/1.1 303 ")
        account.sign_in(surfer)
        surfer.open(nginx.at("gated", "/"))
        cookie = f"massar-gate-gated={surfer.jar['127.0.0.1']['massar-gate-gated']}"
        wire, head = _upgrade(nginx, cookie, "X-Massar-User: minister@men.gov.ma")
        assert head.startswith("HTTP/1.1 101 ") and f"X-Seen-User: {YOUSSEF.login}\r\n" in head
        account.sign_out(surfer)
        wire.sendall(b"still")
        assert wire.recv(100) == b"still"
        wire.close()
        assert _upgrade(nginx, cookie, "Sec-Fetch-Dest: websocket")[1].startswith("HTTP/1.1 401 ")


def _upgrade(nginx, cookie: str, *lines: str) -> tuple[socket.socket, str]:
    """The connection after a WebSocket's opening request, and the head of the answer."""
    port = nginx.port("gated")
    head = [f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade", f"Cookie: {cookie}", *lines]
    wire = socket.create_connection(("127.0.0.1", port), timeout=10)
    wire.sendall("\r\n".join(["GET /socket/x HTTP/1.1", *head, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer and (data := wire.recv(4096)):
        answer += data
    return wire, answer.decode("latin-1")


def test_a_fresh_proof_leads_back_to_a_plain_page_of_the_site_alone(nginx, surfer, gate_cookie):
    for to in ("", "x", "//evil.example.org/", "https://evil.example.org/", "/a%2fb", "/.massar/again?/x"):
        assert surfer.ask("GET", nginx.at("gated", f"/.massar/again?{to}")).status == 403, to


def test_a_silent_account_lets_nobody_in(nginx, surfer):
    surfer.jar["127.0.0.1"] = {"massar-gate-lost": "x" * 43}
    assert surfer.ask("GET", nginx.at("lost", "/x")).status == 500


def _asked(account, nginx, *lines: str) -> int:
    """The status of a question to the gate with exactly these header lines."""
    head = "\r\n".join(["GET /gate/check/ HTTP/1.1", f"Host: {account.url[7:]}", *lines, "Connection: close", "", ""])
    with socket.create_connection(("127.0.0.1", nginx.port("account")), timeout=10) as wire:
        wire.sendall(head.encode("latin-1"))
        return int(wire.recv(65536).split()[1])


def test_a_question_that_says_something_twice_is_refused(nginx, account, gate_cookie):
    """Over the real server, which joins repeated header lines in its own way."""
    cookie = f"Cookie: {gate_cookie}"
    origin, uri, method = f"X-Massar-Origin: {nginx.at('gated')}", "X-Massar-Uri: /x", "X-Massar-Method: GET"
    assert _asked(account, nginx, cookie, origin, uri, method) == 200
    for line in (origin, uri, method, cookie):
        twice = [cookie, origin, uri, method, line]
        assert _asked(account, nginx, *twice) in (400, 401, 403), line
    for first, second in (("/x?", "//evil/../y"), ("/x?a=1", "/%2e%2e/y")):
        lines = [cookie, origin, method, f"X-Massar-Uri: {first}", f"X-Massar-Uri: {second}"]
        assert _asked(account, nginx, *lines) == 403, second
    for gone in (origin, uri, method):
        left = [line for line in (cookie, origin, uri, method) if line != gone]
        assert _asked(account, nginx, *left) == 403, gone
        assert _asked(account, nginx, *left, "X-Massar-Other: x") == 403, gone


def test_a_browser_comes_through_to_the_page_that_was_wanted(nginx, account):
    """Chromium keeps a page's form-action policy over every redirect that follows its form: scripts of tests do not."""
    lacking = programs.lacking_for_the_browser()
    if lacking:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(lacking.sentence)
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=programs.find_chromium(), args=["--no-sandbox"])
        page = chromium.new_page()
        page.goto(nginx.at("gated", "/dossier/7?tri=date"))
        assert page.url == f"{account.url}/sign-in/"
        page.fill("input[name=user]", YOUSSEF.login)
        page.fill("input[name=password]", YOUSSEF.password)
        page.press("input[name=password]", "Enter")
        page.wait_for_url(nginx.at("gated", "/dossier/7?tri=date"), timeout=15_000)
        assert YOUSSEF.login in page.content()
        chromium.close()
