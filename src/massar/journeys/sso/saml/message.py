"""Messages of sites, whichever way they came: read safely, from a registered site, signed where it must be, in time, once.

Nothing of a message is believed before this module has returned it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from lxml import etree

from massar.core import xml, xml_signature
from massar.domain.sites import api as sites
from massar.journeys.sso.saml.names import SAML, SAMLP, Ours

WINDOW = timedelta(minutes=5)  # how old a message may be
SKEW = timedelta(seconds=60)  # how far ahead a site's clock may go
# Bytes. Senders owe 80 (SAML bindings §3.4.3) and do not keep to it: mod_auth_mellon, Google and Microsoft put the wanted
# page there. It is carried back as it came and read by nobody here.
LONGEST_RELAY_STATE = 4096
log = logging.getLogger("massar.saml")
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Beside:
    """A signature in the address (Redirect binding): over these octets, by that algorithm."""

    octets: bytes
    signature: bytes
    algorithm: str


@dataclass(frozen=True)
class Message:
    """What came in, unjudged. `beside` is None for the POST binding and for what is not signed."""

    document: bytes
    relay_state: str
    redirect: bool
    beside: Beside | None = None


class Refused(Exception):
    """The message is not answered. problem: 'site', 'address', 'request' or 'expired'; why: for who runs the site."""

    def __init__(self, problem: str, why: str):
        super().__init__(why)
        self.problem, self.why = problem, why


@dataclass(frozen=True)
class Read:
    """A message that may be acted on. `root` is the element that was signed, if it was. proved: it was, by the site.

    untrusted: it carries a signature by algorithms that nobody should trust, which was not looked at.
    """

    site: sites.Site
    root: etree._Element
    id: str
    relay_state: str
    proved: bool = False
    untrusted: bool = False


def read(
    message: Message,
    *,
    ours: Ours,
    kind: str,
    children: tuple[str, ...],
    destination: str | None,
    signed: bool,
    now: datetime,
    remembers: Callable[[], bool] = lambda: True,
) -> Read:
    """A message of that kind ('AuthnRequest', 'LogoutRequest'). Raises Refused. Writes down that its ID was seen.

    A site that need not sign may sign by what we do not take (SHA-1, as Microsoft 365 does): its message counts as unsigned.

    ours: to which of our entities it came. children: the elements that the schema allows, each at most once. signed: it must
    be, whatever the registry says.
    destination: None where the connection itself says where it goes (SOAP). remembers: whether there is room for one more
    ID that nobody has signed; such a message could as well come with another ID, so it is read all the same.
    """
    if len(message.relay_state.encode("utf-8", "surrogatepass")) > LONGEST_RELAY_STATE:
        raise Refused("request", f"RelayState is longer than {LONGEST_RELAY_STATE} bytes.")
    root = _parsed(message.document)
    _judge_schema(root, kind, children)
    site = _site_of(root, ours)
    is_signed = _has_signature(message, root)
    untrusted = is_signed and not (signed or site.signed_requests) and not _is_trusted(message, root)
    if untrusted:
        log.info("the %s of %s is signed by an algorithm that is not taken, and counts as unsigned", kind, site.slug)
        is_signed = False
    if not is_signed and (signed or site.signed_requests):
        raise Refused("request", f"The {kind} must be signed.")
    if is_signed and site.certificate:
        root = _verified(message, root, site, now)
    elif is_signed and signed:
        raise Refused("request", "No certificate is registered for the site.")
    if destination is not None:
        _judge_destination(root, destination, is_signed)
    _judge_fresh(root, now)
    proved = is_signed and bool(site.certificate)
    with transaction.atomic():  # what the ID's row costs its network is paid with the row, or not at all
        if proved or remembers():
            _judge_new(root, site)
    return Read(site, root, root.get("ID"), message.relay_state, proved, untrusted)


def _parsed(document: bytes) -> etree._Element:
    try:
        return xml.parse(document)
    except xml.XmlRefused as refused:
        raise Refused("request", f"The message was not read: {refused}.") from refused


def _judge_schema(root: etree._Element, kind: str, children: tuple[str, ...]) -> None:
    if root.tag != f"{{{SAMLP}}}{kind}":
        raise Refused("request", f"{kind} was expected.")
    if root.get("Version") != "2.0" or not _ID.fullmatch(root.get("ID", "")):
        raise Refused("request", "Version must be 2.0 and ID a name.")
    allowed = {f"{{{SAML}}}Issuer", f"{{{xml_signature.DS}}}Signature", f"{{{SAMLP}}}Extensions", *children}
    found = [child.tag for child in root]
    repeated = {tag for tag in found if found.count(tag) > 1} - {f"{{{SAMLP}}}SessionIndex"}
    if not set(found) <= allowed or repeated or found[:1] != [f"{{{SAML}}}Issuer"]:
        raise Refused("request", f"The elements of the {kind} are not those of the schema.")


def _site_of(root: etree._Element, ours: Ours) -> sites.Site:
    issuer = root[0]
    name = issuer.text or ""
    site = settings.MASSAR.sites.by_entity.get((ours.name, name.strip())) if not len(issuer) else None
    if site is None or site.protocol != "saml" or not site.connected:
        raise Refused("site", f"No site is registered under this Issuer for {ours.entity_id}.")
    return site


def _has_signature(message: Message, root: etree._Element) -> bool:
    """A signature inside a message that came by Redirect is not one: that binding has its own (bindings §3.4.4.1)."""
    inside = next(root.iter(f"{{{xml_signature.DS}}}Signature"), None) is not None
    if message.redirect and inside:
        raise Refused("request", "By Redirect the signature belongs into the address.")
    return message.beside is not None if message.redirect else inside


def _is_trusted(message: Message, root: etree._Element) -> bool:
    return message.beside.algorithm in xml_signature.HASHES if message.redirect else xml_signature.is_trusted(root)


def _verified(message: Message, root: etree._Element, site: sites.Site, now: datetime) -> etree._Element:
    try:
        if not message.redirect:
            return xml_signature.verified(root, certificates=site.certificate, now=now)
        xml_signature.verify_octets(
            message.beside.octets,
            message.beside.signature,
            algorithm=message.beside.algorithm,
            certificates=site.certificate,
            now=now,
        )
    except xml_signature.SignatureRefused as refused:
        raise Refused("request", f"Not signed as it must be: {refused}.") from refused
    return root


def _judge_destination(root: etree._Element, destination: str, is_signed: bool) -> None:
    """A signed message must say where it goes (bindings §3.4.5.2)."""
    said = root.get("Destination")
    if said != destination and (said or is_signed):
        raise Refused("request", f"Destination must be {destination}.")


def _judge_fresh(root: etree._Element, now: datetime) -> None:
    said = xml.instant(root.get("IssueInstant", ""))
    if said is None or said > now + SKEW:
        raise Refused("request", "IssueInstant is not a moment, or lies ahead of us.")
    if said < now - WINDOW:
        raise Refused("expired", "IssueInstant is older than five minutes.")


def _judge_new(root: etree._Element, site: sites.Site) -> None:
    until = xml.instant(root.get("IssueInstant")) + WINDOW + SKEW
    if not sites.replay_cache.add("saml", site.slug, root.get("ID"), until=until):
        raise Refused("expired", "This ID has come before.")
