"""A SAML site for tests: its keys, its registration, its requests as XML (right ones, and as wrong as a test wants them)."""

from __future__ import annotations

import base64
import dataclasses
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote_plus

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.conf import settings
from lxml import etree

from massar.core import ids, xml_signature
from massar.domain.sites import api as sites

ACCOUNT = settings.MASSAR.public_url
SSO, SLO, METADATA = (f"{ACCOUNT}/saml/{end}" for end in ("sso", "slo", "metadata"))
ENTITY, ACS, ACS_TWO, SLO_OF_SITE = (f"https://retraite.example.ma/saml{end}" for end in ("", "/acs", "/acs2", "/slo"))
RSA_SHA256 = xml_signature.RSA_SHA256
NS = {
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}


@dataclass(frozen=True)
class Pair:
    """A key and its self-signed certificate (PEM)."""

    key: rsa.RSAPrivateKey
    certificate: str

    @property
    def pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def pair(*, until: datetime = datetime(2040, 1, 1, tzinfo=UTC)) -> Pair:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(until)
        .sign(key, hashes.SHA256())
    )
    return Pair(key, certificate.public_bytes(Encoding.PEM).decode())


SITE_KEYS, STRANGER_KEYS = pair(), pair()
EXPIRED = pair(until=datetime(2025, 1, 1, tzinfo=UTC))
RETRAITE = sites.Site(
    "retraite",
    protocol="saml",
    name={"en": "Retraite", "ar": "التقاعد"},
    entity_id=ENTITY,
    acs=(ACS, ACS_TWO),
    slo=SLO_OF_SITE,
    certificate=SITE_KEYS.certificate,
    attributes=("email", "name", "school"),
    icon="sunset",
)
TAALIM = sites.Site(
    "taalim",
    protocol="saml",
    name={"en": "taalim.ma"},
    entity_id="https://mail.example.ma/saml",
    acs=("https://mail.example.ma/acs",),
    certificate=SITE_KEYS.certificate,
    signed_requests=True,
    name_id="email",
)
CLOSED = sites.Site(
    "inspectors", protocol="saml", entity_id="https://closed.example.ma", acs=("https://closed.example.ma/acs",),
    roles=("inspector",),
)  # fmt: skip


def register(monkeypatch, *registered: sites.Site) -> None:
    registry = sites.Registry(list(registered or (RETRAITE, TAALIM, CLOSED)))
    monkeypatch.setattr(settings, "MASSAR", dataclasses.replace(settings.MASSAR, sites=registry))


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def authn_request(now: datetime, *, issuer: str = ENTITY, inside: str = "", id: str = "", **attributes: str) -> str:
    """An AuthnRequest; attributes given as '' are left out."""
    given = {
        "ID": id or f"_{ids.short_token()}",
        "Version": "2.0",
        "IssueInstant": written(now),
        "Destination": SSO,
        **attributes,
    }
    text = " ".join(f'{name}="{value}"' for name, value in given.items() if value)
    return (
        f'<samlp:AuthnRequest xmlns:samlp="{NS["samlp"]}" xmlns:saml="{NS["saml"]}" {text}>'
        f"<saml:Issuer>{issuer}</saml:Issuer>{inside}</samlp:AuthnRequest>"
    )


def logout_request(
    now: datetime, *, name: str, index: str = "", issuer: str = ENTITY, id: str = "", **attributes: str
) -> str:
    given = {
        "ID": id or f"_{ids.short_token()}",
        "Version": "2.0",
        "IssueInstant": written(now),
        "Destination": SLO,
        **attributes,
    }
    text = " ".join(f'{key}="{value}"' for key, value in given.items() if value)
    named = f"<samlp:SessionIndex>{index}</samlp:SessionIndex>" if index else ""
    return (
        f'<samlp:LogoutRequest xmlns:samlp="{NS["samlp"]}" xmlns:saml="{NS["saml"]}" {text}>'
        f"<saml:Issuer>{issuer}</saml:Issuer><saml:NameID>{name}</saml:NameID>{named}</samlp:LogoutRequest>"
    )


def deflated(text: str | bytes) -> str:
    machine = zlib.compressobj(wbits=-15)
    packed = machine.compress(text.encode() if isinstance(text, str) else text) + machine.flush()
    return base64.b64encode(packed).decode()


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
        signature = key.sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())
        query += f"&Signature={quote_plus(base64.b64encode(signature).decode())}"
    return f"{to}?{query}"


def enveloped(text: str, keys: Pair = SITE_KEYS) -> etree._Element:
    """The message with a signature inside, for the POST binding."""
    root = etree.fromstring(text)
    xml_signature.sign(root, xml_signature.XmlSigner(keys.key, keys.certificate))
    return root


def posted(message: str | etree._Element | bytes) -> str:
    data = message if isinstance(message, bytes) else None
    data = data or (message.encode() if isinstance(message, str) else etree.tostring(message))
    return base64.b64encode(data).decode()
