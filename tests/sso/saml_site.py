"""A SAML site for tests: its keys, its registration, its messages (right ones, and as wrong as a test wants them)."""

import base64
import dataclasses
import re
import zlib
from datetime import UTC, datetime
from urllib.parse import parse_qs, parse_qsl, quote_plus, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.conf import settings
from lxml import etree
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.constants import OneLogin_Saml2_Constants as saml
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser

from massar.core import ids, xml_signature
from massar.domain.sites import api as sites
from tests.support import steps
from tests.support.certificates import Pair, pair
from tests.support.visitor import Visitor

ACCOUNT = settings.MASSAR.public_url
SSO, SLO, METADATA = (f"{ACCOUNT}/saml/{end}" for end in ("sso", "slo", "metadata"))
ENTITY, ACS, ACS_TWO, SLO_OF_SITE = (f"https://retraite.example.ma/saml{end}" for end in ("", "/acs", "/acs2", "/slo"))
RSA_SHA256 = xml_signature.RSA_SHA256
TRANSIENT, PERSISTENT = (f"urn:oasis:names:tc:SAML:2.0:nameid-format:{kind}" for kind in ("transient", "persistent"))
EMAIL = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
SUCCESS, REQUESTER = (f"urn:oasis:names:tc:SAML:2.0:status:{word}" for word in ("Success", "Requester"))
NO_RECENT_RECOVERY = "urn:massar:acr:settled"
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
FIELD = re.compile(r'name="(SAMLRe(?:sponse|quest)|RelayState)" value="([^"]*)"')
NS = {
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}


SITE_KEYS, STRANGER_KEYS = pair(), pair()
EXPIRED = pair(datetime(2025, 1, 1, tzinfo=UTC))
RETRAITE = sites.Site(
    "retraite", protocol="saml", name={"en": "Retraite", "ar": "التقاعد"}, entity_id=ENTITY, acs=(ACS, ACS_TWO),
    slo=SLO_OF_SITE, certificate=SITE_KEYS.certificate, attributes=("email", "name", "school"), icon="sunset",
)  # fmt: skip
TAALIM = sites.Site(
    "taalim", protocol="saml", name={"en": "taalim.ma"}, entity_id="https://mail.example.ma/saml", name_id="email",
    acs=("https://mail.example.ma/acs",), certificate=SITE_KEYS.certificate, signed_requests=True,
)  # fmt: skip
CLOSED = sites.Site(
    "inspectors", protocol="saml", entity_id="https://closed.example.ma", acs=("https://closed.example.ma/acs",),
    roles=("inspector",),
)  # fmt: skip


def register(monkeypatch, *registered: sites.Site) -> None:
    registry = sites.Registry(list(registered or (RETRAITE, TAALIM, CLOSED)))
    monkeypatch.setattr(settings, "MASSAR", dataclasses.replace(settings.MASSAR, sites=registry))


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def message(kind: str, now: datetime, inside: str, issuer: str, id: str, **attributes: str) -> str:
    """A message of the site; attributes given as '' are left out."""
    said = {"ID": id or f"_{ids.short_token()}", "Version": "2.0", "IssueInstant": written(now), **attributes}
    text = " ".join(f'{name}="{value}"' for name, value in said.items() if value)
    return (
        f'<samlp:{kind} xmlns:samlp="{NS["samlp"]}" xmlns:saml="{NS["saml"]}" {text}>'
        f"<saml:Issuer>{issuer}</saml:Issuer>{inside}</samlp:{kind}>"
    )


def authn_request(now: datetime, *, issuer: str = ENTITY, inside: str = "", id: str = "", **attributes: str) -> str:
    return message("AuthnRequest", now, inside, issuer, id, **{"Destination": SSO, **attributes})


def logout_request(
    now: datetime, *, name: str, index: str = "", issuer: str = ENTITY, id: str = "", **more: str
) -> str:
    meant = f"<saml:NameID>{name}</saml:NameID>"
    meant += f"<samlp:SessionIndex>{index}</samlp:SessionIndex>" if index else ""
    return message("LogoutRequest", now, meant, issuer, id, **{"Destination": SLO, **more})


