"""An identity provider's own metadata (SAML metadata §2.4.3): addresses, formats, algorithms and certificates."""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from massar.core import xml_signature
from massar.core.saml.names import ALG, MD, NAME_ID_FORMATS, POST, REDIRECT, SAMLP, UNSPECIFIED

CACHED = "PT6H"  # a new certificate is published at least a day before it signs


def encode_metadata(*, entity_id: str, sso_url: str, slo_url: str, certificates: Iterable[str]) -> bytes:
    """The EntityDescriptor in UTF-8.

    Args:
        certificates: in PEM, the one that signs first. While a certificate is being rolled there are two.
    """
    root = etree.Element(f"{{{MD}}}EntityDescriptor", nsmap={"md": MD, "ds": xml_signature.DS, "alg": ALG})
    root.set("entityID", entity_id)
    root.set("cacheDuration", CACHED)
    role = etree.SubElement(root, f"{{{MD}}}IDPSSODescriptor", protocolSupportEnumeration=SAMLP)
    role.set("WantAuthnRequestsSigned", "false")
    _add_algorithms(role)
    for certificate in certificates:
        parent = etree.SubElement(role, f"{{{MD}}}KeyDescriptor", use="signing")
        for name in ("KeyInfo", "X509Data", "X509Certificate"):
            parent = etree.SubElement(parent, f"{{{xml_signature.DS}}}{name}")
        parent.text = xml_signature.certificate_base64(certificate)
    for binding in (REDIRECT, POST):
        etree.SubElement(role, f"{{{MD}}}SingleLogoutService", Binding=binding, Location=slo_url)
    for name in (UNSPECIFIED, *reversed(NAME_ID_FORMATS.values())):  # the first is what some libraries ask for
        etree.SubElement(role, f"{{{MD}}}NameIDFormat").text = name
    for binding in (REDIRECT, POST):
        etree.SubElement(role, f"{{{MD}}}SingleSignOnService", Binding=binding, Location=sso_url)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _add_algorithms(role: etree._Element) -> None:
    """Which signatures are taken, the best liked first (SAML V2.0 Metadata Profile for Algorithm Support 1.0, §2).

    A site that reads nothing of it may sign with SHA-1, as Shibboleth's SP 3 does by SOAP, and is not believed.
    """
    said = etree.SubElement(role, f"{{{MD}}}Extensions")
    for algorithm in xml_signature.DIGESTS:
        etree.SubElement(said, f"{{{ALG}}}DigestMethod", Algorithm=algorithm)
    for algorithm in xml_signature.HASHES:
        etree.SubElement(said, f"{{{ALG}}}SigningMethod", Algorithm=algorithm)
