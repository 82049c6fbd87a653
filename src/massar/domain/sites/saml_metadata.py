"""A site's SAML metadata read into the values of the registry (SAML metadata §2.4.4). Whoever runs the account pastes them."""

from __future__ import annotations

import base64
import binascii
import json

from lxml import etree

from massar.core import xml, xml_signature

MD = "urn:oasis:names:tc:SAML:2.0:metadata"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
SOAP = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"
LONGEST = 1024 * 1024  # bytes: Microsoft's metadata is large
MICROSOFT = "urn:federation:MicrosoftOnline"
# Names that sites ask for (RequestedAttribute) -> our claim: plain ones, X.500 and eduPerson OIDs, WS-Federation claims.
_KNOWN = {
    **dict.fromkeys(("email", "mail", "urn:oid:0.9.2342.19200300.100.1.3"), "email"),
    **dict.fromkeys(("name", "displayName", "cn", "urn:oid:2.16.840.1.113730.3.1.241", "urn:oid:2.5.4.3"), "name"),
    **dict.fromkeys(("given_name", "givenName", "firstName", "urn:oid:2.5.4.42"), "given_name"),
    **dict.fromkeys(("family_name", "sn", "surname", "lastName", "urn:oid:2.5.4.4"), "family_name"),
    **{
        f"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/{theirs}": ours
        for theirs, ours in (("emailaddress", "email"), ("name", "name"), ("givenname", "given_name"), ("surname", "family_name"))
    },
    "school": "school",
    "role": "role",
}
_FORMATS = {"persistent": "persistent", "transient": "transient", "emailAddress": "email"}


class MetadataRefused(Exception):
    """The file can't be used; the message says why."""


def read(document: bytes) -> dict:
    """The values of a [sites.…] table: names, addresses, certificate. Raises MetadataRefused.

    The address first in `acs` is the default one; only addresses for the POST binding are taken.
    """
    entity, role = _roles(document)
    acs = _addresses(role)
    if not acs:
        raise MetadataRefused("there is no AssertionConsumerService with the HTTP-POST binding")
    values = {
        "protocol": "saml",
        "entity_id": entity.get("entityID", ""),
        "acs": acs,
        "slo": _logout(role, REDIRECT),
        "slo_response": _logout(role, REDIRECT, "ResponseLocation"),
        "slo_soap": _logout(role, SOAP),
        "name_id": _name_id(role),
        "attributes": _attributes(role),
        "certificate": _certificates(role),
        "signed_requests": role.get("AuthnRequestsSigned") in ("true", "1"),
    }
    if values["entity_id"] == MICROSOFT:  # says nothing of names in its metadata (docs/integrate/saml-microsoft365.md)
        values |= {"name_id": "persistent", "attributes": {"IDPEmail": "email"}}
    return {name: value for name, value in values.items() if value}


def _roles(document: bytes) -> tuple[etree._Element, etree._Element]:
    try:
        root = xml.parse(document, longest=LONGEST)
    except xml.XmlRefused as refused:
        raise MetadataRefused(f"it was not read: {refused}") from refused
    found = list(root.iter(f"{{{MD}}}SPSSODescriptor"))
    if len(found) != 1 or not found[0].getparent().get("entityID"):
        raise MetadataRefused("it must describe one service provider (SPSSODescriptor) with an entityID")
    return found[0].getparent(), found[0]


def _addresses(role: etree._Element) -> list[str]:
    """Default first, then by index.."""
    ends = [e for e in role.iterfind(f"{{{MD}}}AssertionConsumerService") if e.get("Binding") == POST]
    ends.sort(key=lambda e: (e.get("isDefault") not in ("true", "1"), _index(e)))
    return list(dict.fromkeys(e.get("Location", "") for e in ends if e.get("Location")))


def _index(end: etree._Element) -> int:
    said = end.get("index", "0")
    return int(said) if said.isascii() and said.isdecimal() else 0


def _logout(role: etree._Element, binding: str, which: str = "Location") -> str:
    """The first address for that binding; '' where there is none."""
    ends = role.iterfind(f"{{{MD}}}SingleLogoutService")
    return next((e.get(which, "") for e in ends if e.get("Binding") == binding), "")


def _name_id(role: etree._Element) -> str:
    """The first format that we know; '' leaves the registry's own choice."""
    said = ((e.text or "").strip().rsplit(":", 1)[-1] for e in role.iterfind(f"{{{MD}}}NameIDFormat"))
    return next((_FORMATS[name] for name in said if name in _FORMATS), "")


def _attributes(role: etree._Element) -> dict[str, str]:
    """The asked names that we know, with the claim that fits."""
    asked = (e.get("Name", "") for e in role.iter(f"{{{MD}}}RequestedAttribute"))
    return {name: _KNOWN[name] for name in asked if name in _KNOWN}


def _certificates(role: etree._Element) -> str:
    """Those for signing, one below the other in PEM."""
    found = []
    for described in role.iterfind(f"{{{MD}}}KeyDescriptor"):
        if described.get("use", "signing") != "signing":
            continue
        for held in described.iter(f"{{{xml_signature.DS}}}X509Certificate"):
            try:
                found.append(xml_signature.pem(base64.b64decode("".join((held.text or "").split()))))
            except (ValueError, binascii.Error) as trouble:
                raise MetadataRefused("a certificate in it can't be read") from trouble
    return "".join(dict.fromkeys(found))


def as_toml(slug: str, values: dict) -> str:
    """The table to paste into the file that MASSAR_CONFIG names."""
    lines = [f"{name} = {_toml(value)}" for name, value in values.items()]
    return "\n".join([f"[sites.{slug}]", *lines, ""])


def _toml(value: str | bool | list | dict) -> str:
    """JSON's texts and lists of texts read the same in TOML, but for DEL (TOML 1.0, basic strings)."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(held)}" for key, held in value.items()) + " }"
    return json.dumps(value).replace("\x7f", "\\u007f")
