"""Through the gate into a site that speaks no protocol: a ticket by the browser, then a cookie of the site's host.

    the site's proxy: 401 --begin--> account: start --ticket, 60 s, once--> the site's host: enter --cookie--> the page

The proxy leaves a mark in the browser under the site's host, and only the browser with that mark can use the ticket: a
ticket sent to somebody else signs nobody in as the sender.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from massar.core.browser import Browser
from massar.domain.sites import api as sites
from massar.domain.sites.api import GatedPage
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.sso import access, token_status
from massar.journeys.sso.access import AccessDenied, AccessGranted, SignInRequired

TICKET, COOKIE = "ticket", "gate"  # kinds of tokens
TICKET_LIFE = 60  # seconds


@dataclass(frozen=True)
class Admitted:
    """The gate cookie's value and the page that was wanted."""

    token: str
    address: str


def state_of(mark: str) -> str:
    """What of the mark may travel in addresses: its SHA-256."""
    return hashlib.sha256(mark.encode("utf-8", "surrogatepass")).hexdigest()


def start(
    *,
    page: GatedPage,
    state: str,
    signed_in: SignedIn | None,
    browser: Browser,
    now: datetime,
    fresh_since: datetime | None = None,
) -> str | SignInRequired | AccessDenied:
    """At the account: a ticket for whoever is signed in and may enter.

    Args:
        fresh_since: the password must have been typed since then, when the site asked for a fresh proof.
    """
    decision = access.decide(site=page.site, signed_in=signed_in, now=now, fresh_since=fresh_since)
    if isinstance(decision, AccessGranted):
        return _issue_ticket(page, state, decision, browser, now)
    if isinstance(decision, AccessDenied) and signed_in:
        access.record_denial(site=page.site, signed_in=signed_in, why=decision, browser=browser, now=now)
    return decision


@transaction.atomic
def _issue_ticket(page: GatedPage, state: str, granted: AccessGranted, browser: Browser, now: datetime) -> str:
    # A session never lives longer, and the gate asks for the session each time.
    life = int(settings.MASSAR.session_longest / timedelta(seconds=1))
    visit = access.open_visit(site=page.site, granted=granted, scope="gate", life=life, browser=browser, now=now)
    ticket = sites.grants.NewToken(TICKET, TICKET_LIFE, {"uri": page.uri, "state": state})
    return sites.grants.issue(visit.grant_id, ticket, now=int(now.timestamp()))


def enter(*, site: sites.Site, ticket: str, mark: str, now: datetime) -> Admitted | None:
    """Back at the site's host: the ticket becomes the gate cookie, once, in the browser that began, at that site.

    Args:
        mark: what the browser carries; '' for none.
    """
    held = token_status.read(ticket)
    if held is None:
        return None
    moment, is_ticket = int(now.timestamp()), held.kind == TICKET and held.grant.site == site.slug
    same_browser = is_ticket and mark != "" and state_of(mark) == held.binding["state"]
    cookie = [sites.grants.NewToken(COOKIE, max(1, held.grant.expires_at - moment))] if same_browser else []
    issued = sites.grants.redeem(TICKET, ticket, cookie, site=site.slug, now=moment)
    return Admitted(issued[0], site.gate_origin + held.binding["uri"]) if issued else None
