"""What the gate is asked, by sites' own proxies and by the browser (docs/integrate/nginx-gate.md).

    check    200 with facts in headers, 401 nobody has entered, 403 the request itself is odd
    begin    303 to the account, with a mark in a cookie of the site's host; `?again=yes` asks for a fresh proof
    enter    303 to the page that was wanted, with the gate cookie of the site's host
    forward  all of it at one address, for proxies that hand our answer itself to the browser (traefik.md and caddy.md
             there): 303 instead of 401 where a page was wanted, `/.massar/again?PAGE` asks for a fresh proof

The proxy names itself and the page in three headers, each exactly once. Whatever does not read in one way is refused.
At `forward` the key that the proxy proves itself with (`gate_key`) names the site, never a header that a browser could
have sent: X-Forwarded-Host is only held against it, and X-Massar-* is not read.
"""

import re
from datetime import datetime
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from massar.core import ids
from massar.domain.sites.api import GatedPage, Site, gated_pages
from massar.interfaces.base import direct, outage, page, way_back
from massar.interfaces.base.page import redirect_to, see_other
from massar.interfaces.base.request import Request
from massar.journeys.sso import access
from massar.journeys.sso import gate as journey
from massar.journeys.sso.access import AccessDenied, SecondFactorRequired, SignInRequired

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NAVIGATES = ("", "document")  # Sec-Fetch-Dest of what a person opened; older browsers send none
ENTER, AGAIN = f"/{gated_pages.OWN_FOLDER}/enter", f"/{gated_pages.OWN_FOLDER}/again"
PROTOCOL = "gate"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_STATE = re.compile(r"[0-9a-f]{64}")
_OF_THE_GATE = re.compile(r"(?:__Host-)?massar-(?:gate|mark)-[a-z0-9_-]+=")
_USUAL_PORT = {"https": ":443", "http": ":80"}


@direct.direct_view
@outage.answer_when_away(outage.plain)
def check(request: Request) -> HttpResponse:
    """For `auth_request`: 200, 401 or 403, without a body."""
    wanted = _asked(request)
    return _judge(request, wanted) if wanted else HttpResponse(status=403)


def begin(request: Request) -> HttpResponse:
    """Nobody has entered yet: to the account. A script or a picture gets the 401 itself."""
    wanted, again = _asked(request), request.GET.getlist("again")
    if wanted is None or again not in ([], ["yes"]):
        return HttpResponse(status=403)
    return _send_to_the_account(request, wanted, request.headers["X-Massar-Method"], again=bool(again))


def enter(request: Request) -> HttpResponse:
    """The browser is back with a ticket. What can't be used leads to a page of the account that says so."""
    front = gated_pages.page_under(request.headers.get("X-Massar-Origin", ""), "/", settings.MASSAR.sites)
    if front is None or request.method != "GET":
        return HttpResponse(status=403)
    return _admit(request, front.site, request.GET.getlist("ticket"))


def _asked(request: Request) -> GatedPage | None:
    """The page that was wanted at the site's proxy; None if the request is odd in any way."""
    method, origin, uri = (request.headers.get(f"X-Massar-{name}", "") for name in ("Method", "Origin", "Uri"))
    if request.method != "GET" or method not in METHODS or _may_hide_a_line(uri):
        return None
    return gated_pages.page_under(origin, uri, settings.MASSAR.sites)


