"""A site that speaks SAML 2.0, with python3-saml. This page is all that such a site needs.

Registered are the entity id, the address for answers (/acs), two for single logout (/slo for browsers, /slo/soap for the
account itself) and the site's certificate.
"""

from __future__ import annotations

import secrets
from functools import cache

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path
from django.views.decorators.http import require_POST
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.constants import OneLogin_Saml2_Constants as saml
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.logout_request import OneLogin_Saml2_Logout_Request as Request
from onelogin.saml2.logout_response import OneLogin_Saml2_Logout_Response as Response
from onelogin.saml2.utils import OneLogin_Saml2_Utils as Utils
from onelogin.saml2.xml_utils import OneLogin_Saml2_XML as XML

from examples import kit

WAITING: dict[str, str] = {}  # RelayState -> id of the request that we sent
SIGN_IN = [("Sign in", "/login")]
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ENVELOPE = f'<S:Envelope xmlns:S="{SOAP}"><S:Body>{{}}</S:Body></S:Envelope>'


@cache
def settings_of(slug: str) -> dict:
    """Ours, and the account's as its metadata has them."""
    site = next(s for s in settings.SAMPLES.values() if s.slug == slug)
    theirs = OneLogin_Saml2_IdPMetadataParser.parse_remote(f"{settings.ACCOUNT}/saml/metadata", timeout=10)
    ours = {
        "strict": True,
        "sp": {
            "entityId": site.about["entity_id"],
            "assertionConsumerService": {"url": f"{site.origin}/acs", "binding": saml.BINDING_HTTP_POST},
            "singleLogoutService": {"url": f"{site.origin}/slo", "binding": saml.BINDING_HTTP_REDIRECT},
            "NameIDFormat": saml.NAMEID_UNSPECIFIED,
            "x509cert": site.about["certificate"],
            "privateKey": site.about["key"],
        },
        "security": {
            "wantAssertionsSigned": True,
            "wantMessagesSigned": True,
            "wantNameId": True,
            "authnRequestsSigned": True,
            "logoutRequestSigned": True,
            "logoutResponseSigned": True,
            "requestedAuthnContext": False,
            "rejectUnsolicitedResponsesWithInResponseTo": True,
            "signatureAlgorithm": saml.RSA_SHA256,
        },
    }
    return {**ours, "idp": theirs["idp"]}


def client_of(request) -> OneLogin_Saml2_Auth:
    asked = {
        "https": "off",
        "http_host": f"127.0.0.1:{request.site.port}",
        "script_name": request.path,
        "get_data": request.GET.dict(),
        "post_data": request.POST.dict(),
        "query_string": request.META.get("QUERY_STRING", ""),
    }
    return OneLogin_Saml2_Auth(asked, settings_of(request.site.slug))


def home(request):
    claims = request.session.get("claims")
    if not claims:
        return kit.page(request, None, links=SIGN_IN)
    links = [("Sign in again (fresh proof)", "/login?again=1"), ("Sign out everywhere", "/logout")]
    return kit.page(request, claims, links=links)


def login(request):
    """To the account. ForceAuthn asks for a fresh proof although somebody is signed in there."""
    client, state = client_of(request), secrets.token_urlsafe(16)
    address = client.login(return_to=state, force_authn=bool(request.GET.get("again")))
    WAITING[state] = client.get_last_request_id()
    return HttpResponseRedirect(address)


@require_POST
def acs(request):
    """The signed answer. It must answer a request of ours that still waits, and each waits once."""
    asked = WAITING.pop(request.POST.get("RelayState", ""), None)
    client = client_of(request)
    client.process_response(request_id=asked)
    if asked is None or client.get_errors() or not client.is_authenticated():
        why = client.get_last_error_reason() or "we did not ask for this"
        return kit.page(request, None, links=SIGN_IN, note=f"Not signed in: {why}", status=400)
    claims = {name: ", ".join(values) for name, values in client.get_attributes().items()}
    request.session.update(
        claims={**claims, "NameID": client.get_nameid()},
        sid=client.get_session_index(),
        name_id=client.get_nameid(),
        name_id_format=client.get_nameid_format(),
    )
    return HttpResponseRedirect("/")


def logout(request):
    """Ends the session here and at the account, which tells every other site."""
    mine = dict(request.session)
    request.session.clear()
    if "name_id" not in mine:
        return HttpResponseRedirect("/")
    return HttpResponseRedirect(
        client_of(request).logout(
            return_to="bye", name_id=mine["name_id"], session_index=mine["sid"], name_id_format=mine["name_id_format"]
        )
    )


def slo(request):
    """Single logout through the browser: the answer to our own request, or the account's word that it is over."""
    client = client_of(request)
    onwards = client.process_slo(delete_session_cb=request.session.clear)
    if client.get_errors():
        return kit.page(request, None, links=SIGN_IN, note=f"Not believed: {client.get_last_error_reason()}", status=400)
    return HttpResponseRedirect(onwards if onwards and "SAMLResponse" in onwards else "/")


@require_POST
def slo_soap(request):
    """Single logout behind the browser: the account asks by SOAP and is answered at once (SAML bindings §3.2)."""
    try:
        asked = believed(request)
    except Exception as refused:  # whatever is wrong with it: not believed
        return HttpResponse(str(refused), status=400, content_type="text/plain; charset=utf-8")
    for index in Request.get_session_indexes(asked):
        request.site.end(index)
    client = client_of(request)
    done = Response(client.get_settings())
    done.build(Request.get_id(asked))
    about = request.site.about
    signed = Utils.add_sign(done.get_xml(), about["key"], about["certificate"], sign_algorithm=saml.RSA_SHA256)
    return HttpResponse(ENVELOPE.format(signed.decode()), content_type="text/xml; charset=utf-8")


def believed(request) -> bytes:
    """The LogoutRequest in the envelope: signed by the account, over itself, for this address, in time. Raises if not.

    Only what the signature covers is handed on.
    """
    (asked,) = XML.to_etree(request.body).findall(f"{{{SOAP}}}Body/{{{saml.NS_SAMLP}}}LogoutRequest")
    text, theirs = XML.to_string(asked), settings_of(request.site.slug)["idp"]
    references = asked.xpath(".//ds:Reference/@URI", namespaces={"ds": saml.NS_DS})
    multi = [Utils.format_cert(one) for one in theirs.get("x509certMulti", {}).get("signing", [])]
    certificates = {"cert": Utils.format_cert(theirs.get("x509cert") or ""), "multicerts": multi}
    path = "/samlp:LogoutRequest/ds:Signature"
    if references != [f"#{asked.get('ID')}"] or not Utils.validate_sign(text, xpath=path, **certificates):
        raise ValueError("the request is not signed by the account")
    if Request.get_issuer(text) != theirs["entityId"] or asked.get("Destination") != f"{request.site.origin}/slo/soap":
        raise ValueError("the request is not for this site")
    if Utils.parse_SAML_to_time(asked.get("NotOnOrAfter")) <= Utils.now():
        raise ValueError("the request is too old")
    return text


urlpatterns = [
    path("", home),
    path("login", login),
    path("acs", acs),
    path("logout", logout),
    path("slo", slo),
    path("slo/soap", slo_soap),
]
