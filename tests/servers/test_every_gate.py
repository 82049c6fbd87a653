"""A site behind nginx's auth_request, behind Caddy's forward_auth and behind Traefik's ForwardAuth, with the files of
deploy/ as they are: the same answers at each."""

import base64
import contextlib
import json
import re
import time
from http.server import ThreadingHTTPServer

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from massar.domain.sites.gated_pages import is_plain
from tests.cast import YOUSSEF
from tests.servers.gate_steps import FORGED, ODD, Backend, auth_time, believed, raw, seen
from tests.servers.go_programs import traefik
from tests.servers.machine import START_SECONDS, open_folder, program, running
from tests.servers.nginx import running_nginx
from tests.servers.sites import SECRETS
from tests.servers.surfer import Surfer
from tests.support.postgres import free_port
from tests.support.product import ROOT
from tests.support.programs import CADDY
from tests.support.serving import serving
from tests.support.waits import until

DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="module")
def backend():
    """The old site, at a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    with serving(server):
        yield server.server_port
    server.server_close()


@pytest.fixture(scope="module", params=["nginx", "caddy", "traefik"])
def gate(request, account, layout, backend):
    """(name of the site, its address)"""
    name = {"nginx": "gated"}.get(request.param, request.param)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(open_folder())
        if request.param == "nginx":
            stack.enter_context(running_nginx(layout, folder))
        else:
            start = {"caddy": _caddy, "traefik": _traefik}[name]
            stack.enter_context(start(folder, account.url, layout.port(name), backend))
        yield name, layout.at(name)


def _caddy(folder, account: str, port: int, backend: int):
    text = (DEPLOY / "caddy" / "Caddyfile").read_text("utf-8")
    text = text.replace("https://compte.example.ma", account).replace("Host compte.example.ma", f"Host {account[7:]}")
    text = text.replace("notifrh.example.ma {", f"http://127.0.0.1:{port} {{")
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{backend}")
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n\tdefault_bind 127.0.0.1\n}}\n{text}")
    key = base64.b64encode(f"caddy:{SECRETS['caddy']}".encode()).decode()
    environment = {"GATE_BASIC": key, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    command = [program(CADDY), "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
    return running(command, folder=folder, ports=(port,), environment=environment)


@contextlib.contextmanager
def _traefik(folder, account: str, port: int, backend: int):
    static = (DEPLOY / "traefik" / "traefik.yml").read_text("utf-8")
    static = static.replace('":443"', f'"127.0.0.1:{port}"').replace("/etc/traefik/", f"{folder}/")
    rules = (DEPLOY / "traefik" / "massar-gate.yml").read_text("utf-8").replace("      tls: {}\n", "")
    rules = re.sub(r"https://notifrh:(.*)@compte\.example\.ma", rf"http://traefik:\1@{account[7:]}", rules)
    rules = rules.replace("Host(`notifrh.example.ma`)", "Host(`127.0.0.1`)")
    rules = rules.replace("127.0.0.1:8080", f"127.0.0.1:{backend}")
    (folder / "traefik.yml").write_text(static)
    (folder / "massar-gate.yml").write_text(rules)
    command = [traefik(), "--configFile=traefik.yml"]
    with running(command, folder=folder, ports=(port,), environment={"GATE_KEY": SECRETS["traefik"]}):
        asked = f"http://127.0.0.1:{port}/x"
        until(lambda: Surfer().ask("GET", asked).status != 404, START_SECONDS, "it reads no routers")
        yield


def test_one_sign_in_opens_the_page_that_was_wanted(gate, account, surfer):
    _, site = gate
    page = surfer.open(f"{site}/dossier/7?tri=date&page=2")
    assert page.address == f"{account.url}/sign-in/"
    account.sign_in(surfer)
    assert json.loads(surfer.page.text)["path"] == "/dossier/7?tri=date&page=2"
    headers = seen(surfer.page)
    assert headers["x-massar-user"] == YOUSSEF.login and headers["x-massar-name"] == "Youssef%20Benali"
    keys = KeySet.import_key_set(json.loads(Surfer().open(f"{account.url}/jwks").text))
    claims = jwt.decode(headers["x-massar-token"], keys, algorithms=["ES256"]).claims
    assert claims["aud"] == site and claims["email"] == YOUSSEF.login


def test_what_the_browser_claims_is_dropped_and_the_cookie_stays_at_the_gate(gate, account, surfer):
    name, site = gate
    account.sign_in(surfer)
    surfer.open(f"{site}/")
    assert f"massar-gate-{name}" in surfer.jar["127.0.0.1"]
    surfer.jar["127.0.0.1"]["own"] = "kept"
    others = {"X-Massar_Name": "forged", **({"X-Massar-Other": "forged"} if name != "gated" else {})}
    page = surfer.ask("GET", f"{site}/x", None, **FORGED, **others)
    headers = seen(page)
    assert not believed(page.text) and headers["x-massar-user"] == YOUSSEF.login
    assert headers["cookie"] == "own=kept" and not [name for name in headers if "_" in name and "massar" in name]
    for cookie in (f"a=1; massar-mark-{name}=m; massar-gate-{name}=G; z=1", f"massar-gate-{name}=G"):
        cookie = cookie.replace("=G", f"={surfer.jar['127.0.0.1'][f'massar-gate-{name}']}")
        left = seen(surfer.ask("GET", f"{site}/x", None, Cookie=cookie)).get("cookie", "")
        assert left.rstrip("; ") == ("a=1; z=1" if "z=1" in cookie else ""), cookie


def test_no_header_of_a_browser_reaches_the_question(gate, account, layout):
    """Neither for a stranger, who stays one, nor for a guest, who is asked about as what he is."""
    _, site = gate
    stranger, guest = Surfer(), Surfer()
    account.sign_in(guest)
    guest.open(f"{site}/")
    for header in ("X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Host", "X-Massar-Origin", "Authorization"):
        said = {header: {"X-Massar-Origin": layout.at("archive"), "Authorization": "Basic YTpi"}.get(header, "/..//x")}
        way = stranger.ask("GET", f"{site}/x", None, **said).headers["location"]
        assert way.startswith(f"{account.url}/gate/start/?"), header
        assert seen(guest.ask("GET", f"{site}/x", None, **said))["x-massar-user"] == YOUSSEF.login, header


def test_signing_out_at_the_account_closes_the_site_at_once(gate, account, surfer):
    _, site = gate
    account.sign_in(surfer)
    assert surfer.open(f"{site}/x").status == 200
    account.sign_out(surfer)
    assert surfer.open(f"{site}/x").address == f"{account.url}/sign-in/"


def test_a_page_asks_for_a_fresh_proof_and_gets_the_moment(gate, account, surfer):
    _, site = gate
    account.sign_in(surfer)
    surfer.open(f"{site}/")
    before = auth_time(surfer.page.text)
    time.sleep(1.1)  # seconds are all that auth_time has
    page = surfer.open(f"{site}/.massar/again?/dossier/7?tri=date&page=2")
    assert page.address == f"{account.url}/sign-in/"
    account.sign_in(surfer)
    assert json.loads(surfer.page.text)["path"] == "/dossier/7?tri=date&page=2" and auth_time(surfer.page.text) > before


def test_a_post_without_a_visit_reaches_nobody(gate, account, surfer):
    _, site = gate
    page = surfer.ask("POST", f"{site}/delete/5", "sure=1")
    assert page.status == 303 and page.headers["location"].startswith(f"{account.url}/gate/start/?")
    assert surfer.ask("GET", f"{site}/data.json", None, **{"Sec-Fetch-Dest": "empty"}).status == 401
    account.sign_in(surfer)
    surfer.open(f"{site}/")
    assert json.loads(surfer.ask("POST", f"{site}/save", "a=1").text)["method"] == "POST"


@pytest.mark.parametrize("signed_in", [False, True], ids=["stranger", "signed in"])
def test_odd_request_lines_never_reach_the_site(gate, layout, account, surfer, signed_in):
    """What the proxy itself repairs, it repairs before it asks: a path that reaches the site has one reading; behind
    nginx none of these reaches it (CVE-2021-32637)."""
    name, site = gate
    if signed_in:
        account.sign_in(surfer)
        assert surfer.open(f"{site}/").status == 200
    cookies = "; ".join(f"{k}={v}" for k, v in surfer.jar.get("127.0.0.1", {}).items())
    for path in ODD:
        for version in ("HTTP/1.1", "HTTP/1.0"):
            status, body = raw(layout.port(name), path, cookies, version)
            if status == 200 and signed_in and '"path"' in body and name != "gated":
                reached = json.loads(body[body.index("{") : body.rindex("}") + 1])["path"]
                assert is_plain(reached), (path, reached)
            else:
                assert status >= 300 or not body, (path, version, status, body)


def test_a_silent_account_lets_nobody_in(layout, backend, surfer):
    for start in (_caddy, _traefik):
        port = free_port()
        with open_folder() as folder, start(folder, f"http://localhost:{free_port()}", port, backend):
            page = surfer.ask("GET", f"http://127.0.0.1:{port}/x")
            assert page.status in (500, 502), page.text
