"""What a site's own proxy asks the account (docs/integrate/nginx-gate.md).

    check  200 with facts in headers, 401 nobody has entered, 403 the request itself is odd
    begin  303 to the account, with a mark in a cookie of the site's host; `?again=yes` asks for a fresh proof
    enter  303 to the page that was wanted, with the gate cookie of the site's host

The proxy names itself and the page in three headers, each exactly once. Whatever does not read in one way is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse

from massar.interfaces.base import direct, outage
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import see_other
from massar.journeys.sso import access
from massar.journeys.sso.gate import check as gate_check
from massar.journeys.sso.gate import visit
from massar.journeys.sso.gate.address import GatedPage, is_plain, under

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_OF_THE_GATE = re.compile(r"(?:__Host-)?massar-(?:gate|mark)-[a-z0-9_-]+=")
NAVIGATES = ("", "document")  # Sec-Fetch-Dest of what a person opened; older browsers send none


@dataclass(frozen=True)
class ProxyRequest:
    """What reached the site's proxy."""

    wanted: GatedPage
    method: str


@direct.direct_view
@outage.answer_when_away(outage.plain)
def check(request: Request) -> HttpResponse:
    """For `auth_request`: 200, 401 or 403, without a body."""
    asked = _asked(request)
    return HttpResponse(status=403) if asked is None else judged(request, asked)


def judged(request: Request, asked: ProxyRequest) -> HttpResponse:
    """200 with the facts, or 401, or 403."""
    tokens = _cookies(request, _name("gate", asked.wanted))
    if len(tokens) > 1:
        return HttpResponse(status=403)  # a neighbouring host has put a second one beside ours
    passed = (
        gate_check.passes(site=asked.wanted.site, token=tokens[0], now=request.now)
        if tokens and _TOKEN.fullmatch(tokens[0])
        else None
    )
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
    if asked is None:
        return HttpResponse(status=403)
    again = request.GET.getlist("again")
    if again not in ([], ["yes"]):
        return HttpResponse(status=403)
    return sent_to_the_account(request, asked, again=bool(again))


def sent_to_the_account(request: Request, asked: ProxyRequest, *, again: bool) -> HttpResponse:
    """With a mark in the browser; only a page that a person opened leads there."""
    if request.headers.get("Sec-Fetch-Dest", "") not in NAVIGATES:
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Massar-Gate"})
    begun = visit.begin(wanted=asked.wanted, method=asked.method, mark=_mark(request, asked.wanted), again=again)
    response = see_other(begun.address)
    _write(response, "mark", begun.mark, asked.wanted)
    return response


def enter(request: Request) -> HttpResponse:
    """The browser is back with a ticket. What can't be used leads to a page of the account that says so."""
    origin = request.headers.get("X-Massar-Origin", "")
    front = under(origin, "/", settings.MASSAR.sites)
    if front is None or request.method != "GET":
        return HttpResponse(status=403)
    return admitted(request, front, request.GET.getlist("ticket"))


def admitted(request: Request, front: GatedPage, tickets: list[str]) -> HttpResponse:
    """To the page that was wanted, with the gate cookie; without one good ticket to a page that says so."""
    found = (
        visit.enter(site=front.site, ticket=tickets[0], mark=_mark(request, front), now=request.now)
        if len(tickets) == 1 and _TOKEN.fullmatch(tickets[0])
        else None
    )
    if found is None:
        return see_other(access.issuer() + reverse("gate_stale"))
    response = see_other(found.address)
    _write(response, "gate", found.token, front)
    return response


def _asked(request: Request) -> ProxyRequest | None:
    """The request at the site's proxy; None if it is odd in any way."""
    method = request.headers.get("X-Massar-Method", "")
    if request.method != "GET" or method not in gate_check.METHODS:
        return None
    origin, uri = (request.headers.get(f"X-Massar-{name}", "") for name in ("Origin", "Uri"))
    wanted = None if may_hide_a_line(uri) else under(origin, uri, settings.MASSAR.sites)
    return ProxyRequest(wanted, method) if wanted else None


def may_hide_a_line(uri: str) -> bool:
    """Whether two header lines, which servers join with a comma, could stand in it and one of them be odd.

    A query may hold `,/` of itself (`/q?a,/b=1`), so there each line that could begin with it must be a plain address: a
    line `/x?` of a browser's in front of the proxy's own must not turn an odd path into a harmless query.
    """
    path, _, query = uri.partition("?")
    return ",/" in path or not all(is_plain(f"/{line}") for line in query.split(",/")[1:])


def _mark(request: Request, wanted: GatedPage) -> str:
    """The mark that this browser carries, '' if there is not exactly one."""
    marks = _cookies(request, _name("mark", wanted))
    return marks[0] if len(marks) == 1 else ""


def _cookies(request: Request, name: str) -> list[str]:
    """Every value that the browser sent under that name (Django's reading keeps the last one only)."""
    pairs = (pair.strip().partition("=") for pair in request.headers.get("Cookie", "").split(";"))
    return [value for found, _, value in pairs if found == name]


def other_cookies(request: Request) -> str:
    """The browser's cookies without the gate's own, which the site behind has no use for."""
    pairs = (pair.strip() for pair in request.headers.get("Cookie", "").split(";"))
    return "; ".join(pair for pair in pairs if pair and not _OF_THE_GATE.match(pair))


def _name(short: str, wanted: GatedPage) -> str:
    """With the site in it: cookies know no ports, and two gated sites of one host must not throw each other out."""
    return f"{'__Host-' if _over_https(wanted) else ''}massar-{short}-{wanted.site.slug}"


def _over_https(wanted: GatedPage) -> bool:
    return wanted.site.gate_origin.startswith("https://")


def _write(response: HttpResponse, short: str, value: str, wanted: GatedPage) -> None:
    """A cookie of the site's host alone, until the browser is closed."""
    response.set_cookie(
        _name(short, wanted), value, path="/", secure=_over_https(wanted), httponly=True, samesite="Lax"
    )
