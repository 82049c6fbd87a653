"""Read a site's SAML metadata into settings of the registry (SAML metadata §2.4.4), which an operator pastes."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field, fields, replace
from datetime import datetime

from lxml import etree

from massar.core import xml, xml_signature
from massar.core.saml.names import MD, POST, REDIRECT, SAMLP, SOAP
from massar.domain.sites.rules import HIGHEST_INDEX

MOST_NAMED = 3
LONGEST = 1024 * 1024  # bytes: Microsoft's metadata is large
MICROSOFT = "urn:federation:MicrosoftOnline"
# Names that sites ask for (RequestedAttribute) -> our claim: plain ones, OIDs of X.500, WS-Federation claims.
_KNOWN = {
    **dict.fromkeys(("email", "mail", "urn:oid:0.9.2342.19200300.100.1.3"), "email"),
    **dict.fromkeys(("name", "displayName", "cn", "urn:oid:2.16.840.1.113730.3.1.241", "urn:oid:2.5.4.3"), "name"),
    **dict.fromkeys(("given_name", "givenName", "firstName", "urn:oid:2.5.4.42"), "given_name"),
    **dict.fromkeys(("family_name", "sn", "surname", "lastName", "urn:oid:2.5.4.4"), "family_name"),
    **{
        f"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/{theirs}": ours
        for theirs, ours in (
            ("emailaddress", "email"),
            ("name", "name"),
            ("givenname", "given_name"),
            ("surname", "family_name"),
        )
    },
    "school": "school",
    "role": "role",
}
_FORMATS = {"persistent": "persistent", "transient": "transient", "emailAddress": "email"}


class MetadataRefused(Exception):
    """The file can't be used; the message says why."""


@dataclass(frozen=True)
class SiteMetadata:
    """What a site's metadata says, under the names of the settings of a [sites.…] table.

    The address first in `acs` is the default one; only addresses for the POST binding are taken. `acs_indexes` is there
    where the site's numbers are not the positions in `acs`.
    """

    protocol: str
    entity_id: str
    acs: list[str]
    acs_indexes: list[int] = field(default_factory=list)
    slo: str = ""
    slo_binding: str = ""
    slo_response: str = ""
    slo_soap: str = ""
    name_id: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    certificate: str = ""
    signed_requests: bool = False

    def table(self) -> dict[str, object]:
        """Those that say something."""
        said = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in said.items() if value}

    def as_toml(self, slug: str) -> str:
        """The table to paste into the file that MASSAR_CONFIG names."""
        lines = [f"{name} = {_toml(value)}" for name, value in self.table().items()]
        return "\n".join([f"[sites.{slug}]", *lines, ""])


