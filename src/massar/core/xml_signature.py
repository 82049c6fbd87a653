"""Enveloped XML signatures as SAML uses them: one reference to the element's own ID, exclusive C14N, RSA with SHA-2.

Made with lxml and `cryptography` alone, so that one costs little more than its RSA operation. Verified by signxml,
under a certificate that is known beforehand; what the document says about keys is not read. Before that the shape is
judged, and after it the caller gets the element that was signed, not the one that was sent (signature wrapping:
XSW1-8).
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from massar.core.xml import canonical

DS = "http://www.w3.org/2000/09/xmldsig#"
ENVELOPED = f"{DS}enveloped-signature"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
HASHES = {
    RSA_SHA256: hashes.SHA256(),
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384": hashes.SHA384(),
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512": hashes.SHA512(),
}
DIGESTS = (SHA256, "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512")
_EXPECTED = SignatureConfiguration(
    location="./",
    expect_references=1,
    signature_methods=frozenset(map(SignatureMethod, HASHES)),
    digest_algorithms=frozenset(map(DigestAlgorithm, DIGESTS)),
)


class SignatureRefused(Exception):
    """The signature is not taken; the message says why, for whoever sent it."""


@dataclass(frozen=True)
class XmlSigner:
    """A key that signs, and its certificate in PEM, which goes into KeyInfo as a hint which key it was."""

    key: rsa.RSAPrivateKey
    certificate: str

    def sign_octets(self, octets: bytes) -> bytes:
        """The signature that stands beside a message, by RSA_SHA256."""
        return self.key.sign(octets, padding.PKCS1v15(), hashes.SHA256())


def sign(element: etree._Element, signer: XmlSigner) -> None:
    """Sign the element, which has an ID. The signature becomes its second child, behind the Issuer."""
    digest = base64.b64encode(hashlib.sha256(canonical(element)).digest()).decode()
    signature = etree.Element(f"{{{DS}}}Signature", nsmap={"ds": DS})
    info = _add(signature, "SignedInfo")
    _add(info, "CanonicalizationMethod", Algorithm=EXCLUSIVE)
    _add(info, "SignatureMethod", Algorithm=RSA_SHA256)
    reference = _add(info, "Reference", URI=f"#{element.get('ID')}")
    transforms = _add(reference, "Transforms")
    _add(transforms, "Transform", Algorithm=ENVELOPED)
    _add(transforms, "Transform", Algorithm=EXCLUSIVE)
    _add(reference, "DigestMethod", Algorithm=SHA256)
    _add(reference, "DigestValue").text = digest
    signed = signer.sign_octets(canonical(info))
    _add(signature, "SignatureValue").text = base64.b64encode(signed).decode()
    about = _add(_add(signature, "KeyInfo"), "X509Data")
    _add(about, "X509Certificate").text = certificate_base64(signer.certificate)
    element.insert(1, signature)


def _add(parent: etree._Element, name: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{DS}}}{name}", attributes)


def certificate_base64(certificate: str) -> str:
    """The base64 of a certificate in PEM, without its first and last line."""
    return "".join(line for line in certificate.splitlines() if line and not line.startswith("-----"))


def verify(root: etree._Element, *, certificates: Sequence[x509.Certificate], now: datetime) -> etree._Element:
    """The element that was signed, the whole message, under any of the certificates. Raises SignatureRefused."""
    _judge_shape(root)
    document = etree.tostring(root)
    for certificate in certificates:
        try:
            expected = replace(_EXPECTED, verification_time=now)
            found = XMLVerifier().verify(document, x509_cert=certificate, id_attribute="ID", expect_config=expected)
        except (SignXMLException, InvalidSignature, ValueError, etree.LxmlError):
            continue
        signed = None if isinstance(found, list) else found.signed_xml
        if signed is None or signed.tag != root.tag or signed.get("ID") != root.get("ID"):
            raise SignatureRefused("another element than the message was signed")
        return signed
    raise SignatureRefused("the signature does not fit the registered certificate")


def _judge_shape(root: etree._Element) -> None:
    """One signature, directly under the root, over the root and nothing else; no algorithm but the known ones."""
    signatures = list(root.iter(f"{{{DS}}}Signature"))
    if len(signatures) != 1 or signatures[0].getparent() is not root:
        raise SignatureRefused("there must be one signature, directly in the message")
    signature, own = signatures[0], root.get("ID", "")
    # whatever any reader may take for an id: ID, Id, id, xml:id
    ids = [v for e in root.iter() for name, v in e.items() if etree.QName(name).localname.lower() == "id"]
    references = [element.get("URI") for element in signature.iter(f"{{{DS}}}Reference")]
    shape = [_algorithms(signature, name) for name in ("CanonicalizationMethod", "Transform")]
    for right, demand in (
        (own and ids.count(own) == 1, "the ID of the message must be its own"),
        (references == [f"#{own}"], "the signature must cover the message and nothing else"),
        (next(signature.iter(f"{{{DS}}}Object"), None) is None, "a signature holds no objects"),
        (shape == [[EXCLUSIVE], [ENVELOPED, EXCLUSIVE]], "the signature must be enveloped, with exclusive C14N"),
        (_are_among(signature, "SignatureMethod", HASHES), "the signature must be RSA with SHA-256 or longer"),
        (_are_among(signature, "DigestMethod", DIGESTS), "the digest must be SHA-256 or longer"),
    ):
        if not right:
            raise SignatureRefused(demand)


def has_accepted_algorithms(root: etree._Element) -> bool:
    """Whether every signature in the message is made by algorithms that are taken. None is verified for that."""
    return _are_among(root, "SignatureMethod", HASHES) and _are_among(root, "DigestMethod", DIGESTS)


def _are_among(root: etree._Element, name: str, accepted: Iterable[str]) -> bool:
    return set(_algorithms(root, name)) <= set(accepted)


def _algorithms(root: etree._Element, name: str) -> list[str]:
    return [element.get("Algorithm", "") for element in root.iter(f"{{{DS}}}{name}")]


def verify_detached(
    octets: bytes, signature: bytes, algorithm: str, *, certificates: Sequence[x509.Certificate]
) -> None:
    """Verify a signature beside the message (SAML bindings §3.4.4.1). Raises SignatureRefused."""
    if algorithm not in HASHES:
        raise SignatureRefused("the signature must be RSA with SHA-256 or longer")
    for certificate in certificates:
        key = certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            try:
                return key.verify(signature, octets, padding.PKCS1v15(), HASHES[algorithm])
            except InvalidSignature:
                continue
    raise SignatureRefused("the signature does not fit the registered certificate")
