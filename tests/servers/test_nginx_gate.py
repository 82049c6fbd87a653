"""A site behind nginx's auth_request: the files of deploy/nginx as they are, a backend that knows no protocol."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import socketserver
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from playwright.sync_api import sync_playwright

from tests.cast import YOUSSEF
from tests.servers.gate_steps import FORGED, ODD, Backend, auth_time, believed, raw
from tests.servers.machine import program, running
from tests.servers.old_sites import FastCgi, Scgi, Server, Upgraded, Uwsgi
from tests.servers.surfer import Surfer
from tests.support import programs
from tests.support.product import ROOT
from tests.support.programs import NGINX
from tests.support.serving import serving

DEPLOY = ROOT / "deploy" / "nginx"
SITE = (DEPLOY / "site.conf").read_text("utf-8")
BASE = """
daemon off; master_process off; pid nginx.pid; error_log error.log info;
events {{ worker_connections 64; }}
http {{
  access_log access.log;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  include massar-gate-http.conf;
{of_the_page}
  upstream counted_account {{ server 127.0.0.1:{pipe}; keepalive 16; }}
  upstream nobody_there {{ server 127.0.0.1:1; }}
{servers}
}}
"""
MORE_LOCATIONS = """
    location /php/ {{
      include massar-gate-guard-fastcgi.conf; fastcgi_param REQUEST_URI $request_uri; fastcgi_pass 127.0.0.1:{fastcgi};
    }}
    location /wsgi/ {{
      include massar-gate-guard-uwsgi.conf; uwsgi_param REQUEST_URI $request_uri; uwsgi_pass 127.0.0.1:{uwsgi};
    }}
    location /scgi/ {{
      include massar-gate-guard-scgi.conf; scgi_param REQUEST_URI $request_uri; scgi_pass 127.0.0.1:{scgi};
      location /scgi/inner/ {{
        include massar-gate-guard-scgi.conf; scgi_param REQUEST_URI $request_uri; scgi_pass 127.0.0.1:{scgi};
      }}
    }}
    location /socket/ {{
      include massar-gate-guard.conf; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_pass http://127.0.0.1:{socket};
    }}
    location /outer/ {{
      include massar-gate-guard.conf; proxy_pass http://127.0.0.1:{backend};
      location /outer/inner/ {{
        include massar-gate-guard.conf; proxy_set_header X-Real-IP $remote_addr; proxy_pass http://127.0.0.1:{backend};
      }}
    }}
