"""A native program signs somebody in through Chromium: it listens on loopback at any free port (RFC 8252 §7.3)."""

from __future__ import annotations

import base64
import hashlib
import json
import queue
import secrets
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.browser import pages
from tests.cast import YOUSSEF
from tests.servers.account import running_account
from tests.servers.oidc_steps import posted
from tests.support.postgres import free_port

SITES = """
[sites.program]
protocol = "oidc"
client_id = "program"
client_auth = "none"
hears_sign_out = false
redirect_uris = ["http://127.0.0.1/back", "http://[::1]/back"]
"""
FAMILIES = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}


class _Listener(BaseHTTPRequestHandler):
    """Keeps what came back, as a query or as a form, and says that the window may be closed."""

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        at = urlsplit(self.path)
        self.server.heard.put((self.command, at.path, parse_qs(body or at.query)))
        page = b"<!doctype html><title>program</title><h1>You may close this window</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_POST = do_GET

    def log_message(self, *_):
        """Quiet."""


class _Program(ThreadingHTTPServer):
    """Listens at a port that the system gives; `heard` holds (method, path, fields) of each visit."""

    def __init__(self, host: str):
        self.address_family = FAMILIES[host]
        self.heard: queue.Queue[tuple[str, str, dict]] = queue.Queue()
        super().__init__((host, 0), _Listener)
        written = f"[{host}]" if ":" in host else host
        self.back = f"http://{written}:{self.server_port}/back"


@pytest.fixture(params=FAMILIES)
def program(request) -> Iterator[_Program]:
    try:
        server = _Program(request.param)
    except OSError as trouble:
        pytest.skip(f"This machine has no {request.param}: {trouble}")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    with running_account(tmp_path_factory.mktemp("native"), free_port(), SITES) as it:
        yield it


@pytest.fixture
def page(browser):
    context = browser.new_context(locale="fr-MA", viewport=pages.PHONE)
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(("mode", "method"), [("query", "GET"), ("form_post", "POST")])
def test_the_program_gets_its_code_and_a_token(page, account, program, mode, method):
    """No policy of ours stops the browser after the sign-in form, and the code is worth a token."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    page.goto(f"{account.url}/authorize?" + urlencode({
        "client_id": "program", "redirect_uri": program.back, "response_type": "code", "response_mode": mode,
        "scope": "openid", "state": "s", "code_challenge": challenge, "code_challenge_method": "S256",
    }))  # fmt: skip
    page.fill("input[name=user]", YOUSSEF.login)
    page.fill("input[name=password]", YOUSSEF.password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{program.back}**")
    assert page.text_content("h1") == "You may close this window"
    came, path, fields = program.heard.get(timeout=15)
    assert (came, path, fields["state"]) == (method, "/back", ["s"])
    form = {"grant_type": "authorization_code", "code": fields["code"][0], "code_verifier": verifier}
    answer = posted(account, "program", **form, redirect_uri=program.back)
    assert answer.status == 200 and json.loads(answer.text)["access_token"], answer.text
