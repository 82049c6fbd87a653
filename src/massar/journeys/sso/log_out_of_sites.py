"""Sites hear that a session is over: their tokens end with it, and each is told by what it can take.

    logout token (OpenID Connect Back-Channel Logout 1.0), LogoutRequest by SOAP    the worker, from the outbox
    LogoutRequest through the browser (single logout)                               the person, by a link on the page
    the gate                                                                        asks by itself at every request

The messages stand in the outbox in the same transaction as the end of the session, and go out with its leases and
retries; the person sees which sites have confirmed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from massar.core import clock, encryption, ids
from massar.domain.delivery import api as delivery
from massar.domain.people import api as people
from massar.domain.sites import api as sites

WITHIN = timedelta(hours=12)  # a site that is away longer has let its own session run out
BACK_CHANNEL, SOAP = "site", "soap"  # by which of them the worker tells a site
LOGOUT_TOKEN_LIFE = 120  # seconds; OpenID Connect Back-Channel Logout 1.0 §2.4
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass(frozen=True)
class LogoutRequester:
    """The site that began a sign-out and waits: for the browser at `address`, or for an answer to its LogoutRequest."""

    site: str
    address: str = ""
    request_id: str = ""
    relay_state: str = ""


@dataclass(frozen=True)
class RecentLogout:
    """What this browser may still see and do after a sign-out: whose sessions ended since then, and which was its own
    (`alone`: no other). requester: None if the person began here. confirmed: sites that confirmed through this browser,
    or asked for it themselves."""

    person_id: int
    since: datetime
    session_id: int
    alone: bool = False
    requester: LogoutRequester | None = None
    confirmed: tuple[str, ...] = ()


@dataclass(frozen=True)
class LogoutStatus:
    """state: 'waiting', 'confirmed', 'failed', 'open' (only the browser can tell it), 'unreachable' (it hears none)."""

    site: sites.Site
    state: str

    @property
    def by_hand(self) -> bool:
        """Whether the person may take the message there in this browser."""
        return self.state in ("open", "failed") and supports_browser_logout(self.site)


def supports_browser_logout(site: sites.Site) -> bool:
    """Whether a browser can carry a LogoutRequest there, and an answer back that can be believed."""
    return bool(site.protocol == "saml" and site.slo and site.certificate)


def sid(site: str, session_id: int) -> str:
    """A name for the session, different at every site: the sid claim, or SAML SessionIndex. It is kept with the grant
    and read from there: what a site was told stays what it is told, whatever keys change."""
    return encryption.data_keys().blind_index("sid", site, session_id)[:32]


def is_sid_of(said: str, site: str, session_id: int) -> bool:
    """Whether a site may have been told of the session by that name, under any key that is listed."""
    return said in [tag[:32] for tag in encryption.data_keys().blind_indexes("sid", site, session_id)]


def end_grants_and_notify(
    person: people.PersonFacts, session_ids: list[int], *, now: datetime, programs: bool = False
) -> int:
    """End what these sessions granted and queue one message for each site, session and name of the person there.

    Inside the transaction that ends them. programs: what outlives the sessions too. Returns how many were queued.
    """
    moment = int(now.timestamp())
    grants = sites.grants.end_of_sessions(session_ids, now=moment)
    offline = sites.grants.offline_of(person.id, now=moment) if programs else []
    return _notify(person, grants + [one for one in offline if sites.grants.end(one.id, now=moment)], now)


def end_program(person: people.PersonFacts, grant_id: int, *, now: datetime) -> sites.GrantFacts | None:
    """End one grant that outlives the sessions, and tell its site; None: it is none of this person's."""
    moment = int(now.timestamp())
    found = next((one for one in sites.grants.offline_of(person.id, now=moment) if one.id == grant_id), None)
    if found is None or not sites.grants.end(found.id, now=moment):
        return None
    _notify(person, [found], now)
    return found


def _notify(person: people.PersonFacts, grants: list[sites.GrantFacts], now: datetime) -> int:
    queued = 0
    for (slug, _, sid, kind), grant in {(g.site, g.session_id, g.sid, name_kind(g)): g for g in grants}.items():
        site = settings.MASSAR.sites.by_slug.get(slug)
        if site and (to := site.slo_soap or site.backchannel_logout_uri):
            queued += 1
            values = {"site": slug, "subject": grant.subject, "sid": sid, "login": grant.login, "kind": kind}
            delivery.outbox.put(
                purpose="site_logout", channel=SOAP if site.slo_soap else BACK_CHANNEL, language=person.language,
                person_id=person.id, to=to, values=values, now=now, within=WITHIN, priority=1, about=slug,
            )  # fmt: skip
    return queued


def name_kind(grant: sites.GrantFacts) -> str:
    """The kind of NameID that a SAML site was told at that visit; '' for other sites."""
    protocol, _, kind = grant.scope.partition(" ")
    return kind if protocol == "saml" else ""


def logout_token(message: delivery.QueuedMessage, *, now: datetime) -> str:
    """The signed token of one message, made anew for each attempt: it lives two minutes."""
    slug, subject, sid = (message.values[name] for name in ("site", "subject", "sid"))
    return logout_token_for(settings.MASSAR.sites.by_slug[slug], subject, sid, now=now)


def logout_token_for(site: sites.Site, subject: str, session: str, *, now: datetime) -> str:
    """A logout token about that subject and sid. Its audience is the name that the site has in its protocol."""
    moment = clock.micros(now) // 1_000_000
    name = site.entity_id if site.protocol == "saml" else site.client_id
    claims = {
        "iss": settings.MASSAR.public_url, "aud": name, "iat": moment, "exp": moment + LOGOUT_TOKEN_LIFE,
        "jti": ids.short_token(), "sub": subject, "sid": session, "events": {LOGOUT_EVENT: {}},
    }  # fmt: skip
    return sites.keys.signed(claims, use=site.algorithm, kind="logout+jwt", now=now)


def logout_statuses(person_id: int, *, since: datetime, confirmed: tuple[str, ...] = ()) -> list[LogoutStatus]:
    """What the sites of sessions that ended since then said, newest word of each: an older session there may have run
    out, and some sites answer that it was none. A gated site needs no word: its gate asks at every request."""
    states = {"submitted": "confirmed", "queued": "waiting", "sending": "waiting"}
    said = {
        slug: states.get(state, "failed")
        for slug, state in delivery.outbox.about(person_id, purpose="site_logout", since=since)
    } | dict.fromkeys(confirmed, "confirmed")
    opened = {grant.site for grant in sites.grants.ended_since(person_id, since=int(since.timestamp()))}
    found = []
    for site in settings.MASSAR.sites.sites:
        if site.slug in said or site.slug in opened:
            unsaid = "open" if supports_browser_logout(site) else "unreachable"
            unsaid = "confirmed" if site.protocol == "gate" else unsaid
            found.append(LogoutStatus(site, said.get(site.slug, unsaid)))
    return found


def has_left_open(
    person_id: int, sessions: Collection[int], *, since: datetime, confirmed: tuple[str, ...] = ()
) -> bool:
    """Whether a site that only the browser can tell was opened by one of those sessions, which have ended since then:
    the sites of another that has given way in the same second are not this browser's."""
    ended = sites.grants.ended_since(person_id, since=int(since.timestamp()))
    opened = {grant.site for grant in ended if grant.session_id in sessions}
    statuses = logout_statuses(person_id, since=since, confirmed=confirmed)
    return any(one.state == "open" and one.site.slug in opened for one in statuses)
