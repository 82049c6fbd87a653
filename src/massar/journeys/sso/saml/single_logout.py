"""The account tells a SAML site that sessions are over (SAML core §3.7.1, profiles §4.4.3.2).

The sessions have ended here before; nothing of this can bring them back or hold their end up. Either the worker asks
by SOAP, with the leases and retries of the outbox, or the person follows a link: one site, one step, and back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from lxml import etree

from massar.core import encryption, ids, xml
from massar.domain.delivery import api as delivery
from massar.domain.sites import api as sites
from massar.journeys.sso import log_out_of_sites
from massar.journeys.sso.log_out_of_sites import RecentLogout
from massar.journeys.sso.saml import response
from massar.journeys.sso.saml.message import Message, Refused, read
from massar.journeys.sso.saml.names import NAME_IDS, SAMLP, SOAP, SUCCESS, Ours, names_of, ours_for

LIFE = timedelta(minutes=3)
STATUS = f"{{{SAMLP}}}Status"


@dataclass(frozen=True)
class Left:
    """A believed answer. asked: the ID of the request that it answers; success: the site says that it is done."""

    site: sites.Site
    asked: str
    success: bool
    status: str


# -- by SOAP


def envelope(letter: delivery.Letter, *, now: datetime) -> str:
    """The LogoutRequest of one message, signed anew for each attempt."""
    values = letter.values
    site = settings.MASSAR.sites.by_slug[values["site"]]
    kind = values["kind"] or site.name_id
    name = names_of(values["sid"], values["subject"], values["login"])[kind]
    return _enveloped(_request(site, letter.to, _asked(letter), kind, name, [values["sid"]], now), now)


def about_nobody(site: sites.Site, id: str, *, now: datetime) -> str:
    """A LogoutRequest that ends nothing, to try the site with."""
    nobody = ids.short_token()
    return _enveloped(_request(site, site.slo_soap, id, site.name_id, nobody, [nobody], now), now)


def _enveloped(request: etree._Element, now: datetime) -> str:
    response.sign(request, sites.keys.active(sites.keys.SAML, now=now))
    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"S": SOAP})
    etree.SubElement(root, f"{{{SOAP}}}Body").append(request)
    return etree.tostring(root).decode()


def _asked(letter: delivery.Letter) -> str:
    """The ID of the request of this attempt."""
    return f"_{letter.uid}.{letter.attempt}"


def heard(letter: delivery.Letter, result, *, now: datetime):
    """What the site's answer is worth. Only a believed Success is Accepted; what can't be believed is tried again."""
    if not isinstance(result, delivery.Accepted):
        return result
    try:
        left = answered(result.answer, by=settings.MASSAR.sites.by_slug[letter.values["site"]], now=now)
    except Refused as refused:
        return _unbelieved(refused.why)
    if left.site.slug != letter.values["site"] or left.asked != _asked(letter):
        return _unbelieved("the answer is another's")
    return result if left.success else delivery.Rejected(left.status, permanent=True, about=delivery.RECIPIENT)


def _unbelieved(why: str) -> delivery.Rejected:
    """An operator must look; the others' sign-outs go on."""
    return delivery.Rejected(why, permanent=False, configuration_error=True, about=delivery.RECIPIENT)


def answered(document: bytes, *, by: sites.Site, now: datetime) -> Left:
    """What stands in the envelope that a site sent back, believed. Raises Refused.

    The connection says whose it is; a signature is demanded of sites that sign everything, and judged where it stands.
    """
    return _answered(_body(document), ours=ours_for(by), destination=None, signed=False, now=now)


def _body(document: bytes) -> Message:
    """What stands in the envelope, as a message of its own."""
    try:
        found = xml.parse(document).findall(f"{{{SOAP}}}Body/*")
    except xml.XmlRefused as refused:
        raise Refused("request", f"The answer was not read: {refused}.") from refused
    if len(found) != 1:
        raise Refused("request", "The answer must be an envelope with one message.")
    return Message(etree.tostring(found[0], with_tail=False), "", redirect=False)


# -- through the browser


def take_along(site: sites.Site, leaving: RecentLogout, *, now: datetime) -> etree._Element | None:
    """The LogoutRequest, which its binding signs. None: the site was not visited.

    It calls the person as this browser's session did there, else as the newest did, and names every session that knew
    the person by that name.
    """
    ended = sites.grants.ended_since(leaving.person_id, since=int(leaving.since.timestamp()))
    visits = [g for g in ended if g.site == site.slug]
    if not visits or not log_out_of_sites.supports_browser_logout(site):
        return None
    own = next((g for g in visits if g.session_id == leaving.session_id), visits[0])
    kind, name = _called(site, own)
    indexes = list(dict.fromkeys(g.sid for g in visits if _called(site, g) == (kind, name)))
    return _request(site, site.slo, _mark(site, leaving, ids.short_token()), kind, name, indexes, now)


def _called(site: sites.Site, grant: sites.GrantFacts) -> tuple[str, str]:
    kind = log_out_of_sites.name_kind(grant) or site.name_id
    return kind, names_of(grant.sid, grant.subject, grant.login)[kind]


def _mark(site: sites.Site, leaving: RecentLogout, nonce: str) -> str:
    """An ID that says by itself for whom and for which site it was made: nothing has to be kept."""
    tag = encryption.browser_keys().sign(
        "saml-leaving", site.slug, leaving.person_id, int(leaving.since.timestamp()), nonce
    )
    return f"_{nonce}.{tag[:32]}"


def brought_back(message: Message, *, ours: Ours, now: datetime) -> Left:
    """The site's answer, believed. Whose it is is for `is_of` to say. Raises Refused."""
    return _answered(message, ours=ours, destination=ours.slo, signed=True, now=now)


def is_of(leaving: RecentLogout, site: sites.Site, asked: str) -> bool:
    """Whether that request was made for this browser and that site."""
    nonce = asked[1:].partition(".")[0]
    return asked == _mark(site, leaving, nonce)


# -- both


def _request(site, to: str, id: str, kind: str, name: str, indexes: list[str], now: datetime) -> etree._Element:
    root = response.message("LogoutRequest", ours=ours_for(site), to=to, id=id, now=now)
    root.set("NotOnOrAfter", response.written(now + LIFE))
    response.name_id(root, name, NAME_IDS[kind], ours_for(site), site.entity_id)
    for index in indexes:
        response.add(root, SAMLP, "SessionIndex", index)
    return root


def _answered(message: Message, *, ours: Ours, destination: str | None, signed: bool, now: datetime) -> Left:
    found = read(
        message, ours=ours, kind="LogoutResponse", children=(STATUS,), destination=destination, signed=signed, now=now
    )
    code = found.root.find(f"{STATUS}/{{{SAMLP}}}StatusCode")
    status = code.get("Value", "") if code is not None else ""
    return Left(found.site, found.root.get("InResponseTo", ""), status == SUCCESS, status.rpartition(":")[2])
