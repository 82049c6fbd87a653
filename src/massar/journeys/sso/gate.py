"""Through the gate into a site that speaks no protocol: a ticket by the browser, then a cookie of the site's host.

    the site's proxy: 401 --begin--> account: start --ticket, 60 s, once--> the site's host: enter --cookie--> the page

The proxy leaves a mark in the browser under the site's host, and only the browser with that mark can use the ticket: a
ticket sent to somebody else signs nobody in as the sender. Then each request that reaches the site's proxy is checked:
two statements and one ES256 signature.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction

from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.journeys.account.close_sessions import must_have_factor
from massar.journeys.sso import access, token_status
from massar.journeys.sso.access import AccessDenied, AccessGranted, SecondFactorRequired, SignInRequired, Visitor

TICKET, COOKIE = "ticket", "gate"  # kinds of tokens
TICKET_LIFE = 60  # seconds
PASS_LIFE = 60  # seconds that the signed token of one request is good for


def state_of(mark: str) -> str:
    """What of the mark may travel in addresses: its SHA-256."""
    return hashlib.sha256(mark.encode("utf-8", "surrogatepass")).hexdigest()


def start(
    page: sites.GatedPage, state: str, visitor: Visitor, *, fresh_since: datetime | None
) -> str | SignInRequired | SecondFactorRequired | AccessDenied:
    """At the account: a ticket for whoever may enter. fresh_since: the password must have been typed since then."""
    decision = access.decide(site=page.site, visitor=visitor, fresh_since=fresh_since)
    if not isinstance(decision, AccessGranted):
        return decision
    # A session never lives longer, and the gate asks for the session each time.
    life = int(settings.MASSAR.session_longest / timedelta(seconds=1))
    with transaction.atomic():
        visit = access.open_visit(decision, visitor, scope="gate", life=life)
        ticket = sites.grants.NewToken(TICKET, TICKET_LIFE, {"uri": page.uri, "state": state})
        return sites.grants.issue(visit.id, ticket, now=int(visitor.now.timestamp()))


def enter(*, site: sites.Site, ticket: str, mark: str, now: datetime) -> tuple[str, str] | None:
    """Back at the site's host: the ticket becomes the gate cookie, once, in the browser that began, at that site.
    Returns the cookie's value and the address that was wanted. mark: what the browser carries; '' for none."""
    held = token_status.read(ticket, now=now)
    if held is None:
        return None
    moment, is_ticket = int(now.timestamp()), held.kind == TICKET and held.grant.site == site.slug
    same_browser = is_ticket and mark != "" and state_of(mark) == held.binding["state"]
    cookie = [sites.grants.NewToken(COOKIE, max(1, held.grant.expires_at - moment))] if same_browser else []
    issued = sites.grants.redeem(TICKET, ticket, cookie, site=site.slug, now=moment)
    return (issued[0], site.gate_origin + held.binding["uri"]) if issued else None


def authenticate_proxy(name: str, key: str) -> sites.Site | None:
    """The gated site whose proxy proves itself by its slug and its `gate_key`; None: nobody that we know."""
    site = settings.MASSAR.sites.by_slug.get(name)
    if site is None or site.protocol != "gate" or not site.connected or not sites.is_secret(key, site.gate_key):
        return None
    return site


def check(*, site: sites.Site, token: str, now: datetime) -> tuple[str, str, dict[str, str]] | None:
    """Who is behind a gate cookie at that site: the subject, a compact JWS (ES256, typ `gate+jwt`), and what it says
    about the person and the session, by standard claim name. None: nobody who may pass."""
    state = token_status.read(token, now=now)
    if state is None or state.person is None or state.grant.site != site.slug:
        return None
    grant, signed_in_at = state.grant, datetime.fromtimestamp(state.grant.auth_time, UTC)
    alive = state.is_valid_for(COOKIE, now=now) and sessions.signed_in.alive(grant.session_id, grant.person_id, now=now)
    if not alive or not access.has_role(site, state.person) or access.is_stale(site, signed_in_at, now=now):
        return None
    if not alive.two_factors and (site.second_factor or must_have_factor(state.person, now=now)):
        return None  # the account asks for the second step alone
    acr = access.ACR_TWO_FACTORS if alive.two_factors else access.ACR_PASSWORD
    claims, moment = access.claims_of(state.person, names=set(site.released)), int(now.timestamp())
    said: dict[str, object] = {
        **claims, "iss": access.issuer(), "aud": site.gate_origin, "sub": grant.subject, "sid": grant.sid,
        "auth_time": grant.auth_time, "acr": acr, "amr": alive.methods, "iat": moment, "exp": moment + PASS_LIFE,
    }  # fmt: skip
    return (
        grant.subject,
        sites.keys.signed(said, use=sites.keys.ES256, kind="gate+jwt", now=now),
        {**claims, "acr": acr},
    )
