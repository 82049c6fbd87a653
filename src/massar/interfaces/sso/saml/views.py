"""Metadata, sign-in for a site, and the two ways a message travels through a browser."""

import base64
import json
from dataclasses import asdict
from urllib.parse import unquote_plus, urlencode

from django.conf import settings
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from massar.core import xml
from massar.core.saml.decode import EncodedMessage
from massar.core.saml.encode import Outgoing, encode, encode_metadata, encode_signed
from massar.core.saml.messages import LogoutRequest, LogoutResponse, MessageRefused, Response, demand
from massar.core.xml_signature import RSA_SHA256
from massar.domain.sites import api as sites
from massar.domain.sites.api import IdentityProvider, saml_idp
from massar.interfaces.base import page, way_back
from massar.interfaces.base.page import redirect_to, see_other
from massar.interfaces.base.request import Request
from massar.journeys.sso.access import AccessDenied, SecondFactorRequired, SignInRequired
from massar.journeys.sso.saml import sign_in
from massar.journeys.sso.saml.sign_in import RequestedSignIn

PROTOCOL = "saml"
LONGEST_QUERY = 32 * 1024  # characters
DEFLATE = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"
_PARAMETERS = ("SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding")


@require_safe
def metadata(request: Request, entity: str = "") -> HttpResponse:
    idp, certificates = idp_named(entity), saml_idp.certificates(now=request.now)
    document = encode_metadata(idp.entity_id, idp.at("sso"), idp.at("slo"), certificates)
    return HttpResponse(document, content_type="application/samlmetadata+xml")


@csrf_exempt  # the form comes from a site; it changes nothing here, and what it asks is judged by itself
@require_http_methods(["GET", "POST"])
def sso(request: Request, entity: str = "") -> HttpResponse:
    """An AuthnRequest. A form from elsewhere comes without our cookies (SameSite), so it waits for one step."""
    idp = idp_named(entity)
    try:
        requested = sign_in.requested(received(request, "SAMLRequest"), idp, request)
    except MessageRefused as refused:
        return problem(request, refused)
    if request.method == "POST":  # the browser asks again by itself, and this time its session comes along
        return way_back.save(request, see_other(reverse("saml_resume")), _saved(requested))
    return _answer(request, requested)


@require_GET
def start(request: Request, slug: str) -> HttpResponse:
    """From the home card: a Response that nobody asked for (profiles §4.1.5)."""
    site = settings.MASSAR.sites.by_slug.get(slug)
    if site is None or site.protocol != PROTOCOL or not site.connected:
        if request.signed_in:
            raise Http404
        return redirect_to("sign_in")
    unasked = RequestedSignIn(site.slug, id="", acs=site.acs[0], relay_state="", received=request.now.isoformat())
    return _answer(request, unasked)


@require_GET
def resume(request: Request) -> HttpResponse:
    """The saved request of this browser, after the sign-in."""
    saved = request.saved_request
    if saved.get("protocol") != PROTOCOL:
        return redirect_to("home" if request.signed_in else "sign_in")
    response = _answer(request, RequestedSignIn(**json.loads(saved["requested"])))
    return response if way_back.waits_on(response) else way_back.discard(request, response)


def _answer(request: Request, requested: RequestedSignIn) -> HttpResponse:
    try:
        site = sign_in.site_of(requested)
    except MessageRefused as refused:
        return problem(request, refused)
    match sign_in.answer(site, requested, request):
        case SignInRequired(again=again):
            return way_back.save_and_sign_in(request, {**_saved(requested), "again": "yes" if again else ""})
        case SecondFactorRequired():
            return way_back.save_and_step_up(request, _saved(requested))
        case AccessDenied() as why:
            return page.render(request, "sso/access_denied.html", status=403, site=site, why=why)
        case Response() as response:
            return post_to_site(request, site, response, "SAMLResponse", requested.relay_state)


