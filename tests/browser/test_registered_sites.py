"""Sites of an operator's own file: some lead on to another host, one is a native program, some have further wishes.

Chromium holds a form's policy against the redirects of a site's door too. A native program listens on loopback at any
free port (RFC 8252 §7.3).
"""

import base64
import hashlib
import json
import os
import queue
import re
import secrets
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from playwright.sync_api import expect

from massar.core import clock
from tests.browser import pages
from tests.browser.conftest import PATIENCE_MS, Opener
from tests.browser.walk import SIX, Walk
from tests.cast import YOUSSEF
from tests.servers.account import running_account
from tests.servers.machine import running
from tests.servers.oidc_steps import posted as posted_to
from tests.sso.saml_site import SITE_KEYS, authn_request, logout_request, posted, redirect
from tests.support.postgres import free_port
from tests.support.product import ROOT, Product
from tests.support.serving import serving
from tests.support.words import site

NAME = "Youssef Benali"
SITES = '''
[sites.leads]
protocol = "oidc"
client_id = "leads"
client_auth = "none"
name = {{ ar = "البريد الإلكتروني", fr = "Messagerie", en = "Mail" }}
icon = "mail"
redirect_uris = ["{door}/callback"]
scopes = ["openid", "offline_access"]
offline_days = 30
post_logout_redirect_uris = ["{door}/out"]

[sites.posts]
protocol = "saml"
entity_id = "{door}/saml"
acs = ["{door}/acs"]

[sites.browser-only]
protocol = "saml"
name = {{ ar = "التقاعد", fr = "Retraite", en = "Retirement" }}
icon = "sunset"
entity_id = "{door}/saml-only"
acs = ["{door}/acs-only"]
slo = "{door}/slo"
certificate = """
{certificate}"""

[sites.program]
protocol = "oidc"
client_id = "program"
client_auth = "none"
hears_sign_out = false
redirect_uris = ["http://127.0.0.1/back", "http://[::1]/back"]
'''
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636, appendix B


class _Server(ThreadingHTTPServer):
    """Listens at a port that the system gives; `heard` holds (method, path, fields) of each visit."""

    def __init__(self, host: str, handler: type[BaseHTTPRequestHandler]):
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.heard: queue.Queue[tuple[str, str, dict]] = queue.Queue()
        super().__init__((host, 0), handler)
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}"


