"""Through the gate into a site that speaks no protocol: a ticket by way of the browser, then a cookie of the site's host.

    the site's proxy: 401 --begin--> account: start --ticket, 60 s, once--> the site's host: enter --cookie--> the page

`begin` leaves a mark in the browser under the site's host, and only the browser with that mark can use the ticket: a
ticket sent to somebody else signs nobody in as the sender.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction

from massar.core import ids
from massar.core.browser import Browser
from massar.domain.sites import api as sites
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.sso import access, token_status
from massar.journeys.sso.access import AccessDenied, SignInRequired
from massar.journeys.sso.gate.address import GatedPage

TICKET, GATE = "ticket", "gate"  # kinds of tokens
TICKET_LIFE = 60  # seconds
SCOPE = "gate"
READS = ("GET", "HEAD")
_MARK = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class GateRedirect:
    """The mark to leave in the browser, and where to send it."""

    mark: str
    address: str


@dataclass(frozen=True)
class Admitted:
    """The gate cookie's value and the page that was wanted."""

    token: str
    address: str


def begin(*, wanted: GatedPage, method: str, mark: str, again: bool = False) -> GateRedirect:
    """The way to the account. What was posted can't be repeated, so another method than GET leads to the first page.

    again: the site wants a fresh proof, although the person may be signed in.
    """
    mark = mark if _MARK.fullmatch(mark) else ids.token()
    to = wanted.address if method in READS else f"{wanted.site.gate_origin}/"
    query = urlencode({"to": to, "state": state_of(mark), **({"again": "yes"} if again else {})})
    return GateRedirect(mark, f"{access.issuer()}/gate/start/?{query}")


def state_of(mark: str) -> str:
    """What of the mark may travel in addresses: its SHA-256."""
    return hashlib.sha256(mark.encode("utf-8", "surrogatepass")).hexdigest()


def start(
    *,
    wanted: GatedPage,
    state: str,
    signed_in: SignedIn | None,
    browser: Browser,
    now: datetime,
    fresh_since: datetime | None = None,
) -> str | SignInRequired | AccessDenied:
    """At the account: the address with a ticket for whoever is signed in and may enter.

    fresh_since: the password must have been typed since then, when the site asked for a fresh proof.
    """
    judged = access.decide(site=wanted.site, signed_in=signed_in, now=now, fresh_since=fresh_since)
    match judged:
        case SignInRequired():
            return judged
        case AccessDenied():
            access.record_denial(site=wanted.site, signed_in=signed_in, why=judged, browser=browser, now=now)
            return judged
    ticket = _ticket(wanted, state, judged, browser, now)
    return f"{wanted.site.gate_origin}/.massar/enter?{urlencode({'ticket': ticket})}"


@transaction.atomic
def _ticket(wanted: GatedPage, state: str, enter: access.AccessGranted, browser: Browser, now: datetime) -> str:
    visit = access.open_visit(site=wanted.site, enter=enter, scope=SCOPE, nonce="", life=_longest(), now=now)
    access.record_entry(site=wanted.site, enter=enter, browser=browser, now=now)
    return sites.grants.issue(
        TICKET,
        visit.grant_id,
        now=int(now.timestamp()),
        life=TICKET_LIFE,
        binding={"uri": wanted.uri, "state": state},
    )


def enter(*, site: sites.Site, ticket: str, mark: str, now: datetime) -> Admitted | None:
    """Back at the site's host: the ticket becomes the gate cookie, once, in the browser that began, at that site."""
    held = token_status.read(ticket)
    if held is None:
        return None
    moment = int(now.timestamp())
    right = held.kind == TICKET and held.grant.site == site.slug and _same(mark, held.binding["state"])
    cookie = [sites.grants.NewToken(GATE, max(1, held.grant.expires_at - moment))] if right else []
    issued = sites.grants.turn(TICKET, ticket, cookie, site=site.slug, now=moment)
    return Admitted(issued[0], site.gate_origin + held.binding["uri"]) if issued else None


def _same(mark: str, state: str) -> bool:
    return bool(_MARK.fullmatch(mark)) and state_of(mark) == state


def _longest() -> int:
    """Seconds. A session never lives longer, and the gate asks for the session each time."""
    return int(settings.MASSAR.session_longest / timedelta(seconds=1))