@direct.direct_view
@outage.answer_when_away(outage.plain)
def forward(request: Request) -> HttpResponse:
    name, key = direct.basic_credentials(request) or ("", "")
    site = journey.authenticate_proxy(name, key)
    method, host, uri = (request.headers.get(f"X-Forwarded-{end}", "") for end in ("Method", "Host", "Uri"))
    if site is None or request.method != "GET" or method not in METHODS or not _is_host_of(site, host.lower()):
        return HttpResponse(status=403)
    path, _, query = uri.partition("?")
    if path == ENTER:
        fields = parse_qs(query, keep_blank_values=True)
        tickets = fields["ticket"] if set(fields) == {"ticket"} else []
        return _admit(request, site, tickets) if method == "GET" else HttpResponse(status=403)
    wanted = None if _may_hide_a_line(uri) else gated_pages.page_of(site, query if path == AGAIN else uri)
    if wanted is None:
        return HttpResponse(status=403)
    answer = _judge(request, wanted) if path != AGAIN else None
    if answer is None or answer.status_code == 401:
        return _send_to_the_account(request, wanted, method, again=path == AGAIN)
    # The browser's cookies without the gate's own, which the site behind has no use for.
    pairs = (pair.strip() for pair in request.headers.get("Cookie", "").split(";"))
    left = "; ".join(pair for pair in pairs if pair and not _OF_THE_GATE.match(pair))
    if answer.status_code == 200 and left:
        answer["Cookie"] = left
    return answer


def _is_host_of(site: Site, said: str) -> bool:
    """A key that was copied to another host's router must not open that one. A proxy in front of the account may have
    written the account's own host there."""
    origin = urlsplit(site.gate_origin)
    return said in ("", origin.netloc, origin.netloc + _USUAL_PORT[origin.scheme], urlsplit(access.issuer()).netloc)


def _may_hide_a_line(uri: str) -> bool:
    """Whether two header lines, which servers join with a comma, could stand in it and one of them be odd.

    A query may hold `,/` of itself (`/q?a,/b=1`), so there each line that could begin with it must be a plain address:
    a line `/x?` of a browser's in front of the proxy's own must not turn an odd path into a harmless query.
    """
    path, _, query = uri.partition("?")
    return ",/" in path or not all(gated_pages.is_plain(f"/{line}") for line in query.split(",/")[1:])


def _judge(request: Request, wanted: GatedPage) -> HttpResponse:
    """200 with the facts (X-Massar-User is the login, else the subject; percent-encoded UTF-8), or 401, or 403."""
    tokens = _cookies(request, "gate", wanted.site)
    if len(tokens) > 1:
        return HttpResponse(status=403)  # a neighbouring host has put a second one beside ours
    well_formed = tokens and _TOKEN.fullmatch(tokens[0])
    found = journey.check(site=wanted.site, token=tokens[0], now=request.now) if well_formed else None
    if found is None:
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Massar-Gate"})
    subject, token, claims = found
    response = HttpResponse(headers={"X-Massar-Token": token, "X-Massar-Subject": subject})
    response["X-Massar-User"] = quote(claims.get("email", subject), safe="@.+-_")
    for claim in ("name", "school", "role", "acr"):
        response[f"X-Massar-{claim.title()}"] = quote(claims.get(claim, ""), safe="")
    return response


def _send_to_the_account(request: Request, wanted: GatedPage, method: str, *, again: bool) -> HttpResponse:
    """With a mark in the browser; only a page that a person opened leads there. again: for a fresh proof."""
    if request.headers.get("Sec-Fetch-Dest", "") not in NAVIGATES:
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Massar-Gate"})
    site, mark = wanted.site, _mark(request, wanted.site) or ids.token()
    # What was posted can't be repeated: another method than GET leads to the first page.
    to = wanted.address if method in ("GET", "HEAD") else f"{site.gate_origin}/"
    query = {"to": to, "state": journey.state_of(mark), **({"again": "yes"} if again else {})}
    response = see_other(f"{access.issuer()}{reverse('gate_start')}?{urlencode(query)}")
    _write(response, "mark", mark, site)
    return response


def _admit(request: Request, site: Site, tickets: list[str]) -> HttpResponse:
    """To the page that was wanted, with the gate cookie; without one good ticket to a page that says so."""
    well_formed = len(tickets) == 1 and _TOKEN.fullmatch(tickets[0])
    mark = _mark(request, site)
    found = journey.enter(site=site, ticket=tickets[0], mark=mark, now=request.now) if well_formed else None
    if found is None:
        return see_other(access.issuer() + reverse("gate_stale"))
    token, address = found
    response = see_other(address)
    _write(response, "gate", token, site)
    return response


