"""Turn facts into SAML's XML, made as a tree and never as text (ATK-118).

Everything that a site must check is always set: Destination, Recipient, Audience, NotOnOrAfter, and InResponseTo unless
nobody asked (SAML core §2 and §3, profiles §4.1.4.2).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lxml import etree

from massar.core import ids, xml, xml_signature
from massar.core.saml.messages import Assertion, LogoutRequest, LogoutResponse, NameId, Response, SamlMessage
from massar.core.saml.names import BASIC, BEARER, SAML, SAMLP, SOAP_ENVELOPE, URI
from massar.core.xml_signature import XmlSigner

ASSERTION_LIFE = timedelta(minutes=3)
SKEW = timedelta(seconds=60)  # how far behind a site's clock may go
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


def _assertion(message: Response, said: Assertion) -> etree._Element:
    root = _begin(SAML, "Assertion", f"_{ids.short_token()}", message)
    ends = _written(message.issued_at + ASSERTION_LIFE)
    subject = _add(root, SAML, "Subject")
    _add_name_id(subject, said.name_id)
    confirmation = _add(subject, SAML, "SubjectConfirmation", Method=BEARER)
    data = _add(confirmation, SAML, "SubjectConfirmationData", NotOnOrAfter=ends, Recipient=message.destination)
    if message.in_response_to:
        data.set("InResponseTo", message.in_response_to)
    conditions = _add(root, SAML, "Conditions", NotBefore=_written(message.issued_at - SKEW), NotOnOrAfter=ends)
    _add(_add(conditions, SAML, "AudienceRestriction"), SAML, "Audience", said.audience)
    statement = _add(
        root,
        SAML,
        "AuthnStatement",
        AuthnInstant=_written(said.authenticated_at),
        SessionIndex=said.session_index,
        SessionNotOnOrAfter=_written(said.session_ends_at),
    )
    _add(_add(statement, SAML, "AuthnContext"), SAML, "AuthnContextClassRef", said.context_class)
    held = _add(root, SAML, "AttributeStatement") if said.attributes else root
    for name, value in said.attributes.items():
        attribute = _add(held, SAML, "Attribute", Name=name, NameFormat=URI if ":" in name else BASIC)
        _add(attribute, SAML, "AttributeValue", value)
    return root


def _begin(space: str, kind: str, id: str, message: SamlMessage) -> etree._Element:
    root = etree.Element(f"{{{space}}}{kind}", nsmap=_MAPS)
    root.set("ID", id)
    root.set("Version", "2.0")
    root.set("IssueInstant", _written(message.issued_at))
    _add(root, SAML, "Issuer", message.issuer)
    return root


def _add_name_id(parent: etree._Element, name: NameId) -> None:
    qualifiers = {"NameQualifier": name.name_qualifier, "SPNameQualifier": name.sp_name_qualifier}
    said = {key: value for key, value in qualifiers.items() if value}
    _add(parent, SAML, "NameID", name.value, Format=name.format, **said)


def _add(parent: etree._Element, space: str, name: str, text: str = "", **attributes: str) -> etree._Element:
    clean = {key: xml.clean(value) for key, value in attributes.items()}
    element = etree.SubElement(parent, f"{{{space}}}{name}", clean)
    if text:
        element.text = xml.clean(text)
    return element


def _written(moment: datetime) -> str:
    """xs:dateTime in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
