"""Metadata, sign-in for a site, and the page that carries the answer there."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from massar.domain.sites import api as sites
from massar.interfaces.base import page, saved_request, security_headers
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import redirect_to, see_other
from massar.interfaces.sso.saml import bindings
from massar.journeys.sso.access import AccessDenied, SignInRequired
from massar.journeys.sso.saml import authn_request, sign_in
from massar.journeys.sso.saml import metadata as saml_metadata
from massar.journeys.sso.saml.authn_request import Asked
from massar.journeys.sso.saml.message import Refused
from massar.journeys.sso.saml.names import Ours
from massar.journeys.sso.saml.sign_in import Answer

PROTOCOL = "saml"


@require_safe
def metadata(request: Request, ours: str = "") -> HttpResponse:
    document = saml_metadata.of(entity(ours), now=request.now)
    return HttpResponse(document, content_type="application/samlmetadata+xml")


@csrf_exempt  # the form comes from a site; it changes nothing here, and what it asks is judged by itself
@require_http_methods(["GET", "POST"])
def sso(request: Request, ours: str = "") -> HttpResponse:
    """An AuthnRequest. A form from elsewhere comes without our cookies (SameSite), so it waits for one step."""
    known_as = entity(ours)
    try:
        asked = authn_request.asked(
            bindings.received(request, "SAMLRequest"),
            ours=known_as,
            signed_in=request.signed_in,
            browser=request.browser,
            now=request.now,
        )
    except Refused as refused:
        return problem(request, refused)
    if request.method == "POST":
        return _one_step_more(request, asked)
    return _onwards(request, asked)


@require_GET
def start(request: Request, slug: str) -> HttpResponse:
    """From the home card: into the site without its having asked."""
    site = settings.MASSAR.sites.by_slug.get(slug)
    if site is None or site.protocol != PROTOCOL or not site.connected:
        if request.signed_in:
            raise Http404
        return redirect_to("sign_in")
    return _onwards(request, authn_request.unasked(site, now=request.now))


@require_GET
def resume(request: Request) -> HttpResponse:
    """The waiting request of this browser, after the sign-in."""
    kept = request.saved_request
    if kept.get("protocol") != PROTOCOL:
        return redirect_to("home" if request.signed_in else "sign_in")
    response = _onwards(request, Asked(**kept["asked"]))
    return response if response.get("Location") == reverse("sign_in") else saved_request.discard(request, response)


def _onwards(request: Request, asked: Asked) -> HttpResponse:
    site = sign_in.site_of(asked)
    if site is None:
        return problem(request, Refused("site", "The site is no longer registered."))
    found = sign_in.answer(
        site=site, asked=asked, signed_in=request.signed_in, browser=request.browser, now=request.now
    )
    match found:
        case SignInRequired(again=again):
            return saved_request.save_and_sign_in(request, {**_kept(asked), "again": "yes" if again else ""})
        case AccessDenied():
            return page.render(request, "sso/access_denied.html", status=403, site=site, why=found)
        case Answer():
            fields = {"SAMLResponse": found.saml_response, "RelayState": found.relay_state}
            return carry(request, found.site, found.acs, fields)
    raise TypeError(f"no page for {found!r}")


def _kept(asked: Asked) -> dict:
    return {"protocol": PROTOCOL, "resume_url": reverse("saml_resume"), "asked": asked.kept()}


def _one_step_more(request: Request, asked: Asked) -> HttpResponse:
    """The browser asks again by itself, and this time its session comes along."""
    return saved_request.save(request, see_other(reverse("saml_resume")), _kept(asked))


def entity(name: str) -> Ours:
    """The one that the address names; 404 where no site knows us so."""
    if name and name not in settings.MASSAR.sites.our_entities:
        raise Http404
    return Ours(name)


def carry(request: Request, site: sites.Site, action: str, fields: dict[str, str]) -> HttpResponse:
    """A form to the site, sent by a small script or by its button. Empty fields stay out."""
    held = {name: value for name, value in fields.items() if value}
    response = page.render(request, "sso/send_on.html", site=site, action=action, fields=held)
    return security_headers.form_goes_to_site(response, action)


def problem(request: Request, refused: Refused) -> HttpResponse:
    return page.render(
        request,
        "sso/error.html",
        status=400,
        problem=refused.problem,
        reference=request.id,
        detail=refused.why,
    )
