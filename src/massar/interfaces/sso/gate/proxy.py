"""What a site's own proxy asks the account (docs/integrate/nginx-gate.md).

    check  200 with facts in headers, 401 nobody has entered, 403 the request itself is odd
    begin  303 to the account, with a mark in a cookie of the site's host; `?again=yes` asks for a fresh proof
    enter  303 to the page that was wanted, with the gate cookie of the site's host

The proxy names itself and the page in three headers, each exactly once. Whatever does not read in one way is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse

from massar.core import ids
from massar.domain.sites.api import GatedPage, Site, gated_pages
from massar.interfaces.base import direct, outage
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import see_other
from massar.journeys.sso import access
from massar.journeys.sso.gate import check as gate_check
from massar.journeys.sso.gate import visit

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NAVIGATES = ("", "document")  # Sec-Fetch-Dest of what a person opened; older browsers send none
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_OF_THE_GATE = re.compile(r"(?:__Host-)?massar-(?:gate|mark)-[a-z0-9_-]+=")


@dataclass(frozen=True)
class ProxiedRequest:
    """What reached the site's proxy."""

    page: GatedPage
    method: str


@direct.direct_view
@outage.answer_when_away(outage.plain)
def check(request: Request) -> HttpResponse:
    """For `auth_request`: 200, 401 or 403, without a body."""
    asked = _asked(request)
    return HttpResponse(status=403) if asked is None else judged(request, asked)


def judged(request: Request, asked: ProxiedRequest) -> HttpResponse:
    """200 with the facts, or 401, or 403."""
    site = asked.page.site
    tokens = _cookies(request, _name("gate", site))
    if len(tokens) > 1:
        return HttpResponse(status=403)  # a neighbouring host has put a second one beside ours
    well_formed = tokens and _TOKEN.fullmatch(tokens[0])
    passed = gate_check.check(site=site, token=tokens[0], now=request.now) if well_formed else None
    return _facts(passed) if passed else HttpResponse(status=401, headers={"WWW-Authenticate": "Massar-Gate"})


def _facts(passed: gate_check.GatePass) -> HttpResponse:
    """X-Massar-User is the login where the site may have it, else the subject. Names are percent-encoded UTF-8."""
    response = HttpResponse(status=200)
    response["X-Massar-Token"] = passed.token
    response["X-Massar-Subject"] = passed.subject
    response["X-Massar-User"] = quote(passed.claims.get("email", passed.subject), safe="@.+-_")
    for header, claim in (("Name", "name"), ("School", "school"), ("Role", "role")):
        response[f"X-Massar-{header}"] = quote(passed.claims.get(claim, ""), safe="")
    return response


def begin(request: Request) -> HttpResponse:
    """Nobody has entered yet: to the account. A script or a picture gets the 401 itself."""
    asked = _asked(request)
    again = request.GET.getlist("again")
    if asked is None or again not in ([], ["yes"]):
        return HttpResponse(status=403)
    return sent_to_the_account(request, asked, again=bool(again))


def sent_to_the_account(request: Request, asked: ProxiedRequest, *, again: bool) -> HttpResponse:
    """With a mark in the browser; only a page that a person opened leads there. again: for a fresh proof."""
    if request.headers.get("Sec-Fetch-Dest", "") not in NAVIGATES:
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Massar-Gate"})
    site, mark = asked.page.site, _mark(request, asked.page.site) or ids.token()
    # What was posted can't be repeated: another method than GET leads to the first page.
    to = asked.page.address if asked.method in ("GET", "HEAD") else f"{site.gate_origin}/"
    query = {"to": to, "state": visit.state_of(mark), **({"again": "yes"} if again else {})}
    response = see_other(f"{access.issuer()}{reverse('gate_start')}?{urlencode(query)}")
    _write(response, "mark", mark, site)
    return response


def enter(request: Request) -> HttpResponse:
    """The browser is back with a ticket. What can't be used leads to a page of the account that says so."""
    front = gated_pages.page_under(request.headers.get("X-Massar-Origin", ""), "/", settings.MASSAR.sites)
    if front is None or request.method != "GET":
        return HttpResponse(status=403)
    return admitted(request, front.site, request.GET.getlist("ticket"))


def admitted(request: Request, site: Site, tickets: list[str]) -> HttpResponse:
    """To the page that was wanted, with the gate cookie; without one good ticket to a page that says so."""
    well_formed = len(tickets) == 1 and _TOKEN.fullmatch(tickets[0])
    mark = _mark(request, site)
    found = visit.enter(site=site, ticket=tickets[0], mark=mark, now=request.now) if well_formed else None
    if found is None:
        return see_other(access.issuer() + reverse("gate_stale"))
    response = see_other(found.address)
    _write(response, "gate", found.token, site)
    return response


def _asked(request: Request) -> ProxiedRequest | None:
    """The request at the site's proxy; None if it is odd in any way."""
    method, origin, uri = (request.headers.get(f"X-Massar-{name}", "") for name in ("Method", "Origin", "Uri"))
    if request.method != "GET" or method not in METHODS or may_hide_a_line(uri):
        return None
    page = gated_pages.page_under(origin, uri, settings.MASSAR.sites)
    return ProxiedRequest(page, method) if page else None


def may_hide_a_line(uri: str) -> bool:
    """Whether two header lines, which servers join with a comma, could stand in it and one of them be odd.

    A query may hold `,/` of itself (`/q?a,/b=1`), so there each line that could begin with it must be a plain address:
    a line `/x?` of a browser's in front of the proxy's own must not turn an odd path into a harmless query.
    """
    path, _, query = uri.partition("?")
    return ",/" in path or not all(gated_pages.is_plain(f"/{line}") for line in query.split(",/")[1:])


def _mark(request: Request, site: Site) -> str:
    """The mark that this browser carries, '' if there is not exactly one."""
    marks = _cookies(request, _name("mark", site))
    return marks[0] if len(marks) == 1 and _TOKEN.fullmatch(marks[0]) else ""


def _cookies(request: Request, name: str) -> list[str]:
    """Every value that the browser sent under that name (Django's reading keeps the last one only)."""
    pairs = (pair.strip().partition("=") for pair in request.headers.get("Cookie", "").split(";"))
    return [value for found, _, value in pairs if found == name]


def other_cookies(request: Request) -> str:
    """The browser's cookies without the gate's own, which the site behind has no use for."""
    pairs = (pair.strip() for pair in request.headers.get("Cookie", "").split(";"))
    return "; ".join(pair for pair in pairs if pair and not _OF_THE_GATE.match(pair))


def _name(short: str, site: Site) -> str:
    """With the site in it: cookies know no ports, and two gated sites of one host must not throw each other out."""
    return f"{'__Host-' if _over_https(site) else ''}massar-{short}-{site.slug}"


def _over_https(site: Site) -> bool:
    return site.gate_origin.startswith("https://")


def _write(response: HttpResponse, short: str, value: str, site: Site) -> None:
    """A cookie of the site's host alone, until the browser is closed."""
    response.set_cookie(_name(short, site), value, path="/", secure=_over_https(site), httponly=True, samesite="Lax")