"""


@pytest.fixture(scope="module")
def nginx(account, layout, tmp_path_factory):
    binary = program(NGINX)
    folder = tmp_path_factory.mktemp("nginx")
    for file in DEPLOY.glob("massar-gate*.conf"):
        (folder / file.name).write_text(_for_loopback(file))
    servers = "".join(
        _server(layout, name, upstream)
        for name, upstream in (
            ("gated", "massar_account"),
            ("archive", "massar_account"),
            ("counted", "counted_account"),
            ("lost", "nobody_there"),
        )
    )
    conf = BASE.format(pipe=layout.port("pipe"), of_the_page=_upstream(layout), servers=servers)
    (folder / "nginx.conf").write_text(conf)
    command = [binary, "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"]
    listening = tuple(layout.port(name) for name in ("gated", "archive", "counted", "lost"))
    with (
        serving(ThreadingHTTPServer(("127.0.0.1", layout.port("backend")), Backend)),
        running(command, folder=folder, ports=listening, logs=("error.log", "access.log")),
    ):
        yield layout


def _upstream(layout) -> str:
    """As site.conf has it, with the account of this run."""
    return _swapped(SITE[: SITE.index("server {\n")], {"compte.example.ma:443": f"127.0.0.1:{layout.port('account')}"})


def _server(layout, name: str, upstream: str) -> str:
    """As site.conf has it, on loopback and without TLS, and with locations of more kinds."""
    here = {
        "listen 443 ssl": f"listen 127.0.0.1:{layout.port(name)}", "https://notifrh.example.ma": layout.at(name),
        "https://massar_account": f"http://{upstream}", " compte.example.ma": f" localhost:{layout.port('account')}",
        "127.0.0.1:8080": f"127.0.0.1:{layout.port('backend')}",
    }  # fmt: skip
    server = re.sub(r"^ +(ssl_\w+|server_name) .*\n", "", SITE[SITE.index("server {\n") :], flags=re.MULTILINE)
    places = {one: layout.port(one) for one in ("backend", "fastcgi", "uwsgi", "scgi", "socket")}
    return _swapped(server, here).rstrip().removesuffix("}") + MORE_LOCATIONS.format(**places) + "}\n"


def _swapped(text: str, here: dict[str, str]) -> str:
    for told, ours in here.items():
        assert text.count(told) == 1, told
        text = text.replace(told, ours)
    return text


def _for_loopback(file: Path) -> str:
    """The file as it is, without the TLS that loopback has not."""
    return re.sub(r"^ *proxy_ssl_.*\n", "", file.read_text("utf-8"), flags=re.MULTILINE)


def test_one_sign_in_opens_the_page_that_was_wanted(nginx, account, surfer):
    page = surfer.open(nginx.at("gated", "/dossier/7?tri=date&page=2"))
    assert page.address == f"{account.url}/sign-in/"
    account.sign_in(surfer)
    seen = json.loads(surfer.page.text)
    assert seen["path"] == "/dossier/7?tri=date&page=2"
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert headers["x-massar-user"] == YOUSSEF.login
    keys = KeySet.import_key_set(json.loads(Surfer().open(f"{account.url}/jwks").text))
    claims = jwt.decode(headers["x-massar-token"], keys, algorithms=["ES256"]).claims
    assert claims["aud"] == nginx.at("gated") and claims["email"] == YOUSSEF.login


@pytest.mark.parametrize("length", [2500, 3500, 4096])
@pytest.mark.parametrize("through", ["", "/.massar/again?"])
def test_a_long_address_is_come_back_to(nginx, account, surfer, length, through):
    """The page promises 4096 characters; it travels in a header three times, and nginx keeps 4 KiB for all."""
    wanted = "/dossier/7?q=" + "a" * (length - 13)
    surfer.open(nginx.at("gated", f"{through}{wanted}"))
    account.sign_in(surfer)
    assert json.loads(surfer.page.text)["path"] == wanted


def test_a_second_site_opens_without_a_word(nginx, account, surfer):
    account.sign_in(surfer)
    for name in ("gated", "archive"):
        assert json.loads(surfer.open(nginx.at(name, "/x")).text)["path"] == "/x"


def test_what_the_browser_claims_is_overwritten_and_the_cookie_stays_at_the_gate(nginx, account, surfer):
    account.sign_in(surfer)
    surfer.open(nginx.at("gated", "/"))
    assert "massar-gate-gated" in surfer.jar["127.0.0.1"]
    surfer.jar["127.0.0.1"]["own"] = "kept"
    for path in ("/x", "/outer/inner/x"):
        page = surfer.ask("GET", nginx.at("gated", path), None, **FORGED)
        assert page.status == 200 and not believed(page.text), path
        headers = {name.lower(): value for name, value in json.loads(page.text)["headers"].items()}
        assert headers["x-massar-user"] == YOUSSEF.login and headers["cookie"] == "own=kept"


@pytest.mark.parametrize(
    ("name", "path", "kind"),
    [
        ("fastcgi", "/php/x", FastCgi),
        ("uwsgi", "/wsgi/x", Uwsgi),
        ("scgi", "/scgi/x", Scgi),
        ("scgi", "/scgi/inner/x", Scgi),
    ],
)
def test_a_site_behind_another_protocol_reads_what_the_account_said(nginx, account, surfer, name, path, kind):
    account.sign_in(surfer)
    surfer.open(nginx.at("gated", "/"))
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


@pytest.mark.parametrize("sent", COOKIES)
def test_only_the_gates_own_cookies_are_left_out(nginx, account, surfer, sent):
    account.sign_in(surfer)
    surfer.open(nginx.at("gated", "/"))
    cookie = sent.format(gate=f"massar-gate-gated={surfer.jar['127.0.0.1']['massar-gate-gated']}")
    page = surfer.ask("GET", nginx.at("gated", "/x"), None, Cookie=cookie)
    assert page.status == 200 and json.loads(page.text)["headers"].get("Cookie") == COOKIES[sent]


def test_two_gated_sites_of_one_host_stay_open_side_by_side(nginx, account, surfer):
    account.sign_in(surfer)
    for name in ("gated", "archive"):
        surfer.open(nginx.at(name, "/"))
    for name in ("gated", "archive"):
        assert surfer.ask("POST", nginx.at(name, "/x"), "a=1").status == 200, name


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


def test_signing_out_at_the_account_closes_the_site_at_once(nginx, account, surfer):
    account.sign_in(surfer)
    assert surfer.open(nginx.at("gated", "/x")).status == 200
    account.sign_out(surfer)
    assert surfer.open(nginx.at("gated", "/x")).address == f"{account.url}/sign-in/"


def test_a_page_asks_for_a_fresh_proof_and_gets_the_moment(nginx, account, surfer):
    account.sign_in(surfer)
    surfer.open(nginx.at("gated", "/"))
    before = auth_time(surfer.page.text)
    time.sleep(1.1)  # seconds are all that auth_time has
    page = surfer.open(nginx.at("gated", "/.massar/again?/dossier/7?tri=date&page=2"))
    assert page.address == f"{account.url}/sign-in/"
    account.sign_in(surfer)
    assert json.loads(surfer.page.text)["path"] == "/dossier/7?tri=date&page=2"
    assert auth_time(surfer.page.text) > before


@pytest.mark.parametrize(
    "to", ["", "x", "//evil.example.org/", "https://evil.example.org/", "/a%2fb", "/.massar/again?/x"]
)
def test_a_fresh_proof_leads_back_to_a_plain_page_of_the_site_alone(nginx, account, surfer, to):
    account.sign_in(surfer)
    surfer.open(nginx.at("gated", "/"))
    assert surfer.ask("GET", nginx.at("gated", f"/.massar/again?{to}")).status == 403


def test_a_post_without_a_visit_reaches_nobody(nginx, account, surfer):
    page = surfer.ask("POST", nginx.at("gated", "/delete/5"), "sure=1")
    assert page.status == 303 and page.headers["location"].startswith(f"{account.url}/gate/start/?")
    script = surfer.ask("GET", nginx.at("gated", "/data.json"), None, **{"Sec-Fetch-Dest": "empty"})
    assert script.status == 401


def test_a_silent_account_lets_nobody_in(nginx, surfer):
    surfer.jar["127.0.0.1"] = {"massar-gate-lost": "x" * 43}
    assert surfer.ask("GET", nginx.at("lost", "/x")).status == 500


@pytest.mark.parametrize("signed_in", [False, True], ids=["stranger", "signed in"])
def test_odd_request_lines_never_reach_the_site(nginx, account, surfer, signed_in):
    """What nginx itself repairs or refuses, and what it hands on: the site behind sees none of it (CVE-2021-32637)."""
    if signed_in:
        account.sign_in(surfer)
        assert surfer.open(nginx.at("gated", "/")).status == 200
    cookies = "; ".join(f"{k}={v}" for k, v in surfer.jar.get("127.0.0.1", {}).items())
    for path in ODD:
        for version in ("HTTP/1.1", "HTTP/1.0"):
            status, body = raw(nginx.port("gated"), path, cookies, version)
            assert status in (400, 401, 403, 404, 414) or (not status and not body), (
                path,
                version,
                status,
                body,
            )


def _asked(account, nginx, *lines: str) -> int:
    """The status of a question to the gate with exactly these header lines."""
    head = "\r\n".join(["GET /gate/check/ HTTP/1.1", f"Host: {account.url[7:]}", *lines, "Connection: close", "", ""])
    with socket.create_connection(("127.0.0.1", nginx.port("account")), timeout=10) as wire:
        wire.sendall(head.encode("latin-1"))
        return int(wire.recv(65536).split()[1])


def test_a_question_that_says_something_twice_is_refused(nginx, account, surfer):
    """Over the real server, which joins repeated header lines in its own way."""
    account.sign_in(surfer)
    surfer.open(nginx.at("gated", "/"))
    cookie = f"Cookie: massar-gate-gated={surfer.jar['127.0.0.1']['massar-gate-gated']}"
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