class _Door(BaseHTTPRequestHandler):
    """Whatever is asked leads on to the same server under its other name, which shows a page."""

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        at = urlsplit(self.path)
        self.server.heard.put((self.command, at.path, parse_qs(body or at.query)))
        self.answer(at.path)

    do_POST = do_GET

    def answer(self, path: str) -> None:
        if self.headers["Host"].startswith("localhost"):
            self.send(200, b"<!doctype html><title>arrived</title><h1>arrived</h1>")
        else:
            self.send(303, b"", Location=f"http://localhost:{self.server.server_port}{path}")

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "text/html", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Quiet."""


class _Program(_Door):
    """Says that the window may be closed."""

    def answer(self, path: str) -> None:
        self.send(200, b"<!doctype html><title>program</title><h1>You may close this window</h1>")


@pytest.fixture(scope="module")
def door() -> Iterator[str]:
    server = _Server("127.0.0.1", _Door)
    with serving(server):
        yield server.url


@pytest.fixture(params=["127.0.0.1", "::1"])
def program(request) -> Iterator[_Server]:
    try:
        server = _Server(request.param, _Program)
    except OSError as trouble:
        pytest.skip(f"This machine has no {request.param}: {trouble}")
    with serving(server):
        yield server


@pytest.fixture(scope="module")
def product(tmp_path_factory, door) -> Iterator[Product]:
    """The account and the sample sites with an operator's wishes, beside the sites above: SAML samples are told through
    the browser alone, eSISE is for inspectors, NotifRH wants a fresh sign-in."""
    folder = tmp_path_factory.mktemp("registered")
    port, *sites = (free_port() for _ in ("account", *SIX))
    samples = {**os.environ, "PYTHONPATH": str(ROOT)}
    register = [sys.executable, "-m", "examples", "register", str(folder / "var"), f"http://localhost:{port}"]
    subprocess.run([*register, *map(str, sites)], check=True, env=samples, cwd=folder)
    wishes = re.sub(r"(?m)^slo_soap = .*\n", "", (folder / "var" / "sites.toml").read_text("utf-8"))
    wishes = re.sub(r"(?m)^(\[sites\.esise\]\n(?:[^\[].*\n)*?roles = ).*$", r'\1["inspector"]', wishes)
    wishes = wishes.replace("[sites.notifrh]", "[sites.notifrh]\nmax_age_minutes = 600")
    own = SITES.format(door=door, certificate=SITE_KEYS.certificate)
    run = [sys.executable, "-m", "examples", "run", str(folder / "var")]
    (folder / "samples").mkdir()
    with (
        running_account(folder, port, f"{wishes}\n{own}") as account,
        running(run, folder=folder / "samples", ports=tuple(sites), environment={"PYTHONPATH": str(ROOT)}),
    ):
        yield Product(account.url, None, folder / "output.txt", people={YOUSSEF.login: YOUSSEF.password})


@pytest.fixture(params=[True], ids=["scripts"])
def script(request) -> bool:
    return request.param


with_and_without_scripts = pytest.mark.parametrize("script", [True, False], ids=["scripts", "no-scripts"])


@pytest.fixture
def page(script, browser):
    """Not watched: these pages lead to other hosts."""
    context = browser.new_context(java_script_enabled=script, locale="fr-MA", viewport=pages.PHONE)
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


def sign_in(page) -> None:
    page.fill("input[name=user]", YOUSSEF.login)
    page.fill("input[name=password]", YOUSSEF.password)
    page.press("input[name=password]", "Enter")


def arrives(page, door: str, path: str) -> None:
    page.wait_for_url(f"{door.replace('127.0.0.1', 'localhost')}{path}")
    assert page.text_content("h1") == "arrived"


def ask(product: Product, back: str, **more: str) -> str:
    fields = {
        "client_id": "leads", "redirect_uri": back, "response_type": "code", "scope": "openid",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256", "state": "s", **more,
    }  # fmt: skip
    return f"{product.url}/authorize?{urlencode(fields)}"


def ask_by_saml(product: Product, door: str, issuer: str) -> str:
    request = authn_request(clock.now(), issuer=f"{door}/{issuer}", Destination=f"{product.url}/saml/sso")
    packed = zlib.compress(request.encode(), wbits=-15)
    return f"{product.url}/saml/sso?SAMLRequest={quote(base64.b64encode(packed).decode(), safe='')}"


def asked_by_leads_to_sign_out(page, product: Product, door: str) -> None:
    about = urlencode({"client_id": "leads", "post_logout_redirect_uri": f"{door}/out"})
    page.goto(f"{product.url}/logout?{about}")
    page.click("form[action='/logout'] button")


@with_and_without_scripts
def test_after_the_sign_in_form(page, product, door):
    """A long state makes the way back too long for a redirect behind nginx: a page goes on, no entry of history."""
    for state, signs_in in (("s", True), ("s" * 8000, True), ("s" * 8000, False)):
        page.goto("about:blank")
        if signs_in:
            page.context.clear_cookies()
        page.goto(ask(product, f"{door}/callback", state=state))
        if signs_in:
            sign_in(page)
        arrives(page, door, "/callback")
        page.go_back()
        assert "code=" not in page.url, "the page that leads on leaves no entry behind"
        assert state == "s" or not page.url.startswith(f"{product.url}/authorize")


@with_and_without_scripts
@pytest.mark.parametrize("by", ["address", "form"])
def test_after_the_question_of_a_saml_site_that_proves_nothing(page, product, door, by):
    page.goto(f"{product.url}/sign-in/")
    sign_in(page)
    page.wait_for_url(f"{product.url}/")
    about = {"name": "nobody", "issuer": f"{door}/saml-only", "Destination": f"{product.url}/saml/slo"}
    request = logout_request(clock.now(), **about)
    if by == "address":
        page.goto(redirect(request, to=f"{product.url}/saml/slo"))
    else:
        form = f'<form method="post" action="{product.url}/saml/slo">'
        form += f'<input name="SAMLRequest" value="{posted(request)}"><button>'
        page.route(f"{door}/form", lambda route: route.fulfill(body=form, content_type="text/html"))
        page.goto(f"{door}/form")
        page.click("button")
    page.click("form[action='/saml/slo/confirm/'] button")
    arrives(page, door, "/slo")
    page.goto(f"{product.url}/")
    assert page.url == f"{product.url}/sign-in/"


@with_and_without_scripts
def test_after_the_question_about_signing_out(page, product, door):
    page.goto(f"{product.url}/sign-in/")
    sign_in(page)
    asked_by_leads_to_sign_out(page, product, door)
    arrives(page, door, "/out")


@with_and_without_scripts
@pytest.mark.parametrize("binding", ["form_post", "saml"])
def test_after_an_answer_that_is_a_form(page, product, door, binding, script):
    by_form = ask(product, f"{door}/callback", response_mode="form_post")
    page.goto(by_form if binding == "form_post" else ask_by_saml(product, door, "saml"))
    sign_in(page)
    if not script:
        page.click("form[data-send-on] button")
    arrives(page, door, "/callback" if binding == "form_post" else "/acs")


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_the_pages_are_fit_to_be_seen(page, product, door, language):
    """The page that leads on (held still here), the list that leads on to the asking site, and programs that stay."""
    page.context.add_cookies([{"name": "massar-language", "value": language, "url": product.url}])
    page.goto(ask(product, f"{door}/callback", scope="openid offline_access"))
    sign_in(page)
    arrives(page, door, "/callback")
    page.goto(f"{product.url}/devices/")
    assert page.locator("section[aria-labelledby=programs-title] li.card").count() >= 1
    pages.inspect(page, "programs", language)
    page.goto(ask_by_saml(product, door, "saml-only"))
    arrives(page, door, "/acs-only")
    asked_by_leads_to_sign_out(page, product, door)
    page.wait_for_url(f"{product.url}/sign-out/everywhere/")
    assert page.get_attribute("main .actions a.primary", "href") == f"{door}/out"
    pages.inspect(page, "asked-by-a-site", language)
    page.route(f"{door}/callback*", lambda route: route.fulfill(status=204))  # the browser stays
    page.goto(ask(product, f"{door}/callback"))
    sign_in(page)
    page.wait_for_url(f"{product.url}/authorize/resume")
    pages.inspect(page, "on-to-a-site", language)


@pytest.mark.parametrize(("mode", "method"), [("query", "GET"), ("form_post", "POST")])
def test_a_native_program_gets_its_code_and_a_token(page, product, program, mode, method):
    """No policy of ours stops the browser after the sign-in form, and the code is worth a token."""
    verifier, back = secrets.token_urlsafe(48), f"{program.url}/back"
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    page.goto(ask(product, back, client_id="program", response_mode=mode, code_challenge=challenge))
    sign_in(page)
    page.wait_for_url(f"{back}**")
    assert page.text_content("h1") == "You may close this window"
    came, path, fields = program.heard.get(timeout=15)
    assert (came, path, fields["state"]) == (method, "/back", ["s"])
    form = {"grant_type": "authorization_code", "code": fields["code"][0], "code_verifier": verifier}
    answer = posted_to(product, "program", **form, redirect_uri=back)
    assert answer.status == 200 and json.loads(answer.text)["access_token"], answer.text


# -- the samples, with an operator's wishes


@pytest.mark.parametrize(("language", "script"), [("ar", True), ("fr", True), ("en", True), ("fr", False)])
def test_a_site_that_only_browsers_can_tell_is_left_by_a_link(product: Product, open_page: Opener, language, script):
    walk = Walk(open_page(product, script=script), product, language).comes_in(YOUSSEF.login)
    walk.page.get_by_role("link", name=site("retraite").serves(language)).click()
    if not script:
        walk.page.locator("form[action$='/acs'] button").click()
    walk.is_known_at("retraite", NAME)
    walk.page.goto("/sign-out/everywhere/")
    walk.button(walk.said("sso.everywhere.confirm")).click()
    walk.sees("sso.told.by_hand")
    assert not walk.is_closed("retraite")
    if script:
        pages.inspect(walk.page, "21-everywhere-by-hand", language)
    walk.page.get_by_role("link", name=walk.said("sso.told.finish")).click()
    expect(walk.page.locator("[data-told] .badge.good")).to_have_count(1)
    expect(walk.page).to_have_url(f"{product.url}/sign-out/everywhere/")
    assert walk.is_closed("retraite")


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_the_pages_that_stand_between_a_person_and_a_site(product: Product, open_page: Opener, language: str):
    walk = Walk(open_page(product), product, language).comes_in(YOUSSEF.login)
    for address, sentence, name in (
        (f"{product.sites['esise']}/login", "sso.not_for_you.role_what", "22-not-for-you"),
        ("/authorize?client_id=nobody", "sso.error.site.title", "23-site-error"),
        ("/logout?client_id=massar", "sso.logout.what", "24-sign-out-asked"),
    ):
        walk.page.goto(address)
        walk.sees(sentence)
        pages.inspect(walk.page, name, language)
