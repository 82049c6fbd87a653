"""Single logout, both ways round.

a site asks:     slo (LogoutRequest), the session ends, back to the site with a LogoutResponse; where another site can
                 only be told by this browser, the list stands in between and `answer` leads back. Where the site has
                 not proved that it may ask, the person is asked in between (`confirm`)
the account asks: leave, the site (LogoutRequest), slo (LogoutResponse), left, the page that lists the sites
"""

from __future__ import annotations

import logging
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from lxml import etree

from massar.core import encryption
from massar.domain.sites import api as sites
from massar.interfaces.base import cookies, page, saved_request
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import redirect_to, redirect_to_logout_status, see_other
from massar.interfaces.sso.saml import bindings
from massar.interfaces.sso.saml.views import carry, entity, problem
from massar.journeys.sso import log_out_of_sites, save_request
from massar.journeys.sso.log_out_of_sites import LogoutRequester, RecentLogout
from massar.journeys.sso.saml import logout_request, single_logout
from massar.journeys.sso.saml import response as saml_answer
from massar.journeys.sso.saml.message import Refused
from massar.journeys.sso.saml.names import Ours

LONGEST_KEPT = 1000  # of a RelayState, which waits in a cookie; a longer one goes back at once
log = logging.getLogger("massar.saml")


@csrf_exempt  # comes from a site, and is believed for its signature alone; without one it ends nothing
@require_http_methods(["GET", "POST"])
def slo(request: Request, ours: str = "") -> HttpResponse:
    """A LogoutRequest. By POST the browser's session does not come along, so the browser is asked once more.

    Or the answer to one of ours: then the browser is asked once more, with its cookies (SameSite).
    """
    known_as = entity(ours)
    if "SAMLResponse" in request.GET or "SAMLResponse" in request.POST:
        return _answered(request, known_as)
    if request.method == "GET" and "SAMLRequest" not in request.GET:
        return redirect_to("everywhere")  # the sign-out address of a site that only sends people there (WS-Federation)
    try:
        message = bindings.received(request, "SAMLRequest")
        wanted = logout_request.wanted(
            message, ours=known_as, signed_in=request.signed_in, browser=request.browser, now=request.now
        )
    except Refused as refused:
        said = refused.problem if refused.problem == "site" else "logout"
        return problem(request, Refused(said, refused.why))
    if not wanted.proved:
        return _question(request, wanted)
    if request.method == "POST":  # the form comes from a site, so our SameSite cookies did not
        ref = sites.saved_requests.save(wanted.kept(), now=request.now)
        return see_other(f"{reverse('saml_asked')}?{urlencode({'ref': ref})}")
    return _end(request, wanted)


def _question(request: Request, wanted: logout_request.Wanted) -> HttpResponse:
    """Sign out? By POST our cookies do not come along, so who is signed in shows only when the answer is sent."""
    if request.method == "GET" and not request.signed_in:
        return _leave(request, wanted, logout_request.Ended(site_knows=True, this_browser=False))
    ref = save_request.save(wanted.to_confirm(), signed_in=request.signed_in, browser=request.browser, now=request.now)
    if ref is None:
        return redirect_to("everywhere")
    status = 200 if wanted.untrusted else 400  # what must be signed was not (profiles §4.4.4.1)
    return page.render(
        request, "sso/logout.html", status=status, site=wanted.site, action=reverse("saml_confirm"), fields={"ref": ref}
    )


@require_POST
def confirm(request: Request) -> HttpResponse:
    """The person said yes: the session ends, and the site is answered."""
    ref = request.POST.get("ref", "")
    wanted = logout_request.confirmed(sites.saved_requests.read(ref, now=request.now) or {})
    if wanted is None:
        return redirect_to("everywhere" if request.signed_in else "sign_in")
    sites.saved_requests.delete(ref)
    ended = logout_request.end_here(
        wanted=wanted,
        signed_in=request.signed_in,
        cookie=cookies.SESSION.read(request),
        browser=request.browser,
        now=request.now,
    )
    response = saved_request.discard(request, _leave(request, wanted, ended))
    cookies.CHANGE.drop(response)
    return response


@require_GET
def asked(request: Request) -> HttpResponse:
    """The browser after a posted LogoutRequest, now with its cookies. The site's word was believed when it came."""
    ref = request.GET.get("ref", "")
    wanted = logout_request.kept(sites.saved_requests.read(ref, now=request.now) or {})
    sites.saved_requests.delete(ref)
    return _end(request, wanted) if wanted else redirect_to("home" if request.signed_in else "sign_in")


def _end(request: Request, wanted: logout_request.Wanted) -> HttpResponse:
    ended = logout_request.end(wanted=wanted, signed_in=request.signed_in, browser=request.browser, now=request.now)
    return _leave(request, wanted, ended)


