"""Turn SAML's XML into facts. What a message says comes out in two ways only: verified, or plainly unverified.

What is verified is read from the element that was signed, not from the one that was sent (signature wrapping, ATK-125).
What can't be read is refused: everything here raises MessageRefused.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from cryptography import x509
from lxml import etree

from massar.core import xml, xml_signature
from massar.core.saml import messages
from massar.core.saml.messages import SAML, SAMLP, AuthnRequest, LogoutRequest, LogoutResponse, MessageRefused, demand

# Bytes. Senders owe 80 (SAML bindings §3.4.3) and do not keep to it: mod_auth_mellon, Google and Microsoft put the
# wanted page there. It is carried back as it came and read by nobody here.
LONGEST_RELAY_STATE = 4096
MOST_SESSION_INDEXES = 20
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,127}")
_ISSUER, _SUBJECT, _NAME_ID, _CONDITIONS, _CLASS_REF = (
    f"{{{SAML}}}{name}" for name in ("Issuer", "Subject", "NameID", "Conditions", "AuthnContextClassRef")
)
_POLICY, _CONTEXT, _SCOPING = (f"{{{SAMLP}}}{name}" for name in ("NameIDPolicy", "RequestedAuthnContext", "Scoping"))
_INDEX, _STATUS, _CODE, _EXTENSIONS = (
    f"{{{SAMLP}}}{name}" for name in ("SessionIndex", "Status", "StatusCode", "Extensions")
)
_SIGNATURE = f"{{{xml_signature.DS}}}Signature"
M = TypeVar("M", bound=messages.SamlMessage)


@dataclass(frozen=True)
class EncodedMessage:
    """A message as it came. signature: in the address (Redirect binding): what it is over, itself, its algorithm."""

    document: bytes
    relay_state: str = ""
    by_redirect: bool = False
    signature: tuple[bytes, bytes, str] | None = None


@dataclass(frozen=True)
class UnverifiedMessage(Generic[M]):
    """A message of the right shape, in which nothing is believed yet. `issuer` is who it says that it comes from."""

    encoded: EncodedMessage
    root: etree._Element
    read: Callable[[etree._Element], M]

    @property
    def kind(self) -> str:
        """As `AuthnRequest`."""
        return etree.QName(self.root).localname

    @property
    def issuer(self) -> str:
        return (self.root[0].text or "").strip() if not len(self.root[0]) else ""

    @property
    def is_signed(self) -> bool:
        return self.encoded.signature is not None or self.root.find(f".//{_SIGNATURE}") is not None

    @property
    def has_accepted_algorithm(self) -> bool:
        """Whether its signatures are made by algorithms that are taken. None of them is verified for that."""
        if self.encoded.signature:
            return self.encoded.signature[2] in xml_signature.HASHES
        return xml_signature.has_accepted_algorithms(self.root)

    def unverified(self) -> M:
        """What it says, whoever wrote it."""
        return self.read(self.root)

    def verified(self, certificates: Sequence[x509.Certificate], *, now: datetime) -> M:
        """What was signed by the owner of one of the certificates."""
        try:
            if self.encoded.signature is None:
                return self.read(xml_signature.verify(self.root, certificates=certificates, now=now))
            xml_signature.verify_detached(*self.encoded.signature, certificates=certificates)
        except xml_signature.SignatureRefused as refused:
            raise MessageRefused("request", f"Not signed as it must be: {refused}.") from refused
        return self.read(self.root)


def decode_authn_request(encoded: EncodedMessage) -> UnverifiedMessage[AuthnRequest]:
    children = (_SUBJECT, _POLICY, _CONDITIONS, _CONTEXT, _SCOPING)
    return UnverifiedMessage(encoded, _opened(encoded, "AuthnRequest", children), _authn_request)


def decode_logout_request(encoded: EncodedMessage) -> UnverifiedMessage[LogoutRequest]:
    return UnverifiedMessage(encoded, _opened(encoded, "LogoutRequest", (_NAME_ID, _INDEX)), _logout_request)


def decode_logout_response(encoded: EncodedMessage) -> UnverifiedMessage[LogoutResponse]:
    return UnverifiedMessage(encoded, _opened(encoded, "LogoutResponse", (_STATUS,)), _logout_response)


def decode_soap(envelope: bytes) -> EncodedMessage:
    """The one message in a SOAP envelope, as a message of its own."""
    try:
        found = xml.parse(envelope).findall(f"{{{messages.SOAP_ENVELOPE}}}Body/*")
    except xml.XmlRefused as refused:
        raise MessageRefused("request", f"The answer was not read: {refused}.") from refused
    demand(len(found) == 1, "The answer must be an envelope with one message.")
    return EncodedMessage(etree.tostring(found[0], with_tail=False))


def _opened(encoded: EncodedMessage, kind: str, children: tuple[str, ...]) -> etree._Element:
    """The root, of that kind and with no children but those of the schema, each at most once."""
    length = len(encoded.relay_state.encode("utf-8", "surrogatepass"))
    demand(length <= LONGEST_RELAY_STATE, f"RelayState is longer than {LONGEST_RELAY_STATE} bytes.")
    try:
        root = xml.parse(encoded.document)
    except xml.XmlRefused as refused:
        raise MessageRefused("request", f"The message was not read: {refused}.") from refused
    demand(root.tag == f"{{{SAMLP}}}{kind}", f"{kind} was expected.")
    named = root.get("Version") == "2.0" and _ID.fullmatch(root.get("ID", ""))
    demand(named, "Version must be 2.0 and ID a name.")
    found = [child.tag for child in root]
    repeated = {tag for tag in found if found.count(tag) > 1} - {_INDEX}
    known = set(found) <= {_ISSUER, _SIGNATURE, _EXTENSIONS, *children} and not repeated and found[:1] == [_ISSUER]
    demand(known, f"The elements of the {kind} are not those of the schema.")
    inside = encoded.by_redirect and root.find(f".//{_SIGNATURE}") is not None  # it would not count (bindings §3.4.4.1)
    demand(not inside, "By Redirect the signature belongs into the address.")
    return root


def _head(root: etree._Element) -> tuple[str, str, datetime, str]:
    issued_at = xml.instant(root.get("IssueInstant", ""))
    if issued_at is None:
        raise MessageRefused("request", "IssueInstant is not a moment.")
    return root.get("ID", ""), (root[0].text or "").strip(), issued_at, root.get("Destination", "")


def _authn_request(root: etree._Element) -> AuthnRequest:
    demand(root.find(_SUBJECT) is None, "Subject is not supported: a site can't choose who signs in.")
    policy, context = root.find(_POLICY), root.find(_CONTEXT)
    return AuthnRequest(
        *_head(root),
        acs_url=root.get("AssertionConsumerServiceURL"),
        acs_index=root.get("AssertionConsumerServiceIndex"),
        protocol_binding=root.get("ProtocolBinding", messages.POST),
        force_authn=_flag(root, "ForceAuthn"),
        is_passive=_flag(root, "IsPassive"),
        name_id_format=messages.UNSPECIFIED if policy is None else policy.get("Format", messages.UNSPECIFIED),
        sp_name_qualifier=None if policy is None else policy.get("SPNameQualifier"),
        context_comparison="exact" if context is None else context.get("Comparison", "exact"),
        context_classes=None if context is None else _texts(context.iter(_CLASS_REF)),
    )


def _flag(root: etree._Element, name: str) -> bool:
    said = root.get(name, "false")
    demand(said in ("true", "1", "false", "0"), f"{name} must be true or false.")
    return said in ("true", "1")


def _texts(elements: Iterable[etree._Element]) -> tuple[str, ...]:
    return tuple((element.text or "").strip() for element in elements)


def _logout_request(root: etree._Element) -> LogoutRequest:
    name, indexes, until = root.find(_NAME_ID), root.findall(_INDEX), root.get("NotOnOrAfter")
    if name is None or len(name) or not name.text:
        raise MessageRefused("request", "The LogoutRequest must hold a NameID.")
    demand(len(indexes) <= MOST_SESSION_INDEXES, "There are too many SessionIndex elements.")
    ends = None if until is None else xml.instant(until)
    demand(until is None or ends, "NotOnOrAfter is over.", problem="expired")
    return LogoutRequest(*_head(root), messages.NameId(name.text.strip()), _texts(indexes), not_on_or_after=ends)


def _logout_response(root: etree._Element) -> LogoutResponse:
    codes = tuple(code.get("Value", "") for code in root.iterfind(f"{_STATUS}/{_CODE}"))
    return LogoutResponse(*_head(root), in_response_to=root.get("InResponseTo", ""), status=codes)
