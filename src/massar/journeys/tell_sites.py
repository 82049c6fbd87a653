"""Sites hear that a session is over: their tokens end with it, and each is told by a signed logout token.

OpenID Connect Back-Channel Logout 1.0. The messages stand in the outbox, in the same transaction as the end of the
session, and go out by the worker with its leases and retries; the person sees which sites have confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from massar.core import clock, ids, seal
from massar.domain.delivery import api as delivery
from massar.domain.people import api as people
from massar.domain.sites import api as sites

WITHIN = timedelta(hours=12)  # a site that is away longer has let its own session run out
LOGOUT_TOKEN_LIFE = 120  # seconds; OpenID Connect Back-Channel Logout 1.0 §2.4
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass(frozen=True)
class Told:
    """What became of telling one site. state: 'waiting', 'confirmed', 'failed', or 'unreachable' (it takes no notice)."""

    site: sites.Site
    state: str


def sid(site: str, session_id: int) -> str:
    """The name of a session at one site: the same in ID tokens and logout tokens, different at every site."""
    return seal.browser_keys().tag("sid", site, session_id)[:32]


def sessions_ended(person: people.PersonFacts, session_ids: list[int], *, now: datetime) -> int:
    """Ends what these sessions granted and puts one message for each site and session. Returns how many were put.

    Inside the transaction that ends the sessions.
    """
    grants = sites.grants.end_of_sessions(session_ids, now=int(now.timestamp()))
    visits = {(g.site, g.session_id): g for g in grants}
    put = 0
    for (slug, session_id), grant in visits.items():
        site = settings.MASSAR.sites.by_slug.get(slug)
        if site and site.backchannel_logout_uri:
            _put(person, site, session_id, grant.subject, now)
            put += 1
    return put


def _put(person, site, session_id: int, subject: str, now: datetime) -> None:
    delivery.outbox.put(
        purpose="site_logout",
        channel="site",
        language=person.language,
        person_id=person.id,
        to=site.backchannel_logout_uri,
        values={"site": site.slug, "subject": subject, "sid": sid(site.slug, session_id)},
        now=now,
        within=WITHIN,
        priority=1,
        about=site.slug,
    )


def logout_token(values: dict, *, now: datetime) -> str:
    """The signed token of one message, made anew for each attempt: it lives two minutes."""
    site = settings.MASSAR.sites.by_slug[values["site"]]
    moment = clock.micros(now) // 1_000_000
    claims = {
        "iss": settings.MASSAR.public_url,
        "aud": site.client_id or site.entity_id,
        "iat": moment,
        "exp": moment + LOGOUT_TOKEN_LIFE,
        "jti": ids.short_token(),
        "sub": values["subject"],
        "sid": values["sid"],
        "events": {LOGOUT_EVENT: {}},
    }
    return sites.keys.signed(claims, use=site.algorithm, kind="logout+jwt", now=now)


def told(person_id: int, *, since: datetime) -> list[Told]:
    """What the sites of sessions that ended since then said, newest word of each.

    A gated site needs no word: its gate asks the account at every request.
    """
    states = {"handed": "confirmed", "queued": "waiting", "sending": "waiting"}
    latest = {}
    for slug, state in delivery.outbox.about(person_id, purpose="site_logout", since=since):
        latest[slug] = states.get(state, "failed")
    opened = sites.grants.ended_since(person_id, since=int(since.timestamp()))
    return [
        Told(site, latest.get(site.slug) or ("confirmed" if site.protocol == "gate" else "unreachable"))
        for site in settings.MASSAR.sites.sites
        if site.slug in latest or site.slug in opened
    ]
