"""Sites whose own door leads on to another host: Chromium holds a form's policy against their redirects too."""

from __future__ import annotations

import base64
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, urlencode

import pytest

from massar.core import clock
from tests.browser import pages
from tests.cast import YOUSSEF
from tests.servers.account import running_account
from tests.sso.saml_site import SITE_KEYS, authn_request, logout_request, posted, redirect
from tests.support.postgres import free_port

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
'''
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636, appendix B


class _Door(BaseHTTPRequestHandler):
    """Whatever is asked leads on to the same server under its other name, which shows a page."""

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        here = self.headers["Host"].partition(":")[0]
        if here == "localhost":
            self._answer(200, b"<!doctype html><title>arrived</title><h1>arrived</h1>")
        else:
            self._answer(303, b"", Location=f"http://localhost:{self.server.server_port}{self.path.partition('?')[0]}")

    do_POST = do_GET

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "text/html", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture(scope="module")
def door():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def account(tmp_path_factory, door):
    registry = SITES.format(door=door, certificate=SITE_KEYS.certificate)
    with running_account(tmp_path_factory.mktemp("leads-on"), free_port(), registry) as it:
        yield it


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def script(request) -> bool:
    return request.param


@pytest.fixture
def page(script, browser):
    context = browser.new_context(java_script_enabled=script, locale="fr-MA", viewport=pages.PHONE)
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


def sign_in(page) -> None:
    page.fill("input[name=user]", YOUSSEF.login)
    page.fill("input[name=password]", YOUSSEF.password)
    page.press("input[name=password]", "Enter")


def arrives(page, door: str, path: str) -> None:
    page.wait_for_url(f"{door.replace('127.0.0.1', 'localhost')}{path}")
    assert page.text_content("h1") == "arrived"


def ask(account, door: str, **more: str) -> str:
    fields = {
        "client_id": "leads", "redirect_uri": f"{door}/callback", "response_type": "code", "scope": "openid",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256", "state": "s", **more,
    }  # fmt: skip
    return f"{account.url}/authorize?{urlencode(fields)}"


def test_after_the_sign_in_form(page, account, door):
    page.goto(ask(account, door))
    sign_in(page)
    arrives(page, door, "/callback")
    page.go_back()
    assert "code=" not in page.url, "the page that leads on leaves no entry behind"


def test_a_long_state_with_and_without_the_form(page, account, door):
    """The way back is too long for a redirect behind nginx, so a page goes on at once, and is no entry of history."""
    for signs_in in (True, False):
        page.goto("about:blank")
        page.goto(ask(account, door, state="s" * 8000))
        if signs_in:
            sign_in(page)
        arrives(page, door, "/callback")
        page.go_back()
        assert "code=" not in page.url and not page.url.startswith(f"{account.url}/authorize")


@pytest.mark.parametrize("by", ["address", "form"])
def test_after_the_question_of_a_saml_site_that_proves_nothing(page, account, door, by):
    page.goto(f"{account.url}/sign-in/")
    sign_in(page)
    page.wait_for_url(f"{account.url}/")
    about = {"name": "nobody", "issuer": f"{door}/saml-only", "Destination": f"{account.url}/saml/slo"}
    request = logout_request(clock.now(), **about)
    if by == "address":
        page.goto(redirect(request, to=f"{account.url}/saml/slo"))
    else:
        form = f'<form method="post" action="{account.url}/saml/slo">'
        form += f'<input name="SAMLRequest" value="{posted(request)}"><button>'
        page.route(f"{door}/form", lambda route: route.fulfill(body=form, content_type="text/html"))
        page.goto(f"{door}/form")
        page.click("button")
    page.click("form[action='/saml/slo/confirm/'] button")
    arrives(page, door, "/slo")
    page.goto(f"{account.url}/")
    assert page.url == f"{account.url}/sign-in/"


def test_after_the_question_about_signing_out(page, account, door):
    page.goto(f"{account.url}/sign-in/")
    sign_in(page)
    page.goto(f"{account.url}/logout?{urlencode({'client_id': 'leads', 'post_logout_redirect_uri': f'{door}/out'})}")
    page.click("form[action='/logout'] button")
    arrives(page, door, "/out")


@pytest.mark.parametrize("binding", ["form_post", "saml"])
def test_after_an_answer_that_is_a_form(page, account, door, binding, script):
    page.goto(ask(account, door, response_mode="form_post") if binding == "form_post" else saml(account, door))
    sign_in(page)
    if not script:
        page.click("form[data-send-on] button")
    arrives(page, door, "/callback" if binding == "form_post" else "/acs")


def saml(account, door: str, site: str = "posts") -> str:
    issuer = {"posts": "saml", "browser-only": "saml-only"}[site]
    request = authn_request(clock.now(), issuer=f"{door}/{issuer}", Destination=f"{account.url}/saml/sso")
    packed = zlib.compress(request.encode(), wbits=-15)
    return f"{account.url}/saml/sso?SAMLRequest={quote(base64.b64encode(packed).decode(), safe='')}"


# -- the pages that came with it


@pytest.fixture
def watched(browser, account):
    context = browser.new_context(java_script_enabled=True, locale="en-GB", timezone_id="Africa/Casablanca")
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


def speak(page, account, language: str) -> None:
    page.context.add_cookies([{"name": "massar-language", "value": language, "url": account.url}])


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_the_pages_are_fit_to_be_seen(watched, account, door, language):
    """The page that leads on (held still here), the list that leads on to the asking site, and programs that stay."""
    page = watched
    speak(page, account, language)
    page.goto(ask(account, door, scope="openid offline_access"))
    sign_in(page)
    arrives(page, door, "/callback")
    page.goto(f"{account.url}/devices/")
    assert page.locator("section[aria-labelledby=programs-title] li.card").count() >= 1
    pages.inspect(page, "programs", language)
    page.goto(saml(account, door, "browser-only"))
    arrives(page, door, "/acs-only")
    page.goto(f"{account.url}/logout?{urlencode({'client_id': 'leads', 'post_logout_redirect_uri': f'{door}/out'})}")
    page.click("form[action='/logout'] button")
    page.wait_for_url(f"{account.url}/sign-out/everywhere/")
    assert page.get_attribute("main .actions a.primary", "href") == f"{door}/out"
    pages.inspect(page, "asked-by-a-site", language)
    held_still(page, account, door)
    pages.inspect(page, "on-to-a-site", language)


def held_still(page, account, door: str) -> None:
    """The page that leads on, at a site that answers nothing: the browser stays."""
    page.route(f"{door}/callback*", lambda route: route.fulfill(status=204))
    page.goto(ask(account, door))
    sign_in(page)
    page.wait_for_url(f"{account.url}/authorize/resume")
