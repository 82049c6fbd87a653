"""Single logout, both ways round.

a site asks:     slo (LogoutRequest), the session ends, back to the site with a LogoutResponse; where another site can
                 only be told by this browser, the list stands in between and `answer` leads back. Where the site has
                 not proved that it may ask, the person is asked in between (`confirm`)
the account asks: leave, the site (LogoutRequest), slo (LogoutResponse), left, the page that lists the sites
"""

import logging
from dataclasses import replace
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from massar.core import encryption
from massar.core.saml.messages import MessageRefused
from massar.domain.sites import api as sites
from massar.domain.sites.api import IdentityProvider
from massar.interfaces.base import cookies, page, way_back
from massar.interfaces.base.page import redirect_to, redirect_to_logout_status, see_other
from massar.interfaces.base.request import Request
from massar.interfaces.sso.saml.views import carry, idp_named, problem, received
from massar.journeys.sso import log_out_of_sites, save_request
from massar.journeys.sso.log_out_of_sites import LogoutRequester
from massar.journeys.sso.saml import sign_out
from massar.journeys.sso.saml.sign_out import LogoutOutcome, RequestedLogout

LONGEST_SAVED = 1000  # of a RelayState, which waits in a cookie; a longer one goes back at once
log = logging.getLogger("massar.saml")


@csrf_exempt  # comes from a site, and is believed for its signature alone; without one it ends nothing
@require_http_methods(["GET", "POST"])
def slo(request: Request, entity: str = "") -> HttpResponse:
    """A LogoutRequest, or the answer to one of ours. By POST our cookies don't come along (SameSite), so the browser is
    asked once more."""
    idp = idp_named(entity)
    if "SAMLResponse" in request.GET or "SAMLResponse" in request.POST:
        return _take_answer(request, idp)
    if request.method == "GET" and "SAMLRequest" not in request.GET:
        return redirect_to("everywhere")  # the sign-out address of a site that only sends people there (WS-Federation)
    try:
        requested = sign_out.requested(received(request, "SAMLRequest"), idp, request)
    except MessageRefused as refused:
        return problem(request, MessageRefused("site" if refused.problem == "site" else "logout", refused.why))
    if not requested.is_proved:
        return _ask_person(request, requested)
    if request.method == "POST":  # the form comes from a site, so our SameSite cookies did not
        ref = sites.saved_requests.save(requested.saved(), now=request.now)
        return see_other(f"{reverse('saml_asked')}?{urlencode({'ref': ref})}")
    return _leave(request, requested, sign_out.end(requested, request))


def _ask_person(request: Request, requested: RequestedLogout) -> HttpResponse:
    """Sign out? By POST our cookies do not come along, so who is signed in shows only when the answer is sent."""
    if request.method == "GET" and not request.recognised:
        return _leave(request, requested, LogoutOutcome())
    ref = save_request.save(requested.saved(), request)
    if ref is None:
        return redirect_to("everywhere")
    status = 200 if requested.is_distrusted else 400  # what must be signed was not (profiles §4.4.4.1)
    action, fields = reverse("saml_confirm"), {"ref": ref}
    return page.render(request, "sso/logout.html", status=status, site=requested.site, action=action, fields=fields)


@require_POST
def confirm(request: Request) -> HttpResponse:
    """The person said yes: the session ends, and the site is answered."""
    ref = request.POST.get("ref", "")
    requested = RequestedLogout.from_saved(sites.saved_requests.read(ref, now=request.now) or {}, is_proved=False)
    if requested is None:
        return redirect_to("everywhere" if request.signed_in else "sign_in")
    sites.saved_requests.delete(ref)
    outcome = sign_out.end_here(requested, request, cookie=cookies.SESSION.read(request))
    response = way_back.discard(request, _leave(request, requested, outcome))
    cookies.CHANGE.drop(response)
    return response


@require_GET
def resume(request: Request) -> HttpResponse:
    """The browser after a posted LogoutRequest, now with its cookies. The site's word was believed when it came."""
    ref = request.GET.get("ref", "")
    requested = RequestedLogout.from_saved(sites.saved_requests.read(ref, now=request.now) or {}, is_proved=True)
    sites.saved_requests.delete(ref)
    if requested is None:
        return redirect_to("home" if request.signed_in else "sign_in")
    return _leave(request, requested, sign_out.end(requested, request))


