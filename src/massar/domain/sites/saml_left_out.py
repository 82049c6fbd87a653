"""Say what of a site's SAML metadata does not come into the table of the registry, one sentence for each thing.

So nobody finds out from a sign-in that fails.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from massar.core import xml_signature
from massar.core.saml.names import MD, POST, REDIRECT, SOAP
from massar.domain.sites import saml_metadata
from massar.domain.sites.saml_metadata import SiteMetadata, called

_UNUSED = ("ArtifactResolutionService", "ManageNameIDService")


def sentences(document: bytes, read: SiteMetadata) -> list[str]:
    """read: what `saml_metadata.read` took of the same document. Raises MetadataRefused."""
    _, role = saml_metadata.roles(document)
    return [*_answers(role), *_sign_outs(role, read), *_certificates(role), *_names(role, read), *_others(role)]


def _answers(role: etree._Element) -> Iterator[str]:
    for end in role.iterfind(f"{{{MD}}}AssertionConsumerService"):
        where = end.get("Location", "")
        binding = end.get("Binding")
        if not where:
            yield "an AssertionConsumerService without a Location is left out."
        elif binding != POST:
            which = f"the AssertionConsumerService {where} ({called(binding)})"
            yield f"{which} is left out: answers go by HTTP-POST only."


def _sign_outs(role: etree._Element, read: SiteMetadata) -> Iterator[str]:
    taken = {SOAP: read.slo_soap, POST if read.slo_binding else REDIRECT: read.slo}
    found = role.findall(f"{{{MD}}}SingleLogoutService")
    for end in found:
        binding, where = end.get("Binding"), end.get("Location", "")
        which = f"the SingleLogoutService {where} ({called(binding)}) is left out"
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


def _certificates(role: etree._Element) -> Iterator[str]:
    for described in role.iterfind(f"{{{MD}}}KeyDescriptor"):
        if described.get("use") == "encryption":
            why = "assertions are signed and go over TLS, they are not encrypted"
            yield f"a certificate for encryption is left out: {why}."
        elif described.find(f".//{{{xml_signature.DS}}}X509Certificate") is None:
            wish = "ask the site for its certificate, nothing it signs is believed without"
            yield f"a key without a certificate is left out: {wish}."


def _names(role: etree._Element, read: SiteMetadata) -> Iterator[str]:
    said = [(e.text or "").strip() for e in role.iterfind(f"{{{MD}}}NameIDFormat")]
    if said and not read.name_id:
        formats = ", ".join(map(called, said))
        yield f"no NameIDFormat of the site is given here ({formats}): it gets the registry's own, persistent."
    for asked in role.iter(f"{{{MD}}}RequestedAttribute"):
        name = asked.get("Name", "")
        if name not in read.attributes:
            needs = " although the site calls it required" if asked.get("isRequired") in ("true", "1") else ""
            yield f"the attribute {name} is left out{needs}: give it one of our claims in `attributes`, if one fits."


def _others(role: etree._Element) -> Iterator[str]:
    for name in _UNUSED:
        if role.find(f"{{{MD}}}{name}") is not None:
            yield f"{name} is left out: nothing here speaks it."
