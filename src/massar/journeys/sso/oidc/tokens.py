"""What a site's server gets: tokens for a code, for a refresh token, for itself; claims; whether a token is good.

Hot paths: one statement that judges (`token_status`), one that writes, no page, no session of a browser. Whatever is
asked, the person must be active and the session that granted it must not have ended.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from massar.domain.people import api as people
from massar.domain.sites import api as sites
from massar.journeys.account.close_sessions import must_have_factor
from massar.journeys.sso import access, token_status
from massar.journeys.sso.oidc import claims as oidc_claims
from massar.journeys.sso.token_status import TokenState

ID_TOKEN_LIFE = 300
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 §4.1
grants = sites.grants

Answer = dict[str, object]  # what is written as JSON


@dataclass(frozen=True)
class TokenError:
    """An error of RFC 6749 §5.2; `detail` is for the integrator."""

    error: str
    detail: str


NO_CODE, NO_REFRESH = (
    TokenError("invalid_grant", f"The {called} is unknown, used, too old or another site's.")
    for called in ("code", "refresh token")
)


def for_code(*, site: sites.Site, code: str, redirect_uri: str, verifier: str, now: datetime) -> Answer | TokenError:
    """The token answer for an authorization code, which this call uses up whatever comes of it."""
    state = token_status.read(code, now=now)
    if state is None or (state.kind, state.grant.site) != ("code", site.slug):
        return NO_CODE
    mistake = ""
    if redirect_uri != state.binding.get("redirect_uri"):
        mistake = "redirect_uri is not the one of the authorization request."
    elif not _verifies(verifier, state.binding.get("challenge", "")):
        mistake = "code_verifier does not fit the request's code_challenge."
    return _exchange(state, code, site, mistake, now)


def for_refresh(*, site: sites.Site, token: str, scope: str, now: datetime) -> Answer | TokenError:
    """The token answer for a refresh token, which is used up, with the next one in it (RFC 9700 §4.14.2). A narrower
    scope is that of the access token alone (RFC 6749 §6)."""
    state = token_status.read(token, now=now)
    if state is None or (state.kind, state.grant.site) != ("refresh", site.slug):
        return NO_REFRESH
    if not set(scope.split()) <= set(state.grant.scope.split()):
        return TokenError("invalid_scope", "scope may not become wider than it was.")
    mistake = ""
    if state.grant.offline and int(now.timestamp()) >= state.grant.created_at + site.offline_life:
        mistake = "The registry lets no program stay signed in for so long."
    if state.person and not access.has_role(site, state.person):
        mistake = "The person may no longer enter this site."
    must = site.second_factor or (state.person and must_have_factor(state.person, now=now))
    if must and "mfa" not in _amr(state).split():
        mistake = "This sign-in had one factor, and two are needed by now."
    # Single claims of the first request belong to no scope and stay behind where a narrower one is asked for.
    narrowed = " ".join(mark for mark in state.grant.scope.split() if mark in scope.split())
    return _exchange(state, token, site, mistake, now, scope=narrowed)


def for_site(*, site: sites.Site, scope: str, now: datetime) -> Answer | TokenError:
    """The token answer with an access token of the site's own (RFC 6749 §4.4)."""
    if site.client_auth == "none":
        return TokenError("unauthorized_client", "A client without a secret can't act for itself.")
    if not site.service:
        return TokenError("unauthorized_client", "This site has no service of its own.")
    own = [s for s in site.scopes if s not in ("openid", "offline_access")]
    wanted = scope.split() or own
    if not set(wanted) <= set(own):
        return TokenError("invalid_scope", "A scope is not registered for this site.")
    granted, life, moment = " ".join(dict.fromkeys(wanted)), grants.SERVICE_LIFE, int(now.timestamp())
    token = grants.open_service_grant(site=site.slug, scope=granted, subject=site.client_id, life=life, now=moment)
    return _answer(token, life, granted)


def userinfo(*, token: str, now: datetime) -> Answer | None:
    """The claims behind an access token; None if it opens nothing (RFC 6750 §3.1 invalid_token)."""
    state = _open_access(token, now)
    if state is None or state.person is None or "openid" not in state.scope.split():
        return None
    names = oidc_claims.for_userinfo(state.scope)
    return {**oidc_claims.values(state.person, names), "sub": state.grant.subject}


