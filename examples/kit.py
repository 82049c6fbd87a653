"""What the six sites share and no integrator needs to copy: which site a port is, sessions, one page.

Sessions live in memory under a random cookie of each site. A site keeps in its session what it learned of the person:
`claims`, and `sid`, the name of the account's session, by which the account says later that it is over.
"""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html, format_html_join

OPENED = ("claims", "sid", "hint", "name_id", "name_id_format")  # what a sign-in leaves in a session
SIGN_IN = [("Sign in", "/login")]
SIGNED_IN = [("Sign in again (fresh proof)", "/login?again=1"), ("Sign out everywhere", "/logout")]
ON_THE_SHELF = 60  # seconds
Thing = TypeVar("Thing")


class Session(dict[str, Any]):
    """What a site knows of one browser. `cookie`: the name under which the browser has it, '' while it is empty."""

    cookie = ""


@dataclass
class Sample:
    """One site: what its maker was given when it was registered (samples.json), and its open sessions."""

    slug: str
    protocol: str
    port: int
    title: str
    about: dict[str, str]
    sessions: dict[str, Session] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def session(self, cookie: str) -> Session:
        """The session of a browser; a new one when the cookie is not ours."""
        return self.sessions.get(cookie) or Session()

    def keep(self, session: Session) -> None:
        """Under a new cookie if it has none yet. An empty one is forgotten."""
        with self.lock:
            if not session:
                self.sessions.pop(session.cookie, None)
            elif not session.cookie:
                session.cookie = secrets.token_urlsafe(32)
                self.sessions[session.cookie] = session

    def rename(self, session: Session) -> None:
        """The cookie that the browser had is nobody's from now on; the session gets another."""
        with self.lock:
            self.sessions.pop(session.cookie, None)
        session.cookie = ""
        self.keep(session)

    def end(self, sid: str) -> None:
        """The account says that its session is over: everything that was opened with it here ends. A sign-in that is on
        its way meanwhile goes on: what it needs (state, nonce) stands beside."""
        with self.lock:
            for session in self.sessions.values():
                if session.get("sid") == sid:
                    for name in OPENED:
                        session.pop(name, None)


@dataclass
class Demo:
    """Where the account is, and the sites of this process by port. `python -m examples run` fills it in."""

    account: str = ""
    sites: dict[int, Sample] = field(default_factory=dict)


DEMO = Demo()


class SiteRequest(HttpRequest):
    """What `BySite` makes of a request."""

    site: Sample  # type: ignore[assignment]  # contrib.sites, which is not here, has the name in the stubs
    session: Session  # type: ignore[assignment]  # a dict, as Authlib takes it; the stubs know contrib.sessions


class BySite:
    """Middleware: request.site by port, request.session by cookie, and the addresses of the site's protocol."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: SiteRequest) -> HttpResponse:
        request.site = DEMO.sites[int(request.META["SERVER_PORT"])]
        request.urlconf = f"examples.{request.site.protocol}_site"
        name = f"sample-{request.site.slug}"
        request.session = request.site.session(request.COOKIES.get(name, ""))
        response = self.get_response(request)
        request.site.keep(request.session)
        if request.session and request.session.cookie != request.COOKIES.get(name):
            response.set_cookie(name, request.session.cookie, httponly=True, samesite="Lax")
        response["Cache-Control"] = "no-store"
        return response


class Shelf(Generic[Thing]):
    """What came without the browser's cookie, laid aside for a minute until the browser comes by itself; each once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.things: dict[str, tuple[float, Thing]] = {}

    def put(self, thing: Thing) -> str:
        """The ticket that fetches it."""
        ticket, now = secrets.token_urlsafe(32), time.monotonic()
        with self.lock:
            self.things = {name: kept for name, kept in self.things.items() if kept[0] > now}
            self.things[ticket] = (now + ON_THE_SHELF, thing)
        return ticket

    def take(self, ticket: str) -> Thing | None:
        with self.lock:
            until, thing = self.things.pop(ticket, (0, None))
        return thing if until > time.monotonic() else None


def home(request: SiteRequest) -> HttpResponse:
    """Who is signed in, or the way to it."""
    claims = request.session.get("claims")
    return page(request, claims, links=SIGNED_IN if claims else SIGN_IN)


def signed_in(request: SiteRequest, **learned: object) -> HttpResponse:
    """Into this browser's session, in place of whoever was there, and under a new cookie: one that somebody planted or
    saw before the sign-in (session fixation) opens nothing."""
    for name in OPENED:
        request.session.pop(name, None)
    request.session.update(learned)
    request.site.rename(request.session)
    return HttpResponseRedirect("/")


def refused(request: SiteRequest, why: object) -> HttpResponse:
    """Nothing came of this. Whoever was signed in before still is."""
    return page(request, None, links=SIGN_IN, note=f"Refused: {why}", status=400)


def page(
    request: SiteRequest,
    claims: Mapping[str, object] | None,
    *,
    links: list[tuple[str, str]],
    note: str = "",
    status: int = 200,
) -> HttpResponse:
    """The site's only page: who signed in, what came, where to go."""
    rows = format_html_join("", '<tr><th>{}</th><td><bdi dir="auto">{}</bdi></td></tr>', sorted((claims or {}).items()))
    who = (claims or {}).get("name") or (claims or {}).get("email") or (claims or {}).get("sub") or ""
    nobody = format_html("<p id=nobody>Nobody is signed in here.</p>") if status == 200 else ""
    said = format_html("<p>Signed in: <strong id=who><bdi>{}</bdi></strong></p>", who) if claims else nobody
    table = format_html("<table><caption>What the account told this site</caption>{}</table>", rows) if claims else ""
    ways = format_html_join(" ", '<a class=button href="{1}">{0}</a>', links)
    return HttpResponse(
        format_html(
            PAGE, title=request.site.title, slug=request.site.slug, protocol=request.site.protocol,
            said=said, table=table, ways=ways, note=note, account=DEMO.account,
        ),
        status=status,
    )  # fmt: skip


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} (sample site)</title><style>
body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; color: #1c2522;
background: #f7f6f2 }} table {{ border-collapse: collapse; width: 100%; background: #fff }}
caption {{ text-align: start; padding: .5rem 0 }} th, td {{ border: 1px solid #d8d5cb; padding: .35rem .6rem;
text-align: start; overflow-wrap: anywhere }} th {{ width: 30%; font-weight: 500;
white-space: nowrap }}
.button {{ display: inline-block; margin: .3rem 0; padding: .6rem 1rem; border: 1px solid #0d6b54; border-radius: .4rem;
color: #0d6b54; text-decoration: none; background: #fff }} small {{ color: #55605c }}
small a {{ display: inline-block; padding: .8rem 0 }}</style>
<main id="{slug}"><small>Sample site, not the ministry's. Protocol: {protocol}.</small><h1><bdi>{title}</bdi></h1>
{said}{table}<p>{note}</p><p>{ways}</p>
<p><small><a href="{account}/">Back to the account</a></small></p></main></html>"""
