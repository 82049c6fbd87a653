"""Letting a signed-in person into a site: one judge for every protocol.

Only a full session is ever judged (promise ii): a session that may change a password is another table, which no
function here can read. What a site asked while nobody was signed in is saved (`saved_requests`) and resumes afterwards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.conf import settings

from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.factors import api as factors
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.sso import log_out_of_sites

ACR_PASSWORD = "urn:massar:acr:password"  # signed in with the password
ACR_NO_RECENT_RECOVERY = "urn:massar:acr:settled"  # … and no recovery within the last RECENT_RECOVERY
# … and with a second factor of another kind, in this session: a remembered device is none (REFEDS MFA Profile 1.2).
ACR_TWO_FACTORS = "https://refeds.org/profile/mfa"
ACRS = (ACR_TWO_FACTORS, ACR_NO_RECENT_RECOVERY, ACR_PASSWORD)
RECENT_RECOVERY = timedelta(hours=72)


class Visitor(Protocol):
    """Who asks, with which browser, and when; every request of a browser is one."""

    now: datetime

    @property
    def signed_in(self) -> SignedIn | None: ...

    @property
    def recognised(self) -> SignedIn | None:
        """Who is signed in, or would be if the session had the second factor that a rule wants since."""

    @property
    def browser(self) -> Browser: ...


@dataclass(frozen=True)
class AccessGranted:
    """The person may enter the site. acrs: all that are true, in the order of ACRS."""

    site: sites.Site
    person: people.PersonFacts
    session: sessions.SessionFacts
    acrs: tuple[str, ...]

    def acr(self, wishes: Sequence[str] = ()) -> str:
        """The first wish that is true. Without such: whether a recovery was lately, which sites were always told, but
        to a site of two factors that it has them."""
        told = [acr for acr in self.acrs if acr != ACR_TWO_FACTORS or self.site.second_factor]
        return next((acr for acr in (*wishes, *told) if acr in self.acrs), ACR_PASSWORD)


@dataclass(frozen=True)
class SignInRequired:
    """Nobody is signed in, or the proof is not fresh enough for what the site asks (`again`)."""

    again: bool


@dataclass(frozen=True)
class SecondFactorRequired:
    """The person is signed in, with the password alone, and the site, or a rule for the person, wants more: the second
    step is asked, and the request goes on. It is no new sign-in."""


@dataclass(frozen=True)
class AccessDenied:
    """This person may not enter this site. reason: 'role' or 'recovered' (then `until` says how long)."""

    reason: str
    until: datetime | None = None


def decide(
    *,
    site: sites.Site,
    visitor: Visitor,
    max_age: int | None = None,
    fresh_since: datetime | None = None,
    one_of: Sequence[str] = (),
) -> AccessGranted | SignInRequired | SecondFactorRequired | AccessDenied:
    """Decide whether the visitor may enter the site, and record a denial. The registry may ask for as much by itself.

    max_age: seconds that the sign-in may be old (OIDC Core §3.1.2.1). fresh_since: it must be newer than that
    (prompt=login, ForceAuthn, the gate's `again`). Either asks who has a second factor for it: a password alone is no
    fresh proof of theirs (`sign_in.prove_again`), on a remembered device neither. one_of: ACRS of which one must be
    true; empty: as they are.
    """
    if visitor.signed_in is None:
        return SecondFactorRequired() if visitor.recognised else SignInRequired(again=False)
    person, session, now = visitor.signed_in.person, visitor.signed_in.session, visitor.now
    too_old = max_age is not None and now - session.signed_in_at > timedelta(seconds=max_age)
    not_anew = fresh_since is not None and session.signed_in_at < fresh_since
    if too_old or not_anew or is_stale(site, session.signed_in_at, now=now):
        return SignInRequired(again=True)
    recovered_at, factors_since = credentials.passwords.recovery_and_factors(person.id, factors=factors.held.SINCE)
    settled_now = recovered_at is None or now >= recovered_at + RECENT_RECOVERY
    opens_at = _opens_at(site, recovered_at, set(one_of) == {ACR_NO_RECENT_RECOVERY})
    denied = None
    if not has_role(site, person):
        denied = AccessDenied("role")
    elif opens_at and now < opens_at:
        denied = AccessDenied("recovered", opens_at)
    if denied:
        audit_log.record_event(
            "site_refused", now=now, person_id=person.id, session_id=session.id, outcome=denied.reason,
            browser=visitor.browser, site=site.slug,
        )  # fmt: skip
        return denied
    holds = {ACR_TWO_FACTORS: session.two_factors, ACR_NO_RECENT_RECOVERY: settled_now, ACR_PASSWORD: True}
    acrs = tuple(acr for acr in ACRS if holds[acr])
    anew = max_age is not None or fresh_since is not None or site.longest_age is not None
    wants_two = site.second_factor or (anew and factors_since is not None)
    if (one_of and not set(one_of) & set(acrs)) or (wants_two and not session.two_factors):
        return SecondFactorRequired()
    return AccessGranted(site, person, session, acrs)


def _opens_at(site: sites.Site, recovered_at: datetime | None, no_recent_recovery: bool = False) -> datetime | None:
    wait = max(
        timedelta(hours=site.no_recovery_hours),
        RECENT_RECOVERY if no_recent_recovery or site.no_recent_recovery else timedelta(0),
    )
    return recovered_at + wait if recovered_at else None


def opening_times(given: Iterable[sites.Site], *, person: people.PersonFacts, now: datetime) -> dict[str, datetime]:
    """From when those sites open that `decide` denies the person now because of a recovery, by slug."""
    recovered_at = credentials.passwords.recovered_at(person.id)
    opening = {site.slug: _opens_at(site, recovered_at) for site in given if has_role(site, person)}
    return {slug: at for slug, at in opening.items() if at and at > now}


def is_stale(site: sites.Site, signed_in_at: datetime, *, now: datetime) -> bool:
    """Whether the registry wants a newer sign-in for this site."""
    return site.longest_age is not None and now - signed_in_at > site.longest_age


def has_role(site: sites.Site, person: people.PersonFacts) -> bool:
    return not site.roles or person.role in site.roles


def open_visit(
    granted: AccessGranted, visitor: Visitor, *, scope: str, life: int, nonce: str = "", offline: bool = False
) -> sites.GrantFacts:
    """Open the grant that all of this visit's tokens belong to, and record it. offline: it outlives the session."""
    site, person, session = granted.site.slug, granted.person, granted.session
    moment, about = int(visitor.now.timestamp()), {"person_id": person.id, "session_id": session.id}
    grant = sites.grants.open_grant(
        sites.GrantFacts(
            0, site, sites.subjects.of(site, person.id), scope, created_at=moment, expires_at=moment + life, **about,
            login=person.login, nonce=nonce, offline=offline, auth_time=int(session.signed_in_at.timestamp()),
            sid=log_out_of_sites.sid(site, session.id),
        )
    )  # fmt: skip
    audit_log.record_event(
        "site_entered",
        now=visitor.now,
        outcome=site,
        browser=visitor.browser,
        person_id=person.id,
        session_id=session.id,
    )
    return grant


def claims_of(person: people.PersonFacts, *, names: set[str]) -> dict[str, str]:
    """The attributes a site may have, by standard name. Personal contacts are never among them (decision 28)."""
    known = {
        "given_name": person.first_latin or person.first_ar,
        "family_name": person.last_latin or person.last_ar,
        "name": person.name("fr"),
        "name_ar": person.name("ar"),
        "email": person.login,
        "school": person.establishment("fr"),
        "school_ar": person.establishment("ar"),
        "role": person.role,
        "locale": person.language,
    }
    return {name: value for name, value in known.items() if value and name in names}


def subject_of(site: sites.Site, login: str, *, now: datetime) -> str | None:
    """The person's subject at that site, before the first visit too; None: nobody has that login."""
    person = people.directory.by_login(login, now=now)
    return sites.subjects.of(site.slug, person.id) if person else None


def issuer() -> str:
    """The one configured public address; nothing is built from what a client says (ATK-115)."""
    return settings.MASSAR.public_url