def _saved(requested: RequestedSignIn) -> dict[str, str]:
    return {"protocol": PROTOCOL, "resume_url": reverse("saml_resume"), "requested": json.dumps(asdict(requested))}


def idp_named(entity: str) -> IdentityProvider:
    """The entity of the account that the address names; 404 where no site knows the account so."""
    if entity and entity not in settings.MASSAR.sites.our_entities:
        raise Http404
    return IdentityProvider(entity)


def problem(request: Request, refused: MessageRefused) -> HttpResponse:
    about = {"problem": refused.problem, "reference": request.id, "detail": refused.why}
    return page.render(request, "sso/error.html", status=400, **about)


def received(request: Request, name: str) -> EncodedMessage:
    """The SAMLRequest or SAMLResponse in the address (Redirect, SAML bindings §3.4) or form (POST, §3.5). Raises
    MessageRefused."""
    if request.method != "POST":
        return _in_address(request.META.get("QUERY_STRING", ""), name)
    values, relay = request.POST.getlist(name), request.POST.getlist("RelayState") or [""]
    demand(len(values) == len(relay) == 1, f"The form must hold one {name} and at most one RelayState.")
    return EncodedMessage(_decoded("".join(values[0].split())), relay[0])


def _in_address(query: str, name: str) -> EncodedMessage:
    """The signature is over the values as the sender encoded them: of the raw query, in the specification's order."""
    demand(len(query) <= LONGEST_QUERY, "The address is too long.")
    raw: dict[str, str] = {}
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        demand(key not in _PARAMETERS or key not in raw, f"{key} stands twice in the address.")
        raw[key] = value
    deflated = unquote_plus(raw.get("SAMLEncoding", DEFLATE)) == DEFLATE
    demand(raw.get(name) and deflated, f"The address must hold one {name}, deflated.")
    try:
        document = xml.inflate(_decoded(unquote_plus(raw[name])))
    except xml.XmlRefused as refused:
        raise MessageRefused("request", f"The message was not read: {refused}.") from refused
    signature = None
    demand(raw.get("Signature") or "SigAlg" not in raw, "SigAlg without a Signature.")
    if raw.get("Signature"):
        octets = "&".join(f"{key}={raw[key]}" for key in (name, "RelayState", "SigAlg") if key in raw)
        signed = octets.encode("utf-8", "surrogatepass")
        signature = signed, _decoded(unquote_plus(raw["Signature"])), unquote_plus(raw.get("SigAlg", ""))
    return EncodedMessage(document, unquote_plus(raw.get("RelayState", "")), True, signature)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as trouble:
        raise MessageRefused("request", "The message is not base64.") from trouble


def post_to_site(request: Request, site: sites.Site, message: Outgoing, name: str, relay_state: str) -> HttpResponse:
    """A form to the site with the signed message (SAML bindings §3.5.4)."""
    fields = {name: base64.b64encode(encode_signed(message, saml_idp.signer(now=request.now))).decode()}
    if relay_state:
        fields["RelayState"] = relay_state
    return page.post_to_site(request, message.destination, site, fields)


def carry(
    request: Request, site: sites.Site, message: LogoutRequest | LogoutResponse, name: str, relay_state: str
) -> HttpResponse:
    """The browser takes a message of the account to the site, signed, by the binding that the registry says."""
    if site.slo_binding == "post":
        return post_to_site(request, site, message, name, relay_state)
    query = {name: base64.b64encode(xml.deflate(encode(message))).decode()}
    if relay_state:
        query["RelayState"] = relay_state
    octets = urlencode({**query, "SigAlg": RSA_SHA256})
    signature = base64.b64encode(saml_idp.signer(now=request.now).sign_octets(octets.encode())).decode()
    to = message.destination
    way = f"{to}{'&' if '?' in to else '?'}{octets}&{urlencode({'Signature': signature})}"
    return (page.redirect_by_page if request.method == "POST" else page.redirect_to_site)(request, way, site)
