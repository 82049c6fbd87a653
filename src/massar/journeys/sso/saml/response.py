"""The answer to a site: a Response and in it an Assertion, both signed, made as a tree and never as text (ATK-118).

SAML core §2 and §3.3.3, profiles §4.1.4.2. Everything that a site must check is always set: Destination, Recipient,
Audience, InResponseTo (unless nobody asked) and NotOnOrAfter.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lxml import etree

from massar.core import ids, xml, xml_signature
from massar.domain.sites import api as sites
from massar.journeys.sso.saml.names import BASIC, BEARER, SAML, SAMLP, SUCCESS, URI, Ours

LIFE = timedelta(minutes=3)
SKEW = timedelta(seconds=60)
_MAPS = {"saml": SAML, "samlp": SAMLP}


@dataclass(frozen=True)
class Statement:
    """What is said about a person. Moments are aware; `attributes` by the site's own names."""

    name_id: str
    name_format: str
    signed_in_at: datetime
    ends_at: datetime
    session_name: str
    context: str
    attributes: dict[str, str]


def response(
    *,
    ours: Ours,
    acs: str,
    audience: str,
    in_response_to: str,
    statement: Statement | None,
    signer: sites.Signer,
    now: datetime,
    status: tuple[str, ...] = (SUCCESS,),
) -> str:
    """The Response in base64, as the POST binding wants it. Without a statement it tells the status alone."""
    root = message("Response", ours=ours, to=acs, in_response_to=in_response_to, status=status, now=now)
    if statement:
        root.append(_assertion(ours, acs, audience, in_response_to, statement, signer, now))
    return posted(root, signer)


def posted(message: etree._Element, signer: sites.Signer) -> str:
    """A message of ours, signed inside, as the POST binding wants it: in base64 (SAML bindings §3.5.4)."""
    sign(message, signer)
    return base64.b64encode(etree.tostring(message)).decode()


def message(
    kind: str,
    *,
    ours: Ours,
    to: str,
    now: datetime,
    id: str = "",
    in_response_to: str = "",
    status: tuple[str, ...] = (),
):
    """A message of ours (an lxml element) with its Issuer; status: the codes from the outermost inwards."""
    root = etree.Element(f"{{{SAMLP}}}{kind}", nsmap=_MAPS)
    _begin(root, now, id)
    root.set("Destination", to)
    if in_response_to:
        root.set("InResponseTo", in_response_to)
    add(root, SAML, "Issuer", ours.entity_id)
    parent = add(root, SAMLP, "Status") if status else root
    for code in status:
        parent = add(parent, SAMLP, "StatusCode", Value=code)
    return root


def _assertion(ours: Ours, acs, audience, in_response_to, said: Statement, signer, now) -> etree._Element:
    root = etree.Element(f"{{{SAML}}}Assertion", nsmap=_MAPS)
    _begin(root, now)
    add(root, SAML, "Issuer", ours.entity_id)
    _subject(root, ours, acs, audience, in_response_to, said, now)
    conditions = add(root, SAML, "Conditions", NotBefore=written(now - SKEW), NotOnOrAfter=written(now + LIFE))
    add(add(conditions, SAML, "AudienceRestriction"), SAML, "Audience", audience)
    signed_in = add(
        root,
        SAML,
        "AuthnStatement",
        AuthnInstant=written(said.signed_in_at),
        SessionIndex=said.session_name,
        SessionNotOnOrAfter=written(said.ends_at),
    )
    add(add(signed_in, SAML, "AuthnContext"), SAML, "AuthnContextClassRef", said.context)
    if said.attributes:
        held = add(root, SAML, "AttributeStatement")
        for name, value in said.attributes.items():
            attribute = add(held, SAML, "Attribute", Name=name, NameFormat=URI if ":" in name else BASIC)
            add(attribute, SAML, "AttributeValue", value)
    sign(root, signer)
    return root


def _subject(root, ours: Ours, acs, audience, in_response_to, said: Statement, now) -> None:
    subject = add(root, SAML, "Subject")
    name_id(subject, said.name_id, said.name_format, ours, audience)
    confirmation = add(subject, SAML, "SubjectConfirmation", Method=BEARER)
    data = add(confirmation, SAML, "SubjectConfirmationData", NotOnOrAfter=written(now + LIFE), Recipient=acs)
    if in_response_to:
        data.set("InResponseTo", in_response_to)


def name_id(parent: etree._Element, value: str, name_format: str, ours: Ours, audience: str) -> None:
    """A name is the site's own (SPNameQualifier), unless it is an address, which is the same everywhere."""
    found = add(parent, SAML, "NameID", value, Format=name_format)
    if not name_format.endswith("emailAddress"):
        found.set("NameQualifier", ours.entity_id)
        found.set("SPNameQualifier", audience)


def _begin(root: etree._Element, now: datetime, id: str = "") -> None:
    root.set("ID", id or f"_{ids.short_token()}")
    root.set("Version", "2.0")
    root.set("IssueInstant", written(now))


def add(parent: etree._Element, space: str, name: str, text: str = "", **attributes: str) -> etree._Element:
    clean = {key: xml.clean(value) for key, value in attributes.items()}
    element = etree.SubElement(parent, f"{{{space}}}{name}", clean)
    if text:
        element.text = xml.clean(text)
    return element


def sign(root: etree._Element, signer: sites.Signer) -> None:
    xml_signature.sign(root, key=signer.key, certificate=signer.public)


def written(moment: datetime) -> str:
    """xs:dateTime in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
