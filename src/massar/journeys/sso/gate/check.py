"""Whether one request may pass the gate, and the few facts about the person that the site gets with it.

Asked for each request that reaches a site's proxy: two statements and one ES256 signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings

from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.journeys.sso import access, token_status
from massar.journeys.sso.gate.visit import GATE

PASS_LIFE = 60  # seconds that the signed token of one request is good for
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True)
class GatePass:
    """token: compact JWS (ES256, typ `gate+jwt`). claims: what it says about the person, by standard claim name."""

    subject: str
    token: str
    claims: dict[str, str]


def proxy_of(name: str, key: str) -> sites.Site | None:
    """The gated site whose proxy proves itself by its slug and its `gate_key`; None: nobody that we know."""
    site = settings.MASSAR.sites.by_slug.get(name)
    gated = site is not None and site.protocol == "gate" and site.connected
    return site if gated and sites.is_secret(key, site.gate_key) else None


def passes(*, site: sites.Site, token: str, now: datetime) -> GatePass | None:
    """The person behind a gate cookie at that site; None: nobody who may pass."""
    held = token_status.read(token)
    if held is None or held.person is None or held.grant.site != site.slug or not held.is_valid_for(GATE, now=now):
        return None
    grant, person = held.grant, held.person
    if sessions.signed_in.alive(grant.session_id, grant.person_id, now=now) is None:
        return None
    if not access.has_role(site, person):
        return None
    if access.is_stale(site, datetime.fromtimestamp(grant.auth_time, UTC), now=now):
        return None
    claims = access.claims_of(person, names=set(site.released))
    return GatePass(grant.subject, _signed(site, grant, claims, now), claims)


def _signed(site: sites.Site, grant: sites.GrantFacts, claims: dict[str, str], now: datetime) -> str:
    moment = int(now.timestamp())
    return sites.keys.signed(
        {
            **claims,
            "iss": access.issuer(),
            "aud": site.gate_origin,
            "sub": grant.subject,
            "sid": grant.sid,
            "auth_time": grant.auth_time,
            "iat": moment,
            "exp": moment + PASS_LIFE,
        },
        use=sites.keys.ES256,
        kind="gate+jwt",
        now=now,
    )
