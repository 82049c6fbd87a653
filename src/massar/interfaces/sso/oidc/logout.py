"""The end-session endpoint: a site sends the browser here to sign the person out everywhere."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from massar.domain.sites import api as sites
from massar.interfaces.base import cookies, page, saved_request
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import redirect_to, redirect_to_logout_status, see_other
from massar.journeys.account import close_sessions
from massar.journeys.sso import save_request
from massar.journeys.sso.log_out_of_sites import LogoutRequester, has_left_open
from massar.journeys.sso.oidc import logout as journey

PROTOCOL = "oidc-logout"  # of a posted request that waits for one step
FIELDS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")
LONGEST = 8192  # characters of one value; sites put whole objects into state, as for the sign-in
LONGEST_WAY = 2000  # of what waits in a cookie while the list is shown


@csrf_exempt  # sites may post to it; our own confirmation is protected below
@require_http_methods(["GET", "HEAD", "POST"])
def logout(request: Request) -> HttpResponse:
    if request.method != "POST":
        return _asked(request)
    if "csrfmiddlewaretoken" in request.POST:
        return _confirmed(request)
    return _one_step_more(request)


def _one_step_more(request: Request) -> HttpResponse:
    """A form of another site brings no cookies of ours; the address asked for next does. A long request waits for it."""
    kept = {name: request.POST[name] for name in FIELDS if name in request.POST}
    query = urlencode(kept)
    if len(query) > page.LONGEST_LOCATION:
        wish = _wish(request, request.POST)
        asked = {"protocol": PROTOCOL, "query": query}
        ref = wish and save_request.save(asked, signed_in=None, browser=request.browser, now=request.now)
        if not ref:
            return _refused(request)
        query = urlencode({"ref": ref})
    return see_other(f"{reverse('oidc_logout')}?{query}")


def _asked(request: Request) -> HttpResponse:
    given = _given(request)
    wish = _wish(request, given)
    if wish is None:
        return _refused(request)
    if not request.signed_in:
        journey.end_left_open(wish=wish, browser=request.browser, now=request.now)
        return _onwards(request, wish)
    if wish.fits(request.signed_in):
        return _signed_out(request, wish)
    fields = {name: given[name] for name in FIELDS if given.get(name)}
    return page.render(request, "sso/logout.html", site=wish.site, action=reverse("oidc_logout"), fields=fields)


def _given(request: Request) -> QueryDict:
    """What stands in the address, or what was posted a moment ago and waits under the reference that stands there."""
    ref = request.GET.get("ref", "")
    kept = sites.saved_requests.read(ref, now=request.now) or {}
    if kept.get("protocol") != PROTOCOL:
        return request.GET
    sites.saved_requests.delete(ref)
    return QueryDict(kept["query"])


@csrf_protect
def _confirmed(request: Request) -> HttpResponse:
    wish = _wish(request, request.POST)
    if wish is None:
        return _refused(request)
    if request.signed_in:
        return _signed_out(request, wish)
    close_sessions.sign_out_left_open(cookie=cookies.SESSION.read(request), browser=request.browser, now=request.now)
    return _onwards(request, wish)


def _wish(request: Request, given: QueryDict) -> journey.EndSessionRequest | None:
    values = {name: given.get(name, "") for name in FIELDS}
    if any(len(value) > LONGEST for value in values.values()):
        return None
    return journey.read(**values, now=request.now)


def _signed_out(request: Request, wish: journey.EndSessionRequest) -> HttpResponse:
    journey.sign_out(signed_in=request.signed_in, browser=request.browser, now=request.now)
    response = saved_request.discard(request, _listed(request, wish) or _onwards(request, wish))
    cookies.SESSION.drop(response)
    cookies.CHANGE.drop(response)
    return response


def _listed(request: Request, wish: journey.EndSessionRequest) -> HttpResponse | None:
    """The list of the sites, if one of them can only be told by this browser: from there it goes on to the asking site.

    None: there is none, or the way on is longer than a cookie.
    """
    signed_in, way = request.signed_in, _way(wish)
    left = (wish.site.slug,) if wish.site else ()
    open_still = has_left_open(signed_in.person.id, [signed_in.session.id], since=request.now, left=left)
    if len(way) > LONGEST_WAY or not open_still:
        return None
    return redirect_to_logout_status(
        signed_in, now=request.now, asker=LogoutRequester(wish.site.slug, way) if way else None, left=left
    )


def _onwards(request: Request, wish: journey.EndSessionRequest) -> HttpResponse:
    if wish.back and request.method == "POST":
        return page.redirect_by_page(request, _way(wish), wish.site)
    if wish.back:
        return page.redirect_to_site(request, _way(wish), wish.site)
    response = redirect_to("sign_in")
    cookies.write_flash(response, "info", "flash.signed_out")
    return response


def _way(wish: journey.EndSessionRequest) -> str:
    """Back to the asking site, with its state; '' if it did not say where to."""
    if not wish.back or not wish.state:
        return wish.back
    return f"{wish.back}{'&' if '?' in wish.back else '?'}{urlencode({'state': wish.state})}"


def _refused(request: Request) -> HttpResponse:
    return page.render(request, "sso/error.html", status=400, problem="logout", reference=request.id)
