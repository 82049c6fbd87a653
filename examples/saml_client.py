"""python3-saml set up for one of the sites, and the one thing that it lacks: single logout by SOAP.

By SOAP the account asks behind the browser, so it reaches the site when the browser is closed (SAML bindings §3.2).
"""

from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from django.http import HttpResponse
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.constants import OneLogin_Saml2_Constants as saml
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.logout_request import OneLogin_Saml2_Logout_Request as Request
from onelogin.saml2.logout_response import OneLogin_Saml2_Logout_Response as Response
from onelogin.saml2.utils import OneLogin_Saml2_Utils as Utils
from onelogin.saml2.xml_utils import OneLogin_Saml2_XML as XML

from examples.kit import DEMO, Sample, SiteRequest

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ENVELOPE = f'<S:Envelope xmlns:S="{SOAP}"><S:Body>{{}}</S:Body></S:Envelope>'
SECURITY = {
    "wantAssertionsSigned": True,
    "wantMessagesSigned": True,
    "wantNameId": True,
    "authnRequestsSigned": True,
    "logoutRequestSigned": True,
    "logoutResponseSigned": True,
    "requestedAuthnContext": False,
    "signatureAlgorithm": saml.RSA_SHA256,
}


def client_of(request: SiteRequest) -> OneLogin_Saml2_Auth:
    """python3-saml's client for this request. The address comes from our settings, not from the Host header."""
    asked = {
        "https": "on" if request.site.origin.startswith("https:") else "off",
        "http_host": request.site.origin.partition("://")[2],
        "script_name": request.path,
        "get_data": request.GET.dict(),
        "post_data": request.POST.dict(),
        "query_string": request.META.get("QUERY_STRING", ""),
    }
    return OneLogin_Saml2_Auth(asked, _settings_of(request.site))


def _settings_of(site: Sample) -> dict[str, Any]:
    ours = {
        "entityId": site.about["entity_id"],
        "assertionConsumerService": {"url": f"{site.origin}/acs", "binding": saml.BINDING_HTTP_POST},
        "singleLogoutService": {"url": f"{site.origin}/slo", "binding": saml.BINDING_HTTP_REDIRECT},
        "NameIDFormat": saml.NAMEID_UNSPECIFIED,
        "x509cert": site.about["certificate"],
        "privateKey": site.about["key"],
    }
    return {"strict": True, "sp": ours, "idp": _account(datetime.now(UTC).date()), "security": SECURITY}


@cache
def _account(_day: date) -> dict[str, Any]:
    """The account's part, as its metadata has it; read again each day, since its certificates roll."""
    return {**OneLogin_Saml2_IdPMetadataParser.parse_remote(f"{DEMO.account}/saml/metadata", timeout=10)["idp"]}


def asked_by_soap(request: SiteRequest) -> bytes:
    """The LogoutRequest in the envelope: signed by the account, over itself, for this address, in time. Raises if not.

    Only what the signature covers is handed on.
    """
    (asked,) = XML.to_etree(request.body).findall(f"{{{SOAP}}}Body/{{{saml.NS_SAMLP}}}LogoutRequest")
    text, theirs = bytes(XML.to_string(asked)), _account(datetime.now(UTC).date())
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


def answered_by_soap(request: SiteRequest, asked: bytes) -> HttpResponse:
    """It is done: the signed LogoutResponse, in an envelope."""
    done, about = Response(client_of(request).get_settings()), request.site.about
    done.build(Request.get_id(asked))
    signed = Utils.add_sign(done.get_xml(), about["key"], about["certificate"], sign_algorithm=saml.RSA_SHA256)
    return HttpResponse(ENVELOPE.format(signed.decode()), content_type="text/xml; charset=utf-8")


def end(request: SiteRequest, asked: bytes | str | None) -> None:
    """The sessions that a LogoutRequest names, whichever browser has them; None (an answer) names none."""
    for index in Request.get_session_indexes(asked) if asked else ():
        request.site.end(index)
