"""Read a site's SAML metadata into settings of the registry (SAML metadata §2.4.4), which an operator pastes.

What does not come into the table is said, one sentence for each thing: nobody shall find out from a sign-in that fails.
"""

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from massar.core import xml, xml_signature
from massar.core.saml.messages import MD, POST, REDIRECT, SAMLP, SOAP
from massar.domain.sites.rules import HIGHEST_INDEX

Table = dict[str, Any]  # settings of a site by name
MOST_NAMED = 3
LONGEST = 1024 * 1024  # bytes: Microsoft's metadata is large
MICROSOFT = "urn:federation:MicrosoftOnline"
# Our claim -> names that sites ask for (RequestedAttribute): plain ones, OIDs of X.500, WS-Federation claims.
_CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
_ASKED = {
    "email": ("email", "mail", "urn:oid:0.9.2342.19200300.100.1.3", f"{_CLAIMS}emailaddress"),
    "name": ("name", "displayName", "cn", "urn:oid:2.16.840.1.113730.3.1.241", "urn:oid:2.5.4.3", f"{_CLAIMS}name"),
    "given_name": ("given_name", "givenName", "firstName", "urn:oid:2.5.4.42", f"{_CLAIMS}givenname"),
    "family_name": ("family_name", "sn", "surname", "lastName", "urn:oid:2.5.4.4", f"{_CLAIMS}surname"),
    "school": ("school",),
    "role": ("role",),
}
_KNOWN = {name: claim for claim, names in _ASKED.items() for name in names}
_FORMATS = {"persistent": "persistent", "transient": "transient", "emailAddress": "email"}
_NS = {"md": MD, "ds": xml_signature.DS}
_TRUE = ("true", "1")


class MetadataRefused(Exception):
    """The file can't be used; the message says why."""


def as_toml(slug: str, table: Table) -> str:
    """The table to paste into the file that MASSAR_CONFIG names."""
    return "\n".join([f"[sites.{slug}]", *(f"{name} = {_toml(value)}" for name, value in table.items()), ""])


