"""What the account says of itself to SAML sites (SAML metadata §2.4.3): addresses, names, algorithms, every current certificate."""

from __future__ import annotations

from datetime import datetime

from lxml import etree

from massar.core import xml_signature
from massar.domain.sites import api as sites
from massar.journeys.sso.saml.names import ALG, MD, NAME_IDS, POST, REDIRECT, SAMLP, UNSPECIFIED, Ours

CACHED = "PT6H"  # a new certificate is published at least a day before it signs


def of(ours: Ours, *, now: datetime) -> bytes:
    """The EntityDescriptor, UTF-8. While a certificate is being rolled it holds both, the one that signs first."""
    root = etree.Element(f"{{{MD}}}EntityDescriptor", nsmap={"md": MD, "ds": xml_signature.DS, "alg": ALG})
    root.set("entityID", ours.entity_id)
    root.set("cacheDuration", CACHED)
    role = etree.SubElement(root, f"{{{MD}}}IDPSSODescriptor", protocolSupportEnumeration=SAMLP)
    role.set("WantAuthnRequestsSigned", "false")
    _algorithms(role)
    signs = sites.keys.active(sites.keys.SAML, now=now)
    others = [signer for signer in sites.keys.published((sites.keys.SAML,), now=now) if signer.kid != signs.kid]
    for signer in (signs, *others):
        _key(role, signer.public)
    for binding in (REDIRECT, POST):
        _service(role, "SingleLogoutService", binding, ours.slo)
    for name in (UNSPECIFIED, *reversed(NAME_IDS.values())):  # the first is what some libraries ask for
        etree.SubElement(role, f"{{{MD}}}NameIDFormat").text = name
    for binding in (REDIRECT, POST):
        _service(role, "SingleSignOnService", binding, ours.sso)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _algorithms(role: etree._Element) -> None:
    """What signatures are taken, the best liked first (SAML V2.0 Metadata Profile for Algorithm Support 1.0, §2).

    A site that reads nothing of it may sign with SHA-1, as Shibboleth's SP 3 does by SOAP, and is not believed.
    """
    said = etree.SubElement(role, f"{{{MD}}}Extensions")
    for algorithm in xml_signature.DIGESTS:
        etree.SubElement(said, f"{{{ALG}}}DigestMethod", Algorithm=algorithm)
    for algorithm in xml_signature.HASHES:
        etree.SubElement(said, f"{{{ALG}}}SigningMethod", Algorithm=algorithm)


def _key(role: etree._Element, certificate: str) -> None:
    described = etree.SubElement(role, f"{{{MD}}}KeyDescriptor", use="signing")
    parent = described
    for name in ("KeyInfo", "X509Data", "X509Certificate"):
        parent = etree.SubElement(parent, f"{{{xml_signature.DS}}}{name}")
    parent.text = xml_signature.bare(certificate)


def _service(role: etree._Element, name: str, binding: str, address: str) -> None:
    etree.SubElement(role, f"{{{MD}}}{name}", Binding=binding, Location=address)
