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
from massar.journeys.sso.gate.visit import COOKIE

PASS_LIFE = 60  # seconds that the signed token of one request is good for


@dataclass(frozen=True)
class GatePass:
    """token: compact JWS (ES256, typ `gate+jwt`). claims: what it says about the person, by standard claim name."""

    subject: str
    token: str
    claims: dict[str, str]


def authenticate_proxy(name: str, key: str) -> sites.Site | None:
    """The gated site whose proxy proves itself by its slug and its `gate_key`; None: nobody that we know."""
    site = settings.MASSAR.sites.by_slug.get(name)
    if site is None or site.protocol != "gate" or not site.connected or not sites.is_secret(key, site.gate_key):
        return None
    return site


def check(*, site: sites.Site, token: str, now: datetime) -> GatePass | None:
    """The pass of the person behind a gate cookie at that site; None: nobody who may pass."""
    state = token_status.read(token)
    if (
        state is None
        or state.person is None
        or state.grant.site != site.slug
        or not state.is_valid_for(COOKIE, now=now)
    ):
        return None
    grant, person = state.grant, state.person
    if sessions.signed_in.alive(grant.session_id, grant.person_id, now=now) is None:
        return None
    if not access.has_role(site, person) or access.is_stale(
        site, datetime.fromtimestamp(grant.auth_time, UTC), now=now
    ):
        return None
    claims, moment = access.claims_of(person, names=set(site.released)), int(now.timestamp())
    said: dict[str, object] = {
        **claims,
        "iss": access.issuer(),
        "aud": site.gate_origin,
        "sub": grant.subject,
        "sid": grant.sid,
        "auth_time": grant.auth_time,
        "iat": moment,
        "exp": moment + PASS_LIFE,
    }
    return GatePass(grant.subject, sites.keys.signed(said, use=sites.keys.ES256, kind="gate+jwt", now=now), claims)
