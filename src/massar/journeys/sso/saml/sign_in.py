"""Letting a person into a SAML site: the judge of all protocols, then a signed answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from massar.core.browser import Browser
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.sso import access
from massar.journeys.sso.access import ACR_NO_RECENT_RECOVERY, AccessDenied, AccessGranted, SignInRequired, Visit
from massar.journeys.sso.saml.authn_request import Asked
from massar.journeys.sso.saml.names import (
    BAD_NAME_ID,
    CLASS_PROTECTED,
    NAME_IDS,
    NO_CONTEXT,
    NO_PASSIVE,
    REQUESTER,
    RESPONDER,
    names_of,
    ours_for,
)
from massar.journeys.sso.saml.response import Statement, response

SCOPE = "saml"


@dataclass(frozen=True)
class Answer:
    """What the browser carries to the site: `saml_response` (base64) by POST to `acs`."""

    site: sites.Site
    acs: str
    saml_response: str
    relay_state: str


def site_of(asked: Asked) -> sites.Site | None:
    """The registered site of a request, if it still is one and the address still its own."""
    site = settings.MASSAR.sites.by_slug.get(asked.site)
    return site if site and site.protocol == "saml" and asked.acs in site.acs else None


def answer(
    *, site: sites.Site, asked: Asked, signed_in: SignedIn | None, browser: Browser, now: datetime
) -> Answer | SignInRequired | AccessDenied:
    """The answer for whoever is signed in, or an error that the site asked for, or what stands in between."""
    if asked.name_id is None:
        return _refusal(site, asked, (REQUESTER, BAD_NAME_ID), now)
    if asked.contexts is None:
        return _refusal(site, asked, (RESPONDER, NO_CONTEXT), now)
    judged = access.decide(
        site=site,
        signed_in=signed_in,
        now=now,
        fresh_since=datetime.fromisoformat(asked.received) if asked.force else None,
        no_recent_recovery=set(asked.contexts) == {ACR_NO_RECENT_RECOVERY},
    )
    match judged:
        case SignInRequired() if asked.passive:
            return _refusal(site, asked, (RESPONDER, NO_PASSIVE), now)
        case AccessDenied():
            access.record_denial(site=site, signed_in=signed_in, why=judged, browser=browser, now=now)
            return _refusal(site, asked, (RESPONDER, NO_PASSIVE), now) if asked.passive else judged
        case AccessGranted():
            return _entered(site, asked, judged, browser, now)
    return judged


def _refusal(site: sites.Site, asked: Asked, status: tuple[str, ...], now: datetime) -> Answer:
    signer = sites.keys.active(sites.keys.SAML, now=now)
    said = response(
        ours=ours_for(site),
        acs=asked.acs,
        audience=site.entity_id,
        in_response_to=asked.id,
        statement=None,
        signer=signer,
        now=now,
        status=status,
    )
    return Answer(site, asked.acs, said, asked.relay_state)


def _entered(
    site: sites.Site, asked: Asked, enter: AccessGranted, browser: Browser, now: datetime
) -> Answer | SignInRequired:
    with transaction.atomic():
        # Held: what ends the session at this moment finds this visit and tells the site, or the site is not entered.
        if not sessions.signed_in.hold(enter.session_id):
            return SignInRequired(again=False)
        # The kind of name is kept: a LogoutRequest must call the person as the site was told.
        scope = f"{SCOPE} {asked.name_id or site.name_id}"
        visit = access.open_visit(site=site, enter=enter, scope=scope, nonce="", life=_longest(), now=now)
        access.record_entry(site=site, enter=enter, browser=browser, now=now)
    signer = sites.keys.active(sites.keys.SAML, now=now)
    said = response(
        ours=ours_for(site),
        acs=asked.acs,
        audience=site.entity_id,
        in_response_to=asked.id,
        statement=_statement(site, asked, enter, visit),
        signer=signer,
        now=now,
    )
    return Answer(site, asked.acs, said, asked.relay_state)


def _statement(site: sites.Site, asked: Asked, enter: AccessGranted, visit: Visit) -> Statement:
    kind = asked.name_id or site.name_id
    said = access.claims_of(enter.person, names=set(site.released.values()))
    return Statement(
        name_id=names_of(visit.sid, visit.subject, enter.person.login)[kind],
        name_format=NAME_IDS[kind],
        signed_in_at=enter.auth_time,
        ends_at=enter.auth_time + settings.MASSAR.session_longest,
        session_name=visit.sid,
        context=_context(asked, enter),
        attributes={name: said[claim] for name, claim in site.released.items() if claim in said},
    )


def _context(asked: Asked, enter: AccessGranted) -> str:
    """The first of the classes that were asked for that is true."""
    true = (name for name in asked.contexts if name != ACR_NO_RECENT_RECOVERY or enter.acr == ACR_NO_RECENT_RECOVERY)
    return next(true, CLASS_PROTECTED)


def _longest() -> int:
    """Seconds. The grant ends with its session in any case."""
    return int(settings.MASSAR.session_longest / timedelta(seconds=1))
