"""Answering an authorization request: a code for a person who may enter, or what has to happen first."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.journeys.sso import access
from massar.journeys.sso.access import AccessDenied, AccessGranted, SecondFactorRequired, SignInRequired, Visitor
from massar.journeys.sso.oidc import verify
from massar.journeys.sso.oidc.request import AuthorizationRequest, AuthorizationResponse

GRACE = 60  # seconds between typing the password and coming back to the saved request


class Resumed(NamedTuple):
    """The request was saved for a sign-in. `earlier_proof`: the proof that was there when it came, "" for none."""

    saved_at: datetime
    earlier_proof: str


def answer(
    asked: AuthorizationRequest, visitor: Visitor, resumed: Resumed | None
) -> AuthorizationResponse | SignInRequired | SecondFactorRequired | AccessDenied:
    """Decide what becomes of the request."""
    signed_in = visitor.signed_in
    # Whom the site names, by a wished sub or by id_token_hint (OIDC Core §3.1.2.1, §5.5.1).
    subjects = {asked.subject} if asked.subject else set()
    if given := asked.raw.get("id_token_hint"):
        hint = verify.of_ours(given, now=visitor.now)
        if hint is None or hint["aud"] != asked.site.client_id:
            return asked.error("invalid_request", "id_token_hint is not an ID token of ours for this site.")
        subjects.add(hint["sub"])
    if signed_in and any(sites.subjects.person_of(asked.site.slug, value) != signed_in.person.id for value in subjects):
        # Another person signed in although the site has named one: it hears so, or this would go on for ever.
        return asked.error("login_required") if asked.silent or resumed else SignInRequired(again=True)
    decision = _decide(asked, visitor, resumed)
    if isinstance(decision, SignInRequired | SecondFactorRequired):  # both are an authentication by the person
        return asked.error("login_required") if asked.silent else decision
    if isinstance(decision, AccessDenied):
        return asked.error("access_denied") if asked.silent else decision
    return asked.answer(code=_issue_code(asked, decision, visitor))


def _decide(
    asked: AuthorizationRequest, visitor: Visitor, resumed: Resumed | None
) -> AccessGranted | SignInRequired | SecondFactorRequired | AccessDenied:
    signed_in = visitor.signed_in
    proved_anew = bool(resumed and signed_in and signed_in.session.proof != resumed.earlier_proof)
    # prompt=login: only a sign-in after the request came will do. Two machines' clocks differ a little; within that
    # second the proof's name has told them apart.
    since = resumed.saved_at - timedelta(seconds=1) if resumed and proved_anew else None
    if signed_in and asked.fresh and (since is None or signed_in.session.signed_in_at < since):
        return SignInRequired(again=True)
    max_age = None if asked.fresh else asked.max_age
    if max_age is not None and proved_anew:
        max_age = max(max_age, GRACE)  # the sign-in that was too old stays so for its request (ATK-111)
    fresh_since = since if asked.fresh else None
    return access.decide(
        site=asked.site, visitor=visitor, max_age=max_age, fresh_since=fresh_since, one_of=asked.one_of
    )


@transaction.atomic
def _issue_code(asked: AuthorizationRequest, granted: AccessGranted, visitor: Visitor) -> str:
    site, session, now = asked.site, granted.session, visitor.now
    # Tokens may outlive the session (OIDC Core §11), but never an operator's. The session is held: what ends all
    # sessions at this moment must find this grant, or the grant must find it ended.
    may_stay = bool(site.offline_life and "offline_access" in asked.scope.split() and not granted.person.operates)
    offline = may_stay and sessions.signed_in.hold(session.id, session.person_id)
    of_session = min(sites.grants.REFRESH_LIFE, int((session.expires_at - now).total_seconds()))
    life = site.offline_life if offline else max(1, of_session)
    nonce = asked.raw.get("nonce", "")
    visit = access.open_visit(granted, visitor, scope=asked.scope, life=life, nonce=nonce, offline=offline)
    proved = {"acr": granted.acr(asked.wishes), "amr": session.amr}
    binding = {"redirect_uri": asked.raw["redirect_uri"], "challenge": asked.challenge, **proved}
    code = sites.grants.NewToken("code", sites.grants.CODE_LIFE, binding)
    return sites.grants.issue(visit.id, code, now=int(now.timestamp()))
