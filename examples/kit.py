"""What the six sites share and no integrator needs to copy: which site a port is, sessions, one page.

Sessions live in memory under a random cookie of each site. A site keeps in its session what it learned about the person:
`claims`, and `sid`, the name of the account's session, by which the account says later that it is over.
"""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass, field
from functools import cache

import requests
from django.conf import settings
from django.http import HttpResponse
from django.utils.html import format_html, format_html_join
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet

OPENED = ("claims", "sid", "hint", "name_id", "name_id_format")  # what a sign-in leaves in a session


@dataclass
class Sample:
    """One site: what its maker was given when it was registered (samples.json), and its open sessions."""

    slug: str
    protocol: str
    port: int
    title: str
    about: dict
    sessions: dict[str, dict] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def session(self, cookie: str) -> tuple[str, dict]:
        """(cookie, session) of a browser; a new one when the cookie is not ours."""
        with self.lock:
            if cookie not in self.sessions:
                cookie = secrets.token_urlsafe(32)
                self.sessions[cookie] = {}
            return cookie, self.sessions[cookie]

    def end(self, sid: str) -> None:
        """The account says that its session is over: everything that was opened with it here ends. A sign-in that is on
        its way meanwhile goes on: what it needs (state, nonce) stands beside."""
        with self.lock:
            for session in self.sessions.values():
                if session.get("sid") == sid:
                    for name in OPENED:
                        session.pop(name, None)


class BySite:
    """Middleware: request.site by port, request.session by cookie, and the addresses of the site's protocol."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.site = settings.SAMPLES[int(request.META["SERVER_PORT"])]
        request.urlconf = f"examples.{request.site.protocol}_site"
        name = f"sample-{request.site.slug}"
        cookie, request.session = request.site.session(request.COOKIES.get(name, ""))
        response = self.get_response(request)
        response.set_cookie(name, cookie, httponly=True, samesite="Lax")
        response["Cache-Control"] = "no-store"
        return response


@cache
def discovered() -> dict:
    """The account's own description of itself (OpenID Connect Discovery)."""
    answer = requests.get(f"{settings.ACCOUNT}/.well-known/openid-configuration", timeout=10)
    answer.raise_for_status()
    return answer.json()


@cache
def _keys(_again: int = 0) -> KeySet:
    return KeySet.import_key_set(requests.get(discovered()["jwks_uri"], timeout=10).json())


def verified(token: str, *, audience: str, kind: str) -> dict:
    """The claims of a token that the account signed for us. Raises joserfc.errors.JoseError. Keys roll: an unknown one is
    looked up once more."""
    try:
        read = jwt.decode(token, _keys(), algorithms=["ES256", "RS256"])
    except (InvalidKeyIdError, ValueError):
        _keys.cache_clear()
        read = jwt.decode(token, _keys(), algorithms=["ES256", "RS256"])
    if read.header.get("typ") != kind:
        raise ValueError(f"this is no {kind}")
    wanted = {"iss": settings.ACCOUNT, "aud": audience}
    must = {name: {"essential": True, "value": value} for name, value in wanted.items()}
    jwt.JWTClaimsRegistry(exp={"essential": True}, leeway=30, **must).validate(read.claims)
    return read.claims


def told_to_sign_out(request, *, audience: str) -> HttpResponse:
    """The account's signed word that a session is over (OpenID Connect Back-Channel Logout 1.0 §2.6)."""
    try:
        claims = verified(request.POST.get("logout_token", ""), audience=audience, kind="logout+jwt")
        if "http://schemas.openid.net/event/backchannel-logout" not in claims["events"] or "nonce" in claims:
            raise ValueError("this is no logout token")
    except Exception as refused:  # whatever is wrong with it: not believed
        return HttpResponse(json.dumps({"error": "invalid_request", "error_description": str(refused)}), status=400)
    request.site.end(claims["sid"])
    return HttpResponse(status=200)


def page(request, claims: dict | None, *, links: list[tuple[str, str]], note: str = "", status: int = 200) -> HttpResponse:
    """The site's only page: who signed in, what came, where to go."""
    rows = format_html_join(
        "", '<tr><th>{}</th><td><bdi dir="auto">{}</bdi></td></tr>', sorted((claims or {}).items())
    )
    who = (claims or {}).get("name") or (claims or {}).get("email") or (claims or {}).get("sub") or ""
    said = format_html("<p>Signed in: <strong id=who><bdi>{}</bdi></strong></p>", who) if claims else format_html(
        "<p id=nobody>Nobody is signed in here.</p>"
    )
    table = format_html("<table><caption>What the account told this site</caption>{}</table>", rows) if claims else ""
    ways = format_html_join(" ", '<a class=button href="{1}">{0}</a>', links)
    return HttpResponse(
        format_html(
            PAGE, title=request.site.title, slug=request.site.slug, protocol=request.site.protocol,
            said=said, table=table, ways=ways, note=note, account=settings.ACCOUNT,
        ),
        status=status,
    )  # fmt: skip


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} (sample site)</title><style>
body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; color: #1c2522;
background: #f7f6f2 }} table {{ border-collapse: collapse; width: 100%; background: #fff }}
caption {{ text-align: start; padding: .5rem 0 }} th, td {{ border: 1px solid #d8d5cb; padding: .35rem .6rem;
text-align: start; overflow-wrap: anywhere }} th {{ width: 12rem; font-weight: 500 }}
.button {{ display: inline-block; margin: .3rem 0; padding: .5rem 1rem; border: 1px solid #0d6b54; border-radius: .4rem;
color: #0d6b54; text-decoration: none; background: #fff }} small {{ color: #55605c }}</style>
<main id="{slug}"><small>Sample site, not the ministry's. Protocol: {protocol}.</small><h1><bdi>{title}</bdi></h1>
{said}{table}<p>{note}</p><p>{ways}</p><p><small><a href="{account}/">Back to the account</a></small></p></main></html>"""