def _toml(value: object) -> str:
    """JSON's texts and lists of texts read the same in TOML, but for DEL (TOML 1.0, basic strings)."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(held)}" for key, held in value.items()) + " }"
    return json.dumps(value).replace("\x7f", "\\u007f")


def read(document: bytes, *, now: datetime) -> tuple[Table, list[str]]:
    """The settings of a [sites.…] table that it says something of, and a sentence for each thing that is left out.

    The address first in `acs` is the default one. Raises MetadataRefused, also for what its own validUntil calls over:
    it may name addresses that are somebody else's by now (SAML metadata §2.3.2).
    """
    entity, role = _entity_and_role(document)
    for element in (role, entity, *entity.iterancestors()):
        good = element.get("validUntil")
        until = xml.instant(good) if good else now
        if until is None or until < now:
            raise MetadataRefused(f"it was good until {good}: ask the site for its present metadata")
    acs, indexes = _acs(role)
    browser = REDIRECT if _logout(role, REDIRECT) else POST
    formats = ((e.text or "").strip().rsplit(":", 1)[-1] for e in role.iterfind("md:NameIDFormat", _NS))
    asked = (e.get("Name", "") for e in role.iterfind(".//md:RequestedAttribute", _NS))
    said: Table = {
        "protocol": "saml",
        "entity_id": entity.get("entityID", ""),
        "acs": acs,
        "acs_indexes": indexes,
        "slo": _logout(role, browser),
        "slo_binding": "post" if browser == POST and _logout(role, POST) else "",
        "slo_response": _logout(role, browser, "ResponseLocation"),
        "slo_soap": _logout(role, SOAP),
        "name_id": next((_FORMATS[name] for name in formats if name in _FORMATS), ""),  # '': the registry's own choice
        "attributes": {name: _KNOWN[name] for name in asked if name in _KNOWN},
        "certificate": _certificates(role),
        "signed_requests": role.get("AuthnRequestsSigned") in _TRUE,
    }
    if said["entity_id"] == MICROSOFT:
        # Its metadata says nothing of names, and it signs with SHA-1 (docs/integrate/saml-microsoft365.md).
        said |= {"name_id": "persistent", "attributes": {"IDPEmail": "email"}, "signed_requests": False}
    table = {name: value for name, value in said.items() if value}
    return table, [*_ends_left_out(role, said), *_rest_left_out(role, said)]


def _entity_and_role(document: bytes) -> tuple[etree._Element, etree._Element]:
    """The EntityDescriptor and its SPSSODescriptor of SAML 2.0. Raises MetadataRefused unless there is one."""
    try:
        root = xml.parse(document, longest=LONGEST, comments=True)  # Shibboleth writes one before the root
    except xml.XmlRefused as refused:
        raise MetadataRefused(f"it was not read: {refused}") from refused
    providers = list(root.iter(f"{{{MD}}}SPSSODescriptor"))
    found = [role for role in providers if SAMLP in role.get("protocolSupportEnumeration", "").split()]
    if not found:
        kind = "speaks SAML 2.0" if providers else "is there"
        raise MetadataRefused(f"it must describe a service provider of SAML 2.0, and no SPSSODescriptor {kind}")
    entities = [entity for role in found if (entity := role.getparent()) is not None]
    if not entities:
        raise MetadataRefused("its SPSSODescriptor stands in no EntityDescriptor")
    if len(found) > 1:
        names = ", ".join(entity.get("entityID", "without a name") for entity in entities[:MOST_NAMED])
        more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        wish = "give a file with the one that is meant"
        raise MetadataRefused(f"it describes several service providers ({names}{more}): {wish}")
    if not entities[0].get("entityID"):
        raise MetadataRefused("its EntityDescriptor has no entityID")
    return entities[0], found[0]


def _acs(role: etree._Element) -> tuple[list[str], list[int]]:
    """Addresses, the default one first, then by index; and the site's own numbers, [] where they are the positions.

    The default: the first with isDefault true, else the first that does not say false, else the first (§2.2.3).
    """
    found = role.findall("md:AssertionConsumerService", _NS)
    written = [e for e in found if e.get("Binding") == POST and e.get("Location")]
    if not written:
        others = ", ".join(sorted({_called(e.get("Binding")) for e in found}))
        why = f"and answers go by nothing else{f' (the site has {others})' if others else ''}"
        raise MetadataRefused(f"there is no AssertionConsumerService for HTTP-POST, {why}")
    true = [e for e in written if e.get("isDefault") in _TRUE]
    silent = [e for e in written if e.get("isDefault") not in ("false", "0")]
    default = [*true, *silent, *written][0]
    in_order = sorted(written, key=lambda e: (e is not default, _index(e) or 0))
    ends = list(dict.fromkeys((e.get("Location", ""), _index(e)) for e in in_order))
    acs, indexes = [location for location, _ in ends], [index for _, index in ends if index is not None]
    if not indexes or indexes == list(range(len(ends))):
        return acs, []
    if len(indexes) != len(ends) or len(set(indexes)) != len(indexes):
        raise MetadataRefused("each AssertionConsumerService needs an index of its own")
    return acs, indexes


def _index(end: etree._Element) -> int | None:
    """Raises MetadataRefused for what is no xs:unsignedShort; None where there is none."""
    said = (end.get("index") or "").strip()
    if not said:
        return None
    if not (said.isascii() and said.isdecimal() and len(said) < 10 and int(said) <= HIGHEST_INDEX):
        which = f"the index {said[:20]!r} of an AssertionConsumerService"
        raise MetadataRefused(f"{which} is no number from 0 to {HIGHEST_INDEX}")
    return int(said)


def _logout(role: etree._Element, binding: str, which: str = "Location") -> str:
    """The first address for that binding; '' where there is none."""
    ends = role.iterfind("md:SingleLogoutService", _NS)
    return next((e.get(which, "") for e in ends if e.get("Binding") == binding and e.get("Location")), "")


def _certificates(role: etree._Element) -> str:
    """Those for signing, one below the other in PEM."""
    found = []
    keys = (key for key in role.iterfind("md:KeyDescriptor", _NS) if key.get("use", "signing") == "signing")
    for held in (held for key in keys for held in key.iterfind(".//ds:X509Certificate", _NS)):
        try:
            der = base64.b64decode("".join((held.text or "").split()))
            found.append(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode())
        except ValueError as trouble:
            raise MetadataRefused("a certificate in it can't be read") from trouble
    return "".join(dict.fromkeys(found))


def _called(binding: str | None) -> str:
    """`HTTP-Artifact` of its long name; what has none as it stands."""
    return (binding or "no binding").rpartition(":")[2]


def _ends_left_out(role: etree._Element, read: Table) -> Iterator[str]:
    for end in role.iterfind("md:AssertionConsumerService", _NS):
        where, binding = end.get("Location", ""), end.get("Binding")
        if not where:
            yield "an AssertionConsumerService without a Location is left out."
        elif binding != POST:
            which = f"the AssertionConsumerService {where} ({_called(binding)})"
            yield f"{which} is left out: answers go by HTTP-POST only."
    taken = {SOAP: read["slo_soap"], POST if read["slo_binding"] else REDIRECT: read["slo"]}
    found = role.findall("md:SingleLogoutService", _NS)
    for end in found:
        where, binding = end.get("Location", ""), end.get("Binding")
        which = f"the SingleLogoutService {where} ({_called(binding)}) is left out"
        if not where:
            yield "a SingleLogoutService without a Location is left out."
        elif binding not in (SOAP, POST, REDIRECT):
            yield f"{which}: HTTP-Redirect, HTTP-POST and SOAP are spoken here."
        elif taken.get(binding) != where:
            yield f"{which}: one for the browser and one for SOAP is enough."
    if not any(taken.values()):
        why = "none that is spoken here" if found else "none"
        then = "it can't be told of a sign-out, and `massar sites check` will say so"
        yield f"the site has no SingleLogoutService ({why}): {then}."


def _rest_left_out(role: etree._Element, read: Table) -> Iterator[str]:
    for described in role.iterfind("md:KeyDescriptor", _NS):
        if described.get("use") == "encryption":
            why = "assertions are signed and go over TLS, they are not encrypted"
            yield f"a certificate for encryption is left out: {why}."
        elif described.find(".//ds:X509Certificate", _NS) is None:
            wish = "ask the site for its certificate, nothing it signs is believed without"
            yield f"a key without a certificate is left out: {wish}."
    said = [(e.text or "").strip() for e in role.iterfind("md:NameIDFormat", _NS)]
    if said and not read["name_id"]:
        formats = ", ".join(map(_called, said))
        yield f"no NameIDFormat of the site is given here ({formats}): it gets the registry's own, persistent."
    for asked in role.iterfind(".//md:RequestedAttribute", _NS):
        name = asked.get("Name", "")
        if name not in read["attributes"]:
            needs = " although the site calls it required" if asked.get("isRequired") in _TRUE else ""
            yield f"the attribute {name} is left out{needs}: give it one of our claims in `attributes`, if one fits."
    for name in ("ArtifactResolutionService", "ManageNameIDService"):
        if role.find(f"md:{name}", _NS) is not None:
            yield f"{name} is left out: nothing here speaks it."