def logout_response(now: datetime, request: etree._Element, *, status=SUCCESS, issuer=ENTITY, to: str = "") -> str:
    code = f'<samlp:Status><samlp:StatusCode Value="{status}"/></samlp:Status>'
    return message("LogoutResponse", now, code, issuer, "", InResponseTo=request.get("ID"), Destination=to)


def deflated(text: str | bytes) -> str:
    machine = zlib.compressobj(wbits=-15)
    packed = machine.compress(text.encode() if isinstance(text, str) else text) + machine.flush()
    return base64.b64encode(packed).decode()


def inflated(packed: str) -> etree._Element:
    return etree.fromstring(zlib.decompress(base64.b64decode(packed), -15))


def redirect(
    text: str | bytes, *, relay: str | None = None, key: rsa.RSAPrivateKey | None = None, to: str = "/saml/sso",
    algorithm: str = RSA_SHA256, name: str = "SAMLRequest",
) -> str:  # fmt: skip
    """The path and query of the Redirect binding, signed when a key is given."""
    query = f"{name}={quote_plus(deflated(text))}"
    if relay is not None:
        query += f"&RelayState={quote_plus(relay)}"
    if key:
        query += f"&SigAlg={quote_plus(algorithm)}"
        digest = hashes.SHA1() if algorithm.endswith("#rsa-sha1") else hashes.SHA256()
        signature = key.sign(query.encode(), padding.PKCS1v15(), digest)
        query += f"&Signature={quote_plus(base64.b64encode(signature).decode())}"
    return f"{to}?{query}"


def enveloped(text: str, keys: Pair = SITE_KEYS) -> etree._Element:
    """The message with a signature inside, for the POST binding."""
    root = etree.fromstring(text)
    xml_signature.sign(root, xml_signature.XmlSigner(keys.key, keys.certificate))
    return root


def posted(message: str | etree._Element | bytes) -> str:
    message = etree.tostring(message) if isinstance(message, etree._Element) else message
    return base64.b64encode(message.encode() if isinstance(message, str) else message).decode()


# -- what stands in front of a browser, and what a library makes of it


def carried(visitor: Visitor) -> dict[str, str]:
    """The fields of the form that goes to the site."""
    return dict(FIELD.findall(visitor.html))


def answered(visitor: Visitor) -> etree._Element:
    return etree.fromstring(base64.b64decode(carried(visitor)["SAMLResponse"]))


def text(root: etree._Element, path: str) -> str:
    found = root.xpath(path, namespaces=NS)
    assert len(found) == 1, (path, found)
    return found[0] if isinstance(found[0], str) else found[0].text


def statuses(root: etree._Element) -> list[str]:
    return [v.rsplit(":", 1)[1] for v in root.xpath("//samlp:StatusCode/@Value", namespaces=NS)]


def metadata_of(visitor: Visitor) -> etree._Element:
    return etree.fromstring(visitor.client.get("/saml/metadata").content)


def strict_settings(theirs: dict, keys: Pair, *, entity: str, acs: str, slo: str) -> dict:
    """Of python3-saml (OneLogin's toolkit for Python). theirs: what its parser made of the account's metadata."""
    ours = {
        "entityId": entity, "assertionConsumerService": {"url": acs, "binding": saml.BINDING_HTTP_POST},
        "singleLogoutService": {"url": slo, "binding": saml.BINDING_HTTP_REDIRECT}, "NameIDFormat": PERSISTENT,
        "x509cert": keys.certificate, "privateKey": keys.pem,
    }  # fmt: skip
    wanted = ("wantAssertionsSigned", "wantMessagesSigned", "wantNameId", "wantAttributeStatement",
              "authnRequestsSigned", "logoutRequestSigned", "logoutResponseSigned", "failOnAuthnContextMismatch",
              "rejectUnsolicitedResponsesWithInResponseTo")  # fmt: skip
    security = {**dict.fromkeys(wanted, True), "requestedAuthnContext": [PASSWORD]}
    security["signatureAlgorithm"] = saml.RSA_SHA256
    return {"strict": True, "sp": ours, "idp": theirs["idp"], "security": security}