def _mark(request: Request, site: Site) -> str:
    """The mark that this browser carries, '' if there is not exactly one."""
    marks = _cookies(request, "mark", site)
    return marks[0] if len(marks) == 1 and _TOKEN.fullmatch(marks[0]) else ""


def _cookies(request: Request, short: str, site: Site) -> list[str]:
    """Every value that the browser sent under that name (Django's reading keeps the last one only)."""
    pairs = (pair.strip().partition("=") for pair in request.headers.get("Cookie", "").split(";"))
    return [value for name, _, value in pairs if name == _cookie(short, site)]


def _cookie(short: str, site: Site) -> str:
    """With the site in it: cookies know no ports, and two gated sites of one host must not throw each other out."""
    return f"{'__Host-' if site.gate_origin.startswith('https://') else ''}massar-{short}-{site.slug}"


def _write(response: HttpResponse, short: str, value: str, site: Site) -> None:
    """A cookie of the site's host alone, until the browser is closed."""
    secure = site.gate_origin.startswith("https://")
    response.set_cookie(_cookie(short, site), value, path="/", secure=secure, httponly=True, samesite="Lax")


@require_GET
def start(request: Request) -> HttpResponse:
    """From a site's proxy with the page that is wanted. An address that is not the site's own leads nowhere. Anybody
    may write `again=yes` into it; it only asks for the password."""
    targets, states, again = (request.GET.getlist(name) for name in ("to", "state", "again"))
    wanted = gated_pages.page_at(targets[0], settings.MASSAR.sites) if len(targets) == 1 else None
    if wanted is None or len(states) != 1 or not _STATE.fullmatch(states[0]) or again not in ([], ["yes"]):
        return _problem(request, "address")
    return _answer(request, wanted, states[0], fresh_since=request.now if again else None)


@require_GET
def resume(request: Request) -> HttpResponse:
    """The saved request of this browser, after the sign-in. The registry is asked again: it may have changed."""
    saved = request.saved_request
    wanted = gated_pages.page_at(saved["to"], settings.MASSAR.sites) if saved.get("protocol") == PROTOCOL else None
    if wanted is None:
        return redirect_to("home")
    if not request.signed_in:
        return redirect_to("sign_in")
    since = datetime.fromisoformat(saved["fresh_since"]) if saved.get("fresh_since") else None
    return _answer(request, wanted, saved["state"], fresh_since=since, after_form=True)


def _answer(
    request: Request, wanted: GatedPage, state: str, *, fresh_since: datetime | None, after_form: bool = False
) -> HttpResponse:
    match journey.start(wanted, state, request, fresh_since=fresh_since):
        case SignInRequired(again=again):
            saved = {"protocol": PROTOCOL, "resume_url": reverse("gate_resume"), "to": wanted.address, "state": state}
            saved |= {"again": "yes"} if again else {}
            saved |= {"fresh_since": fresh_since.isoformat()} if fresh_since else {}
            return way_back.save_and_sign_in(request, saved)
        case SecondFactorRequired():
            saved = {"protocol": PROTOCOL, "resume_url": reverse("gate_resume"), "to": wanted.address, "state": state}
            saved |= {"fresh_since": fresh_since.isoformat()} if fresh_since else {}
            return way_back.save_and_step_up(request, saved)
        case AccessDenied() as why:
            response = page.render(request, "sso/access_denied.html", status=403, site=wanted.site, why=why)
        case ticket:
            way = f"{wanted.site.gate_origin}{ENTER}?{urlencode({'ticket': ticket})}"
            response = page.redirect_by_page(request, way, wanted.site) if after_form else see_other(way)
    answered = request.saved_request.get("protocol") == PROTOCOL
    return way_back.discard(request, response) if answered else response


@require_GET
def stale(request: Request) -> HttpResponse:
    """The ticket was late, used, or another browser's."""
    return _problem(request, "expired")


def _problem(request: Request, problem: str) -> HttpResponse:
    return page.render(request, "sso/error.html", status=400, problem=problem, reference=request.id)
