"""The end-session endpoint: a site sends the browser here to sign the person out everywhere."""

from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from massar.domain.sites import api as sites
from massar.interfaces.base import cookies, page, way_back
from massar.interfaces.base.page import redirect_to, redirect_to_logout_status, see_other
from massar.interfaces.base.request import Request
from massar.journeys.account import close_sessions
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.sso import save_request
from massar.journeys.sso.log_out_of_sites import LogoutRequester, has_left_open
from massar.journeys.sso.oidc import logout as journey
from massar.journeys.sso.oidc.logout import EndSessionRequest

PROTOCOL = "oidc-logout"  # of a posted request that waits for one step
LONGEST_WAY = 2000  # of what waits in a cookie while the list is shown


@csrf_exempt  # sites may post to it; our own confirmation is protected below
@require_http_methods(["GET", "HEAD", "POST"])
def logout(request: Request) -> HttpResponse:
    if request.method != "POST":
        return _answer(request)
    if "csrfmiddlewaretoken" in request.POST:
        return _confirmed(request)
    # A form of another site brings no cookies; the address asked for next does. A long request is saved for it.
    query = urlencode({name: request.POST[name] for name in journey.FIELDS if name in request.POST})
    if len(query) > page.LONGEST_LOCATION:
        saved = {"protocol": PROTOCOL, "query": query}
        usable = journey.read(request.POST, now=request.now) is not None
        ref = usable and save_request.save(saved, request, as_stranger=True)
        if not ref:
            return _problem(request)
        query = urlencode({"ref": ref})
    return see_other(f"{reverse('oidc_logout')}?{query}")


def _answer(request: Request) -> HttpResponse:
    given, ref = request.GET, request.GET.get("ref", "")
    saved = sites.saved_requests.read(ref, now=request.now) or {}
    if saved.get("protocol") == PROTOCOL:  # posted a moment ago, and saved under the reference in the address
        sites.saved_requests.delete(ref)
        given = QueryDict(saved["query"])
    asked = journey.read(given, now=request.now)
    if asked is None:
        return _problem(request)
    if not request.recognised:
        journey.end_left_open(asked, request)
        return _send_back(request, asked)
    if asked.is_about(request.recognised):
        return _sign_out(request, request.recognised, asked)
    fields = {name: given[name] for name in journey.FIELDS if given.get(name)}
    return page.render(request, "sso/logout.html", site=asked.site, action=reverse("oidc_logout"), fields=fields)


@csrf_protect
def _confirmed(request: Request) -> HttpResponse:
    asked = journey.read(request.POST, now=request.now)
    if asked is None:
        return _problem(request)
    if request.recognised:
        return _sign_out(request, request.recognised, asked)
    close_sessions.sign_out_left_open(cookie=cookies.SESSION.read(request), browser=request.browser, now=request.now)
    return _send_back(request, asked)


def _sign_out(request: Request, signed_in: SignedIn, asked: EndSessionRequest) -> HttpResponse:
    """End the session; every site it opened is told, the asking one too. If only this browser can tell one, by the list
    of the sites, from where it goes on to the asking site, unless the way on is longer than a cookie."""
    way, person_id, session_id = asked.return_to, signed_in.person.id, signed_in.session.id
    close_sessions.sign_out(signed_in=signed_in, browser=request.browser, now=request.now)
    knows = (asked.site.slug,) if asked.site else ()
    if len(way) <= LONGEST_WAY and has_left_open(person_id, [session_id], since=request.now, confirmed=knows):
        requester = LogoutRequester(asked.site.slug, way) if asked.site and way else None
        response = redirect_to_logout_status(signed_in, now=request.now, requester=requester, confirmed=knows)
    else:
        response = _send_back(request, asked)
    response = way_back.discard(request, response)
    cookies.SESSION.drop(response)
    cookies.CHANGE.drop(response)
    return response


def _send_back(request: Request, asked: EndSessionRequest) -> HttpResponse:
    if asked.return_to:
        redirect = page.redirect_by_page if request.method == "POST" else page.redirect_to_site
        return redirect(request, asked.return_to, asked.site)
    response = redirect_to("sign_in")
    cookies.write_flash(response, "info", "flash.signed_out")
    return response


def _problem(request: Request) -> HttpResponse:
    return page.render(request, "sso/error.html", status=400, problem="logout", reference=request.id)
