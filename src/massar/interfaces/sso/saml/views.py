"""Metadata, sign-in for a site, and the page that carries the answer there."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict

from django.conf import settings
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from massar.core.saml.encode import Outgoing, encode_metadata, encode_signed
from massar.core.saml.messages import MessageRefused, Response
from massar.domain.sites import api as sites
from massar.domain.sites.api import IdentityProvider, saml_idp
from massar.interfaces.base import page, saved_request
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import redirect_to, see_other
from massar.interfaces.sso.saml import bindings
from massar.journeys.sso.access import AccessDenied, SignInRequired
from massar.journeys.sso.saml import sign_in
from massar.journeys.sso.saml.sign_in import RequestedSignIn

PROTOCOL = "saml"


@require_safe
def metadata(request: Request, entity: str = "") -> HttpResponse:
    idp, certificates = idp_named(entity), saml_idp.certificates(now=request.now)
    document = encode_metadata(
        entity_id=idp.entity_id, sso_url=idp.sso_url, slo_url=idp.slo_url, certificates=certificates
    )
    return HttpResponse(document, content_type="application/samlmetadata+xml")


@csrf_exempt  # the form comes from a site; it changes nothing here, and what it asks is judged by itself
@require_http_methods(["GET", "POST"])
def sso(request: Request, entity: str = "") -> HttpResponse:
    """An AuthnRequest. A form from elsewhere comes without our cookies (SameSite), so it waits for one step."""
    idp = idp_named(entity)
    try:
        encoded = bindings.received(request, "SAMLRequest")
        requested = sign_in.requested(
            encoded, idp=idp, signed_in=request.signed_in, browser=request.browser, now=request.now
        )
    except MessageRefused as refused:
        return problem(request, refused)
    if request.method == "POST":  # the browser asks again by itself, and this time its session comes along
        return saved_request.save(request, see_other(reverse("saml_resume")), _saved(requested))
    return _answer(request, requested)


@require_GET
def start(request: Request, slug: str) -> HttpResponse:
    """From the home card: into the site without its having asked."""
    site = settings.MASSAR.sites.by_slug.get(slug)
    if site is None or site.protocol != PROTOCOL or not site.connected:
        if request.signed_in:
            raise Http404
        return redirect_to("sign_in")
    return _answer(request, sign_in.unsolicited(site, now=request.now))


@require_GET
def resume(request: Request) -> HttpResponse:
    """The saved request of this browser, after the sign-in."""
    saved = request.saved_request
    if saved.get("protocol") != PROTOCOL:
        return redirect_to("home" if request.signed_in else "sign_in")
    response = _answer(request, RequestedSignIn(**json.loads(saved["requested"])))
    return response if response.get("Location") == reverse("sign_in") else saved_request.discard(request, response)


def _answer(request: Request, requested: RequestedSignIn) -> HttpResponse:
    try:
        site = sign_in.site_of(requested)
    except MessageRefused as refused:
        return problem(request, refused)
    found = sign_in.answer(
        site=site, requested=requested, signed_in=request.signed_in, browser=request.browser, now=request.now
    )
    match found:
        case SignInRequired(again=again):
            return saved_request.save_and_sign_in(request, {**_saved(requested), "again": "yes" if again else ""})
        case AccessDenied():
            return page.render(request, "sso/access_denied.html", status=403, site=site, why=found)
        case Response():
            return post_to_site(request, site, found, "SAMLResponse", requested.relay_state)


def _saved(requested: RequestedSignIn) -> dict[str, str]:
    return {"protocol": PROTOCOL, "resume_url": reverse("saml_resume"), "requested": json.dumps(asdict(requested))}


def idp_named(entity: str) -> IdentityProvider:
    """The entity of the account that the address names; 404 where no site knows the account so."""
    if entity and entity not in settings.MASSAR.sites.our_entities:
        raise Http404
    return IdentityProvider(entity)


def post_to_site(request: Request, site: sites.Site, message: Outgoing, name: str, relay_state: str) -> HttpResponse:
    """A form to the site with the signed message (SAML bindings §3.5.4), sent by a small script or by its button."""
    fields = {name: base64.b64encode(encode_signed(message, saml_idp.signer(now=request.now))).decode()}
    if relay_state:
        fields["RelayState"] = relay_state
    response = page.render(request, "sso/send_on.html", site=site, action=message.destination, fields=fields)
    return page.form_goes_to_site(response, message.destination)


def problem(request: Request, refused: MessageRefused) -> HttpResponse:
    about = {"problem": refused.problem, "reference": request.id, "detail": refused.why}
    return page.render(request, "sso/error.html", status=400, **about)
