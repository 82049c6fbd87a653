"""oauth2-proxy, built as a Go module, with deploy/oauth2-proxy: it knows people by ID token alone, and refreshes."""

import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer

import pytest

from tests.cast import YOUSSEF
from tests.servers.gate_steps import Backend, seen
from tests.servers.go_programs import oauth2_proxy
from tests.servers.machine import open_folder, running
from tests.servers.sites import SECRETS
from tests.support.product import ROOT
from tests.support.serving import serving


@pytest.fixture(scope="module")
def site(account, layout):
    backend = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    text = (ROOT / "deploy" / "oauth2-proxy" / "oauth2-proxy.cfg").read_text("utf-8")
    port = layout.port("oauth2_proxy")
    for told, here in {
        "https://compte.example.ma": account.url, "https://sise.example.ma": layout.at("oauth2_proxy"),
        '"esise"': '"oauth2_proxy"', "127.0.0.1:4180": f"127.0.0.1:{port}",
        "127.0.0.1:8080": f"127.0.0.1:{backend.server_port}", '"5m"': '"2s"',
    }.items():  # fmt: skip
        text = text.replace(told, here)
    environment = {
        "OAUTH2_PROXY_CLIENT_SECRET": SECRETS["oauth2_proxy"],
        "OAUTH2_PROXY_COOKIE_SECRET": secrets.token_hex(16),
    }
    with open_folder() as folder, serving(backend):
        (folder / "oauth2-proxy.cfg").write_text(f"{text}cookie_secure = false\n")
        command = [oauth2_proxy(), "--config", "oauth2-proxy.cfg"]
        with running(command, folder=folder, ports=(port,), environment=environment):
            yield layout.at("oauth2_proxy")


def test_sign_in_once_and_the_page_opens_with_name_and_address(site, account, surfer):
    page = surfer.open(f"{site}/dossier/7?tri=date")
    assert page.address == f"{account.url}/sign-in/"
    account.sign_in(surfer)
    assert json.loads(surfer.page.text)["path"] == "/dossier/7?tri=date"
    headers = seen(surfer.page)
    assert headers["x-forwarded-email"] == YOUSSEF.login
    assert headers["x-forwarded-user"] and YOUSSEF.login not in headers["x-forwarded-user"], "known by sub"


def test_several_requests_that_refresh_at_once_stay_signed_in(site, account, surfer):
    """A page's pictures, after the moment at which each of them wants a new token: one grant, nobody is signed out."""
    account.sign_in(surfer)
    surfer.open(f"{site}/")
    time.sleep(2.5)  # the age at which oauth2-proxy refreshes
    cookie = "; ".join(f"{name}={value}" for name, value in surfer.jar["127.0.0.1"].items())
    with ThreadPoolExecutor(6) as pool:
        answers = pool.map(lambda _: surfer.ask("GET", f"{site}/x", None, Cookie=cookie).status, range(6))
        assert list(answers) == [200] * 6
    assert surfer.ask("GET", f"{site}/x").status == 200


def test_a_stranger_sees_nothing(site, account, surfer):
    page = surfer.ask("GET", f"{site}/x")
    assert page.status == 302 and page.headers["location"].startswith(f"{account.url}/authorize?")