def _leave(request: Request, wanted: logout_request.Wanted, ended: logout_request.Ended) -> HttpResponse:
    if not wanted.site.slo_answers and not ended.site_knows:
        return problem(request, Refused("logout", "The NameID and SessionIndex are not the site's own."))
    response = _listed(request, wanted, ended) or _onwards(request, wanted, ended)
    if ended.this_browser:
        cookies.SESSION.drop(response)
    return response


def _onwards(request: Request, wanted: logout_request.Wanted, ended: logout_request.Ended) -> HttpResponse:
    site = wanted.site
    if site.slo_answers:
        message = logout_request.response(wanted=wanted, ended=ended, now=request.now)
        return _carried(request, site, site.slo_answers, "SAMLResponse", message, relay_state=wanted.relay_state)
    response = redirect_to("sign_in")
    cookies.write_flash(response, "info", "flash.signed_out")
    return response


def _listed(request: Request, wanted: logout_request.Wanted, ended: logout_request.Ended) -> HttpResponse | None:
    """The list of the sites, if another of them can only be told by this browser: the asking site is answered from there."""
    signed_in, slug = request.signed_in, wanted.site.slug
    if not (ended.this_browser and ended.partial) or len(wanted.relay_state) > LONGEST_KEPT:
        return None
    asker = LogoutRequester(slug, asked=wanted.id, relay_state=wanted.relay_state) if wanted.site.slo_answers else None
    return redirect_to_logout_status(signed_in, now=request.now, asker=asker, left=(slug,))


@require_GET
def answer(request: Request) -> HttpResponse:
    """From the list on to the site that had asked, with the LogoutResponse that it waits for."""
    seen = cookies.read_recent_logout(request)
    asker = seen[0].asker if seen else None
    site = settings.MASSAR.sites.by_slug.get(asker.site) if asker else None
    if site is None or not site.slo_answers or not asker.asked:
        return redirect_to("sign_in")
    wanted = logout_request.Wanted(site, asker.asked, "", (), asker.relay_state)
    leaving, left = seen
    partial = log_out_of_sites.has_left_open(leaving.person_id, [leaving.session_id], since=leaving.since, left=left)
    return _onwards(request, wanted, logout_request.Ended(site_knows=True, this_browser=False, partial=partial))


@require_GET
def leave(request: Request, slug: str) -> HttpResponse:
    """To the site with a signed LogoutRequest, for a browser whose session has just ended here."""
    seen, site = cookies.read_recent_logout(request), settings.MASSAR.sites.by_slug.get(slug)
    message = single_logout.take_along(site, seen[0], now=request.now) if seen and site else None
    return redirect_to("sign_in") if message is None else _carried(request, site, site.slo, "SAMLRequest", message)


def _carried(
    request: Request, site: sites.Site, address: str, name: str, message: etree._Element, *, relay_state: str = ""
) -> HttpResponse:
    """The browser takes a message of ours to the site, signed, by the binding that the registry says."""
    signer = sites.keys.active(sites.keys.SAML, now=request.now)
    if site.slo_binding == "redirect":
        way = bindings.address(address, name, etree.tostring(message), relay_state=relay_state, signer=signer)
        return (
            page.redirect_by_page(request, way, site)
            if request.method == "POST"
            else page.redirect_to_site(request, way, site)
        )
    return carry(request, site, address, {name: saml_answer.posted(message, signer), "RelayState": relay_state})


def _answered(request: Request, ours: Ours) -> HttpResponse:
    """What the site answered, believed or not, goes on to `left` as one word of ours. Nobody is held up by it."""
    try:
        found = single_logout.brought_back(bindings.received(request, "SAMLResponse"), ours=ours, now=request.now)
        word = f"{found.site.slug}.{found.asked}" if found.success else ""
    except Refused as refused:
        log.info("a LogoutResponse was not believed: %s", refused.why)
        word = ""
    query = urlencode({"said": f"{word}.{encryption.browser_keys().sign('left', word)}"})
    return see_other(f"{reverse('saml_left')}?{query}")


@require_GET
def left(request: Request) -> HttpResponse:
    """Back from a site: onwards to the list of the sites, which shows that this one has confirmed."""
    seen = cookies.read_recent_logout(request)
    if not seen:
        return redirect_to("sign_in")
    response = redirect_to("password_changed" if request.signed_in else "everywhere")
    leaving, before = seen
    slug = _confirmed(request.GET.get("said", ""), leaving)
    if slug:
        cookies.write_recent_logout(response, leaving, tuple(dict.fromkeys((*before, slug))))
    else:
        cookies.write_flash(response, "warning", "sso.told.not_confirmed")
    return response


def _confirmed(said: str, leaving: RecentLogout) -> str:
    """The site that has answered a request of this browser; '' for anything else."""
    word, _, tag = said.rpartition(".")
    slug, _, asked = word.partition(".")
    site = settings.MASSAR.sites.by_slug.get(slug)
    ours = site and tag and encryption.browser_keys().verify(tag, "left", word)
    return slug if ours and single_logout.is_of(leaving, site, asked) else ""
