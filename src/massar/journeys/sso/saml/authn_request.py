"""What a site asks of the account in an AuthnRequest, once it is believed (SAML core §3.4.1, profiles §4.1)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from lxml import etree

from massar.core.browser import Browser
from massar.domain.sites import api as sites
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.sso import save_request
from massar.journeys.sso.access import ACR_NO_RECENT_RECOVERY, ACR_PASSWORD
from massar.journeys.sso.saml.message import Message, Refused, read
from massar.journeys.sso.saml.names import (
    CLASS_PASSWORD,
    CLASS_PROTECTED,
    CLASS_UNSPECIFIED,
    NAME_IDS,
    POST,
    SAML,
    SAMLP,
    UNSPECIFIED,
    Ours,
    kinds_for,
)

CHILDREN = tuple(
    f"{{{space}}}{name}"
    for space, name in (
        (SAML, "Subject"),
        (SAMLP, "NameIDPolicy"),
        (SAML, "Conditions"),
        (SAMLP, "RequestedAuthnContext"),
        (SAMLP, "Scoping"),
    )
)
CLASSES = (CLASS_PROTECTED, CLASS_PASSWORD, CLASS_UNSPECIFIED, ACR_PASSWORD, ACR_NO_RECENT_RECOVERY)


@dataclass(frozen=True)
class Asked:
    """A request of a site, ours to answer. Texts and flags only, so that it can wait.

    id '': nobody asked, the card on the home page was pressed. contexts: classes that will do, (): any. name_id and
    contexts are None where the site asked for one that it can't have.
    """

    site: str
    id: str
    acs: str
    relay_state: str
    received: str
    force: bool = False
    passive: bool = False
    name_id: str | None = ""
    contexts: tuple[str, ...] | list[str] | None = ()

    def kept(self) -> dict:
        return asdict(self)


def asked(message: Message, *, ours: Ours, signed_in: SignedIn | None, browser: Browser, now: datetime) -> Asked:
    """Raises Refused, after which nothing is sent anywhere."""
    found = read(
        message,
        ours=ours,
        kind="AuthnRequest",
        children=CHILDREN,
        destination=ours.sso,
        signed=False,
        now=now,
        remembers=lambda: save_request.may_add_to_replay_cache(signed_in=signed_in, browser=browser, now=now),
    )
    root, site = found.root, found.site
    if root.find(f"{{{SAML}}}Subject") is not None:
        raise Refused("request", "Subject is not supported: a site can't choose who signs in.")
    return Asked(
        site=site.slug,
        id=found.id,
        acs=_acs(root, site),
        relay_state=found.relay_state,
        received=now.isoformat(),
        force=_flag(root, "ForceAuthn"),
        passive=_flag(root, "IsPassive"),
        name_id=_name_id(root, site),
        contexts=_contexts(root),
    )


def unasked(site: sites.Site, *, now: datetime) -> Asked:
    """The card of a site on the home page: an answer that nobody asked for (profiles §4.1.5)."""
    return Asked(site=site.slug, id="", acs=site.acs[0], relay_state="", received=now.isoformat())


def _acs(root: etree._Element, site: sites.Site) -> str:
    """Only an address of the registry, byte for byte (ATK-117)."""
    url, index = root.get("AssertionConsumerServiceURL"), root.get("AssertionConsumerServiceIndex")
    if root.get("ProtocolBinding", POST) != POST:
        raise Refused("address", "Answers go by HTTP-POST only.")
    if url is not None and index is not None:
        raise Refused("address", "AssertionConsumerServiceURL and -Index exclude each other.")
    if url is not None and url not in site.acs:
        raise Refused("address", "AssertionConsumerServiceURL is not registered.")
    if index is not None and index not in site.acs_by_index:
        raise Refused("address", "AssertionConsumerServiceIndex is not registered.")
    if url is None:
        url = site.acs[0] if index is None else site.acs_by_index[index]
    return url


def _flag(root: etree._Element, name: str) -> bool:
    said = root.get(name, "false")
    if said not in ("true", "1", "false", "0"):
        raise Refused("request", f"{name} must be true or false.")
    return said in ("true", "1")


def _name_id(root: etree._Element, site: sites.Site) -> str | None:
    """What the registry says; if the site asks for one that tells less, then that. More it can't have: None."""
    policy = root.find(f"{{{SAMLP}}}NameIDPolicy")
    wanted = policy.get("Format", UNSPECIFIED) if policy is not None else UNSPECIFIED
    if policy is not None and policy.get("SPNameQualifier", site.entity_id) != site.entity_id:
        return None  # a name for a group of sites: there are none (SAML core §3.4.1.1)
    if wanted == UNSPECIFIED:
        return site.name_id
    return next((kind for kind in kinds_for(site.name_id) if NAME_IDS[kind] == wanted), None)


def _contexts(root: etree._Element) -> tuple[str, ...] | None:
    """The classes that will do, best first; None: none of them is ours. 'better' than a password is one alone."""
    wanted = root.find(f"{{{SAMLP}}}RequestedAuthnContext")
    if wanted is None:
        return ()
    comparison = wanted.get("Comparison", "exact")
    named = [(e.text or "").strip() for e in wanted.iter(f"{{{SAML}}}AuthnContextClassRef")]
    ours = tuple(name for name in named if name in CLASSES)
    if comparison == "better":
        return (ACR_NO_RECENT_RECOVERY,) if ours and ACR_NO_RECENT_RECOVERY not in ours else None
    return ours or None