def relying_site(visitor: Visitor, **request) -> OneLogin_Saml2_Auth:
    """python3-saml as the site, strict, with the account's metadata."""
    theirs = OneLogin_Saml2_IdPMetadataParser.parse(visitor.client.get("/saml/metadata").content)
    about = {"https": "on", "http_host": "retraite.example.ma", "get_data": {}, "post_data": {}, **request}
    settled = strict_settings(theirs, SITE_KEYS, entity=ENTITY, acs=ACS, slo=SLO_OF_SITE)
    return OneLogin_Saml2_Auth({"script_name": urlsplit(ACS).path, **about}, settled)


def relying_site_at(visitor: Visitor, address: str) -> OneLogin_Saml2_Auth:
    """The same, when the browser comes to its address for single logout."""
    parts = urlsplit(address)
    return relying_site(
        visitor, get_data=dict(parse_qsl(parts.query)), query_string=parts.query, script_name=urlsplit(SLO_OF_SITE).path
    )


def local(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def context(*names: str, comparison: str = "exact") -> str:
    classes = "".join(f"<saml:AuthnContextClassRef>{n}</saml:AuthnContextClassRef>" for n in names)
    return f'<samlp:RequestedAuthnContext Comparison="{comparison}">{classes}</samlp:RequestedAuthnContext>'


def policy(name: str) -> str:
    return f'<samlp:NameIDPolicy Format="{name}" AllowCreate="true"/>'


def into(visitor: Visitor, clock, **request) -> etree._Element:
    """The account's answer to a request of the site."""
    return answered(visitor.get(redirect(authn_request(clock(), **request))))


def visit(visitor: Visitor, clock, **request) -> tuple[str, str]:
    """Into the site: (NameID, SessionIndex)."""
    into(visitor, clock, **request)
    return name_and_index(visitor)


def leave(visitor: Visitor, clock, name: str, index: str, *, key=SITE_KEYS.key, relay: str | None = None, **more: str):
    """The answer to the site's LogoutRequest by Redirect."""
    message = logout_request(clock(), name=name, index=index, **more)
    return visitor.client.get(redirect(message, key=key, to="/saml/slo", relay=relay))


def logout_status(answer) -> list[str]:
    assert answer.status_code == 303, answer.content.decode()
    return statuses(inflated(parse_qs(urlsplit(answer["Location"]).query)["SAMLResponse"][0]))


def shows(visitor: Visitor, id: str) -> bool:
    """Youssef reads French."""
    return steps.shows(visitor, id, "fr")


def everywhere(visitor: Visitor) -> Visitor:
    return visitor.get("/sign-out/everywhere/").submit("/sign-out/everywhere/")


def name_and_index(visitor: Visitor) -> tuple[str, str]:
    """Of the answer in front of the visitor."""
    root = answered(visitor)
    return text(root, "//saml:NameID"), root.find(".//saml:AuthnStatement", NS).get("SessionIndex")


def sent_there(visitor: Visitor) -> tuple[str, etree._Element]:
    """Presses the link of the list: (address at the site, the LogoutRequest in it)."""
    assert 'href="/saml/leave/retraite/"' in visitor.html
    answer = visitor.client.get("/saml/leave/retraite/")
    assert answer.status_code == 303 and answer["Location"].startswith(f"{SLO_OF_SITE}?SAMLRequest=")
    return answer["Location"], inflated(parse_qs(urlsplit(answer["Location"]).query)["SAMLRequest"][0])


def back(now, request: etree._Element, key=SITE_KEYS.key, **changed) -> str:
    """The site's answer by Redirect, as a path."""
    document = logout_response(now, request, **{"to": SLO, **changed})
    return redirect(document, key=key, to="/saml/slo", name="SAMLResponse")


def form_of(html: str, action: str) -> dict[str, str]:
    """The fields of the page's one form to that address."""
    (inside,) = re.findall(
        rf'<form method="post" action="{re.escape(action)}" data-send-on>(.*?)</form>', html, re.DOTALL
    )
    assert "<button" in inside, "without scripts the button does it"
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', inside))