def _toml(value: object) -> str:
    """JSON's texts and lists of texts read the same in TOML, but for DEL (TOML 1.0, basic strings)."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(held)}" for key, held in value.items()) + " }"
    return json.dumps(value).replace("\x7f", "\\u007f")


def read(document: bytes, *, now: datetime) -> SiteMetadata:
    """What is taken of it; `saml_left_out` says what is not. Raises MetadataRefused, also for what is out of date."""
    entity, role = roles(document)
    _judge_time(now, role, entity, *entity.iterancestors())
    ends = _ends(role)
    acs = [location for location, _ in ends]
    if not acs:
        raise MetadataRefused(
            f"there is no AssertionConsumerService for HTTP-POST, and answers go by nothing else{_instead(role)}"
        )
    browser = REDIRECT if _logout(role, REDIRECT) else POST
    read = SiteMetadata(
        protocol="saml",
        entity_id=entity.get("entityID", ""),
        acs=acs,
        acs_indexes=_indexes(ends),
        slo=_logout(role, browser),
        slo_binding="post" if browser == POST and _logout(role, POST) else "",
        slo_response=_logout(role, browser, "ResponseLocation"),
        slo_soap=_logout(role, SOAP),
        name_id=_name_id(role),
        attributes=_attributes(role),
        certificate=_certificates(role),
        signed_requests=role.get("AuthnRequestsSigned") in ("true", "1"),
    )
    if read.entity_id != MICROSOFT:
        return read
    # Its metadata says nothing of names, and what it signs it signs with SHA-1 (docs/integrate/saml-microsoft365.md).
    return replace(read, name_id="persistent", attributes={"IDPEmail": "email"}, signed_requests=False)


def roles(document: bytes) -> tuple[etree._Element, etree._Element]:
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
    if len(found) > 1:
        names = ", ".join(_entity(role).get("entityID", "without a name") for role in found[:MOST_NAMED])
        more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        raise MetadataRefused(
            f"it describes several service providers ({names}{more}): give a file with the one that is meant"
        )
    entity = _entity(found[0])
    if not entity.get("entityID"):
        raise MetadataRefused("its EntityDescriptor has no entityID")
    return entity, found[0]


def _entity(role: etree._Element) -> etree._Element:
    entity = role.getparent()
    if entity is None:
        raise MetadataRefused("its SPSSODescriptor stands in no EntityDescriptor")
    return entity


def _instead(role: etree._Element) -> str:
    """What the site offers in its place."""
    others = sorted({called(e.get("Binding")) for e in role.iterfind(f"{{{MD}}}AssertionConsumerService")})
    return f" (the site has {', '.join(others)})" if others else ""


def called(binding: str | None) -> str:
    """`HTTP-Artifact` of its long name; what has none as it stands."""
    return (binding or "no binding").rpartition(":")[2]


def _judge_time(now: datetime, *elements: etree._Element) -> None:
    """What its own validUntil calls over may name addresses that are somebody else's by now (SAML metadata §2.3.2)."""
    for element in elements:
        said = element.get("validUntil")
        until = xml.instant(said) if said else now
        if until is None or until < now:
            raise MetadataRefused(f"it was good until {said}: ask the site for its present metadata")


def _ends(role: etree._Element) -> list[tuple[str, int | None]]:
    """(Location, index) of each address, the default one first, then by index; index None: the file gives none."""
    written = [
        e for e in role.iterfind(f"{{{MD}}}AssertionConsumerService") if e.get("Binding") == POST and e.get("Location")
    ]
    default = _default(written)
    found = sorted(written, key=lambda e: (e is not default, _index(e) or 0))
    return list(dict.fromkeys((e.get("Location", ""), _index(e)) for e in found))


def _default(written: list[etree._Element]) -> etree._Element | None:
    """SAML metadata §2.2.3: the first with isDefault true, else the first that does not say false, else the first."""
    true = [e for e in written if e.get("isDefault") in ("true", "1")]
    silent = [e for e in written if e.get("isDefault") not in ("false", "0")]
    return next(iter([*true, *silent, *written]), None)


def _index(end: etree._Element) -> int | None:
    """Raises MetadataRefused for what is no xs:unsignedShort; None where there is none."""
    said = (end.get("index") or "").strip()
    if not said:
        return None
    if not (said.isascii() and said.isdecimal() and len(said) < 10 and int(said) <= HIGHEST_INDEX):
        raise MetadataRefused(
            f"the index {said[:20]!r} of an AssertionConsumerService is no number from 0 to {HIGHEST_INDEX}"
        )
    return int(said)


def _indexes(ends: list[tuple[str, int | None]]) -> list[int]:
    """The site's own numbers; [] where they are the positions, or where the site has none at all."""
    indexes = [index for _, index in ends if index is not None]
    if not indexes or indexes == list(range(len(ends))):
        return []
    if len(indexes) != len(ends) or len(set(indexes)) != len(indexes):
        raise MetadataRefused("each AssertionConsumerService needs an index of its own")
    return indexes


def _logout(role: etree._Element, binding: str, which: str = "Location") -> str:
    """The first address for that binding; '' where there is none."""
    ends = role.iterfind(f"{{{MD}}}SingleLogoutService")
    return next((e.get(which, "") for e in ends if e.get("Binding") == binding and e.get("Location")), "")


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
                found.append(xml_signature.certificate_pem(base64.b64decode("".join((held.text or "").split()))))
            except (ValueError, binascii.Error) as trouble:
                raise MetadataRefused("a certificate in it can't be read") from trouble
    return "".join(dict.fromkeys(found))