def introspect(*, asking: sites.Site, token: str, now: datetime) -> Answer:
    """What a resource server may know of an access token (RFC 7662 §2.2). Refresh tokens are nobody's business."""
    state = _open_access(token, now)
    if state is None:
        return {"active": False}
    grant = state.grant
    client_id, scope = settings.MASSAR.sites.by_slug[grant.site].client_id, oidc_claims.scopes_in(state.scope)
    said: Answer = {
        "active": True, "token_type": "Bearer", "client_id": client_id, "scope": scope, "iss": access.issuer(),
        "exp": state.expires_at,
    }  # fmt: skip
    if grant.login:
        said["username"] = grant.login
    if not grant.person_id or grant.site == asking.slug:  # a subject is one site's alone (OIDC Core §8.1)
        said["sub"] = grant.subject
    return said


def revoke(*, site: sites.Site, token: str, now: datetime) -> None:
    """End the grant behind a token of this site; all else is nothing, and said to be fine (RFC 7009 §2.2)."""
    grant = grants.grant_of(token)
    if grant and grant.site == site.slug:
        grants.end(grant.id, now=int(now.timestamp()))


def _open_access(token: str, now: datetime) -> TokenState | None:
    """The state of a valid access token whose site is still registered: what the operator closes is closed at once."""
    state = token_status.read(token, now=now)
    if state is None or not state.is_valid_for("access", now=now):
        return None
    site = settings.MASSAR.sites.by_slug.get(state.grant.site)
    return state if site is not None and site.protocol == "oidc" else None


def _verifies(verifier: str, challenge: str) -> bool:
    """PKCE, S256. A verifier without a challenge means that the challenge was taken away (RFC 9700 §4.8.2)."""
    if not challenge:
        return not verifier
    digest = hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest()
    right = hmac.compare_digest(_b64(digest).encode(), challenge.encode())
    return bool(VERIFIER.fullmatch(verifier)) and right


def _exchange(
    state: TokenState, token: str, site: sites.Site, mistake: str, now: datetime, *, scope: str = ""
) -> Answer | TokenError:
    """Use the code or refresh token up and issue what follows it, unless a mistake was made: one atomic step. scope: of
    the access token, where it is narrower than the grant's."""
    grant, person, moment = state.grant, state.person, int(now.timestamp())
    scope, left = scope or grant.scope, grant.expires_at - moment
    if not mistake and not (state.grant_is_valid(now=now) and person):
        mistake = "The session behind it has ended."
    narrower = {"scope": scope} if scope != grant.scope else None
    new = [grants.NewToken("access", min(grants.ACCESS_LIFE, left), narrower)]
    if "offline_access" in grant.scope.split():
        proved = {"acr": state.binding["acr"], "amr": _amr(state)}
        new.append(grants.NewToken("refresh", left, proved))
    issued = grants.redeem(state.kind, token, [] if mistake else new, site=site.slug, now=moment)
    if issued is None:
        return NO_REFRESH if state.kind == "refresh" else NO_CODE
    if mistake or person is None:
        return TokenError("invalid_grant", mistake)
    answer = _answer(issued[0], new[0].life, oidc_claims.scopes_in(scope))
    if len(issued) > 1:
        answer["refresh_token"] = issued[1]
    answer["id_token"] = _id_token(state, person, site, scope, issued[0], now)
    return answer


def _answer(token: str, life: int, scope: str) -> Answer:
    return {"access_token": token, "token_type": "Bearer", "expires_in": life, "scope": scope}


def _id_token(
    state: TokenState, person: people.PersonFacts, site: sites.Site, scope: str, access_token: str, now: datetime
) -> str:
    """OIDC Core §2 and §3.1.3.6. No typ but JWT: every library knows that one. scope: of the access token beside it."""
    moment, grant = int(now.timestamp()), state.grant
    names = oidc_claims.for_id_token(grant.scope, always=site.id_token_claims, scope=scope)
    claims: Answer = {
        **oidc_claims.values(person, names), "iss": access.issuer(), "sub": grant.subject, "aud": site.client_id,
        "iat": moment, "exp": moment + ID_TOKEN_LIFE, "auth_time": grant.auth_time, "acr": state.binding["acr"],
        "amr": _amr(state).split(), "sid": grant.sid,
        "at_hash": _b64(hashlib.sha256(access_token.encode()).digest()[:16]),
    }  # fmt: skip
    if grant.nonce and state.kind == "code":  # OIDC Core §12.2: not needed again
        claims["nonce"] = grant.nonce
    return sites.keys.signed(claims, use=site.algorithm, kind="JWT", now=now)


def _amr(state: TokenState) -> str:
    return state.binding.get("amr", "pwd")  # the last version issued codes without


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
