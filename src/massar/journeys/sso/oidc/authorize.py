"""Answering an authorization request: a code for a person who may enter, or what has to happen first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from massar.core.browser import Browser
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.sso import access
from massar.journeys.sso.oidc import verify
from massar.journeys.sso.oidc.request import AuthorizationRequest, AuthorizationResponse

OFFLINE = "offline_access"
GRACE = 60  # seconds between typing the password and coming back to the waiting request


@dataclass(frozen=True)
class Resumed:
    """The request had waited for a sign-in. `besides`: the proof that was there when it came, "" for none."""

    since: datetime
    besides: str


@dataclass(frozen=True)
class SignIn:
    """The sign-in page first; `again` when somebody is signed in already, whose session is not enough."""

    again: bool


@dataclass(frozen=True)
class Refused:
    """This person may not enter: a page says why."""

    why: access.AccessDenied


def answer(
    *, ask: AuthorizationRequest, signed_in: SignedIn | None, waited: Resumed | None, browser: Browser, now: datetime
) -> AuthorizationResponse | SignIn | Refused:
    """What becomes of the request for this browser now."""
    subjects = _subjects_meant(ask, now)
    if subjects is None:
        return ask.error("invalid_request", "id_token_hint is not an ID token of ours for this site.")
    if signed_in and not _is_meant(ask, subjects, signed_in):
        # Another person signed in although the site has named one: it hears so, or this would go on for ever.
        return ask.error("login_required") if ask.silent or waited else SignIn(again=True)
    match _judged(ask, signed_in, waited, now):
        case access.SignInRequired(again=again):
            return ask.error("login_required") if ask.silent else SignIn(again)
        case access.AccessDenied() as why:
            access.record_denial(site=ask.site, signed_in=signed_in, why=why, browser=browser, now=now)
            return ask.error("access_denied") if ask.silent else Refused(why)
        case access.AccessGranted() as enter:
            return ask.answer(code=_code(ask, enter, signed_in, browser, now))
    raise TypeError("the judge said something new")


def _judged(ask: AuthorizationRequest, signed_in: SignedIn | None, waited: Resumed | None, now: datetime):
    if signed_in and ask.fresh and not _is_fresh(signed_in, waited):
        return access.SignInRequired(again=True)
    max_age = None if ask.fresh else ask.max_age
    # Grace is for who has just proved anew; the sign-in that was too old stays so for its request (ATK-111).
    anew = waited is not None and signed_in is not None and signed_in.session.proof != waited.besides
    return access.decide(
        site=ask.site,
        signed_in=signed_in,
        now=now,
        max_age=max_age if max_age is None or not anew else max(max_age, GRACE),
        no_recent_recovery=ask.no_recent_recovery,
    )


def _is_fresh(signed_in: SignedIn, waited: Resumed | None) -> bool:
    """prompt=login: only a sign-in after the request came will do."""
    if waited is None or signed_in.session.proof == waited.besides:
        return False
    # Two machines' clocks differ a little; within that second the proof's name has told them apart.
    return signed_in.session.signed_in_at >= waited.since - timedelta(seconds=1)


def _subjects_meant(ask: AuthorizationRequest, now: datetime) -> set[str] | None:
    """Whom the site names, by id_token_hint or a wished sub (OIDC Core §3.1.2.1, §5.5.1). None: a hint not of ours."""
    wanted = {ask.subject} if ask.subject else set()
    if not ask.id_token_hint:
        return wanted
    hint = verify.of_ours(ask.id_token_hint, now=now)
    if hint is None or hint["aud"] != ask.site.client_id:
        return None
    return wanted | {hint["sub"]}


def _is_meant(ask: AuthorizationRequest, subjects: set[str], signed_in: SignedIn) -> bool:
    return all(sites.subjects.person_of(ask.site.slug, value) == signed_in.person.id for value in subjects)


def _stays(ask: AuthorizationRequest, signed_in: SignedIn) -> bool:
    """Whether the site's tokens outlive the session (OIDC Core §11): never those of who watches over the installation."""
    return bool(ask.site.offline_life and OFFLINE in ask.scope.split() and not signed_in.person.operates)


@transaction.atomic
def _code(
    ask: AuthorizationRequest, enter: access.AccessGranted, signed_in: SignedIn, browser: Browser, now: datetime
) -> str:
    # Held: what ends all sessions at this moment must find this grant, or the grant must find its session ended.
    offline = _stays(ask, signed_in) and sessions.signed_in.hold(signed_in.session.id)
    of_session = min(sites.grants.REFRESH_LIFE, int((signed_in.session.expires_at - now).total_seconds()))
    life = ask.site.offline_life if offline else max(1, of_session)
    visit = access.open_visit(
        site=ask.site, enter=enter, scope=ask.scope, nonce=ask.nonce, life=life, now=now, offline=offline
    )
    access.record_entry(site=ask.site, enter=enter, browser=browser, now=now)
    bound = {"redirect_uri": ask.redirect_uri, "challenge": ask.challenge, "acr": enter.acr}
    return sites.grants.issue(
        "code", visit.grant_id, now=int(now.timestamp()), life=sites.grants.CODE_LIFE, binding=bound
    )
