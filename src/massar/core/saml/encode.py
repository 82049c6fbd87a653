"""Turn facts into SAML's XML, made as a tree and never as text (ATK-118): messages, and the account's own metadata.

Everything that a site must check is always set: Destination, Recipient, Audience, NotOnOrAfter, and InResponseTo unless
nobody asked (SAML core §2 and §3, profiles §4.1.4.2).
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from lxml import etree

from massar.core import ids, xml, xml_signature
from massar.core.saml import messages
from massar.core.saml.messages import ALG, MD, SAML, SAMLP, SOAP_ENVELOPE, LogoutRequest, LogoutResponse, Response
from massar.core.xml_signature import DS, XmlSigner

ASSERTION_LIFE = timedelta(minutes=3)
SKEW = timedelta(seconds=60)  # how far behind a site's clock may go
CACHED = "PT6H"  # a new certificate is published at least a day before it signs
_MAPS = {"saml": SAML, "samlp": SAMLP}
Outgoing = LogoutRequest | LogoutResponse | Response


def encode(message: Outgoing) -> bytes:
    """The message without a signature inside, for the Redirect binding, which signs the address."""
    return etree.tostring(_element(message))


def encode_signed(message: Outgoing, signer: XmlSigner) -> bytes:
    """The message signed inside, for the POST binding (SAML bindings §3.5.4). An assertion is signed as well."""
    return etree.tostring(_signed(message, signer))


def encode_soap(message: Outgoing, signer: XmlSigner) -> str:
    """An envelope with the signed message (SAML bindings §3.2)."""
    root = etree.Element(f"{{{SOAP_ENVELOPE}}}Envelope", nsmap={"S": SOAP_ENVELOPE})
    etree.SubElement(root, f"{{{SOAP_ENVELOPE}}}Body").append(_signed(message, signer))
    return etree.tostring(root).decode()


def encode_metadata(entity_id: str, sso_url: str, slo_url: str, certificates: Iterable[str]) -> bytes:
    """The EntityDescriptor of an identity provider in UTF-8 (SAML metadata §2.4.3).

    It says which signatures are taken, the best liked first (SAML V2.0 Metadata Profile for Algorithm Support 1.0, §2):
    a site that reads nothing of it may sign with SHA-1, as Shibboleth's SP 3 does by SOAP, and is not believed.
    certificates: in PEM, the one that signs first. While a certificate is being rolled there are two.
    """
    about = {"entityID": entity_id, "cacheDuration": CACHED}
    root = etree.Element(f"{{{MD}}}EntityDescriptor", about, nsmap={"md": MD, "ds": DS, "alg": ALG})
    role = _add(root, MD, "IDPSSODescriptor", protocolSupportEnumeration=SAMLP, WantAuthnRequestsSigned="false")
    extensions = _add(role, MD, "Extensions")
    for kind, algorithms in (("DigestMethod", xml_signature.DIGESTS), ("SigningMethod", xml_signature.HASHES)):
        for algorithm in algorithms:
            _add(extensions, ALG, kind, Algorithm=algorithm)
    for certificate in certificates:
        data = _add(_add(_add(role, MD, "KeyDescriptor", use="signing"), DS, "KeyInfo"), DS, "X509Data")
        _add(data, DS, "X509Certificate", xml_signature.certificate_base64(certificate))
    for binding in (messages.REDIRECT, messages.POST):
        _add(role, MD, "SingleLogoutService", Binding=binding, Location=slo_url)
    # The first is what some libraries want.
    for name in (messages.UNSPECIFIED, *reversed(messages.NAME_ID_FORMATS.values())):
        _add(role, MD, "NameIDFormat", name)
    for binding in (messages.REDIRECT, messages.POST):
        _add(role, MD, "SingleSignOnService", Binding=binding, Location=sso_url)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _signed(message: Outgoing, signer: XmlSigner) -> etree._Element:
    root = _element(message)
    if isinstance(message, Response) and message.assertion:
        xml_signature.sign(root[-1], signer)
    xml_signature.sign(root, signer)
    return root


def _element(message: Outgoing) -> etree._Element:
    root = _begin(SAMLP, type(message).__name__, message.id, message)
    root.set("Destination", message.destination)
    if isinstance(message, LogoutRequest):
        if message.not_on_or_after:
            root.set("NotOnOrAfter", _written(message.not_on_or_after))
        _add_name_id(root, message.name_id)
        for index in message.session_indexes:
            _add(root, SAMLP, "SessionIndex", index)
        return root
    if message.in_response_to:
        root.set("InResponseTo", message.in_response_to)
    parent = _add(root, SAMLP, "Status")
    for code in message.status:
        parent = _add(parent, SAMLP, "StatusCode", Value=code)
    if isinstance(message, Response) and message.assertion:
        root.append(_assertion(message, message.assertion))
    return root


def _assertion(message: Response, said: messages.Assertion) -> etree._Element:
    root = _begin(SAML, "Assertion", f"_{ids.short_token()}", message)
    ends = _written(message.issued_at + ASSERTION_LIFE)
    subject = _add(root, SAML, "Subject")
    _add_name_id(subject, said.name_id)
    confirmation = _add(subject, SAML, "SubjectConfirmation", Method=messages.BEARER)
    data = _add(confirmation, SAML, "SubjectConfirmationData", NotOnOrAfter=ends, Recipient=message.destination)
    if message.in_response_to:
        data.set("InResponseTo", message.in_response_to)
    conditions = _add(root, SAML, "Conditions", NotBefore=_written(message.issued_at - SKEW), NotOnOrAfter=ends)
    _add(_add(conditions, SAML, "AudienceRestriction"), SAML, "Audience", said.audience)
    begun, over = _written(said.authenticated_at), _written(said.session_ends_at)
    about = {"AuthnInstant": begun, "SessionIndex": said.session_index, "SessionNotOnOrAfter": over}
    statement = _add(root, SAML, "AuthnStatement", **about)
    _add(_add(statement, SAML, "AuthnContext"), SAML, "AuthnContextClassRef", said.context_class)
    held = _add(root, SAML, "AttributeStatement") if said.attributes else root
    for name, value in said.attributes.items():
        attribute = _add(held, SAML, "Attribute", Name=name, NameFormat=messages.URI if ":" in name else messages.BASIC)
        _add(attribute, SAML, "AttributeValue", value)
    return root


def _begin(space: str, kind: str, id: str, message: messages.SamlMessage) -> etree._Element:
    about = {"ID": id, "Version": "2.0", "IssueInstant": _written(message.issued_at)}
    root = etree.Element(f"{{{space}}}{kind}", about, nsmap=_MAPS)
    _add(root, SAML, "Issuer", message.issuer)
    return root


def _add_name_id(parent: etree._Element, name: messages.NameId) -> None:
    qualifiers = {"NameQualifier": name.name_qualifier, "SPNameQualifier": name.sp_name_qualifier}
    said = {key: value for key, value in qualifiers.items() if value}
    _add(parent, SAML, "NameID", name.value, Format=name.format, **said)


def _add(parent: etree._Element, space: str, name: str, text: str = "", **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, f"{{{space}}}{name}", {key: xml.clean(v) for key, v in attributes.items()})
    element.text = xml.clean(text) or None
    return element


def _written(moment: datetime) -> str:
    """xs:dateTime in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