def _leave(request: Request, requested: RequestedLogout, outcome: LogoutOutcome | None) -> HttpResponse:
    """Back to the site; if only this browser can tell another one, by the list of the sites."""
    site, signed_in, relay_state = requested.site, request.recognised, requested.relay_state
    if not site.slo_answers and not outcome:
        return problem(request, MessageRefused("logout", "The NameID and SessionIndex are not the site's own."))
    ended_here = outcome is not None and outcome.ended_here
    if signed_in and outcome and ended_here and outcome.is_partial and len(relay_state) <= LONGEST_SAVED:
        waits = LogoutRequester(site.slug, request_id=requested.id, relay_state=relay_state)
        requester = waits if site.slo_answers else None
        response = redirect_to_logout_status(signed_in, now=request.now, requester=requester, confirmed=(site.slug,))
    else:
        response = _answer_site(request, requested, outcome)
    if ended_here:
        cookies.SESSION.drop(response)
    return response


def _answer_site(request: Request, requested: RequestedLogout, outcome: LogoutOutcome | None) -> HttpResponse:
    if requested.site.slo_answers:
        message = sign_out.response(requested=requested, outcome=outcome, now=request.now)
        return carry(request, requested.site, message, "SAMLResponse", requested.relay_state)
    response = redirect_to("sign_in")
    cookies.write_flash(response, "info", "flash.signed_out")
    return response


@require_GET
def answer(request: Request) -> HttpResponse:
    """From the list on to the site that had asked, with the LogoutResponse that it waits for."""
    recent = cookies.read_recent_logout(request, request.now)
    requester = recent.requester if recent else None
    site = settings.MASSAR.sites.by_slug.get(requester.site) if requester else None
    if recent is None or requester is None or site is None or not site.slo_answers or not requester.request_id:
        return redirect_to("sign_in")
    partial = log_out_of_sites.has_left_open(
        recent.person_id, [recent.session_id], since=recent.since, confirmed=recent.confirmed
    )
    requested = RequestedLogout(site, requester.request_id, "", (), requester.relay_state)
    return _answer_site(request, requested, LogoutOutcome(is_partial=partial))


@require_GET
def leave(request: Request, slug: str) -> HttpResponse:
    """To the site with a signed LogoutRequest, for a browser whose session has just ended here."""
    recent, site = cookies.read_recent_logout(request, request.now), settings.MASSAR.sites.by_slug.get(slug)
    message = sign_out.browser_request(site, recent, now=request.now) if recent and site else None
    return carry(request, site, message, "SAMLRequest", "") if site and message else redirect_to("sign_in")


def _take_answer(request: Request, idp: IdentityProvider) -> HttpResponse:
    """What the site answered, believed or not, goes on to `left` as one word under a tag. Nobody is held up by it."""
    word = ""
    try:
        encoded = received(request, "SAMLResponse")
        found = sign_out.validate_browser_answer(encoded, idp=idp, now=request.now)
        if found.message.is_success:
            word = f"{found.site.slug}.{found.message.in_response_to}"
    except MessageRefused as refused:
        log.info("a LogoutResponse was not believed: %s", refused.why)
    query = urlencode({"said": f"{word}.{encryption.browser_keys().sign('left', word)}"})
    return see_other(f"{reverse('saml_left')}?{query}")


@require_GET
def left(request: Request) -> HttpResponse:
    """Back from a site: onwards to the list of the sites, which shows whether it answered a request of this browser."""
    recent = cookies.read_recent_logout(request, request.now)
    if not recent:
        return redirect_to("sign_in")
    response = redirect_to("password_changed" if request.signed_in else "everywhere")
    word, _, tag = request.GET.get("said", "").rpartition(".")
    slug, _, request_id = word.partition(".")
    site = settings.MASSAR.sites.by_slug.get(slug)
    is_ours = bool(tag) and encryption.browser_keys().verify(tag, "left", word)
    if site and is_ours and sign_out.is_bound_to(recent, site, request_id):
        confirmed = tuple(dict.fromkeys((*recent.confirmed, slug)))
        cookies.write_recent_logout(response, replace(recent, confirmed=confirmed))
    else:
        cookies.write_flash(response, "warning", "sso.told.not_confirmed")
    return response
