"""What a site's server gets: tokens for a code, for a refresh token, for itself; claims; whether a token is good.

Hot paths: one statement that judges (`token_status`), one that writes, no page, no session of a browser. Whatever is
asked, the person must be active and the session that granted it must not have ended.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from massar.domain.sites import api as sites
from massar.journeys.sso import access, token_status
from massar.journeys.sso.oidc import claims as oidc_claims
from massar.journeys.sso.token_status import TokenState

ID_TOKEN_LIFE = 300
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 §4.1
grants = sites.grants
_CALLED = {"code": "code", "refresh": "refresh token"}


@dataclass(frozen=True)
class TokenError:
    """An error of RFC 6749 §5.2; `detail` is for the integrator."""

    error: str
    detail: str = ""


def for_code(*, site: sites.Site, code: str, redirect_uri: str, verifier: str, now: datetime) -> dict | TokenError:
    """The token answer for an authorization code, which this call uses up whatever comes of it."""
    held = token_status.read(code)
    if not _is(held, "code", site):
        return _not_ours("code")
    mistake = None
    if redirect_uri != held.binding.get("redirect_uri"):
        mistake = TokenError("invalid_grant", "redirect_uri is not the one of the authorization request.")
    elif not _verifies(verifier, held.binding.get("challenge", "")):
        mistake = TokenError("invalid_grant", "code_verifier does not fit the request's code_challenge.")
    return _turned(held, code, site, mistake, now)


def for_refresh(*, site: sites.Site, token: str, scope: str, now: datetime) -> dict | TokenError:
    """The token answer for a refresh token, with the next one in it; the old one is used up (RFC 9700 §4.14.2).

    A narrower scope is that of the answer's access token alone; the next refresh token keeps the whole (RFC 6749 §6).
    """
    held = token_status.read(token)
    if not _is(held, "refresh", site):
        return _not_ours("refresh")
    if not set(scope.split()) <= set(held.grant.scope.split()):
        return TokenError("invalid_scope", "scope may not become wider than it was.")
    mistake = None
    if held.grant.offline and int(now.timestamp()) >= held.grant.created_at + site.offline_life:
        mistake = TokenError("invalid_grant", "The registry lets no program stay signed in for so long.")
    if held.person and not access.has_role(site, held.person):
        mistake = TokenError("invalid_grant", "The person may no longer enter this site.")
    return _turned(held, token, site, mistake, now, scope=_narrowed(held.grant.scope, scope))


def _narrowed(granted: str, asked: str) -> str:
    """What is both granted and asked for. Single claims of the first request belong to no scope and stay behind."""
    return " ".join(mark for mark in granted.split() if mark in asked.split()) if asked else granted


def for_site(*, site: sites.Site, scope: str, now: datetime) -> dict | TokenError:
    """An access token of the site's own (RFC 6749 §4.4)."""
    if not site.service:
        return TokenError("unauthorized_client", "This site has no service of its own.")
    own = [s for s in site.scopes if s not in ("openid", "offline_access")]
    wanted = scope.split() or own
    if not set(wanted) <= set(own):
        return TokenError("invalid_scope", "A scope is not registered for this site.")
    granted, life = " ".join(dict.fromkeys(wanted)), grants.SERVICE_LIFE
    access_token = grants.open_service_grant(
        site=site.slug, scope=granted, subject=site.client_id, life=life, now=int(now.timestamp())
    )
    return _answer(access_token, life, granted)


def userinfo(*, token: str, now: datetime) -> dict | None:
    """The claims behind an access token; None if it opens nothing (RFC 6750 §3.1 invalid_token)."""
    held = token_status.read(token)
    if (
        held is None
        or held.person is None
        or not held.is_valid_for("access", now=now)
        or "openid" not in held.scope.split()
    ):
        return None
    if not _is_open(held.grant.site):
        return None
    names = oidc_claims.for_userinfo(held.scope)
    return {**oidc_claims.values(held.person, names), "sub": held.grant.subject}


def introspect(*, asking: sites.Site, token: str, now: datetime) -> dict:
    """What a resource server may know of an access token (RFC 7662 §2.2). Refresh tokens are nobody's business."""
    held = token_status.read(token)
    if held is None or not held.is_valid_for("access", now=now) or not _is_open(held.grant.site):
        return {"active": False}
    grant = held.grant
    said = {
        "active": True,
        "token_type": "Bearer",
        "client_id": _client_id(grant.site),
        "scope": oidc_claims.scopes_in(held.scope),
        "iss": access.issuer(),
        "exp": held.expires_at,
    }
    if grant.login:
        said["username"] = grant.login
    if not grant.person_id or grant.site == asking.slug:  # a subject is one site's alone (OIDC Core §8.1)
        said["sub"] = grant.subject
    return said


def revoke(*, site: sites.Site, token: str, now: datetime) -> None:
    """Ends the grant behind a token of this site; all else is nothing, and said to be fine (RFC 7009 §2.2)."""
    grant = grants.grant_of(token)
    if grant and grant.site == site.slug:
        grants.end(grant.id, now=int(now.timestamp()))


def _is_open(slug: str) -> bool:
    """Whether the site that a token was issued to is still registered: what the operator closes is closed at once."""
    site = settings.MASSAR.sites.by_slug.get(slug)
    return site is not None and site.protocol == "oidc"


def _client_id(slug: str) -> str:
    known = settings.MASSAR.sites.by_slug.get(slug)
    return known.client_id if known else ""


def _is(held: TokenState | None, kind: str, site: sites.Site) -> bool:
    return held is not None and held.kind == kind and held.grant.site == site.slug


def _not_ours(kind: str) -> TokenError:
    return TokenError("invalid_grant", f"The {_CALLED[kind]} is unknown, used, too old or another site's.")


def _verifies(verifier: str, challenge: str) -> bool:
    """PKCE, S256. A verifier without a challenge means that the challenge was taken away (RFC 9700 §4.8.2)."""
    if not challenge:
        return not verifier
    digest = hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest()
    right = hmac.compare_digest(_b64(digest).encode(), challenge.encode())
    return bool(VERIFIER.fullmatch(verifier)) and right


def _turned(
    held: TokenState, token: str, site: sites.Site, mistake: TokenError | None, now: datetime, *, scope: str = ""
) -> dict | TokenError:
    """Uses the code or refresh token up and issues what follows it, unless a mistake was made: one atomic step.

    `scope`: of the access token, where it is narrower than the grant's.
    """
    scope = scope or held.grant.scope
    if mistake is None and not (held.grant_is_valid(now=now) and held.person):
        mistake = TokenError("invalid_grant", "The session behind it has ended.")
    fresh = [] if mistake else _following(held, scope, now)
    issued = grants.turn(held.kind, token, fresh, site=site.slug, now=int(now.timestamp()))
    if issued is None:
        return _not_ours(held.kind)
    return mistake or _said(held, site, scope, fresh, issued, now)


def _following(held: TokenState, scope: str, now: datetime) -> list[grants.NewToken]:
    left = held.grant.expires_at - int(now.timestamp())
    narrower = {"scope": scope} if scope != held.grant.scope else None
    fresh = [grants.NewToken("access", min(grants.ACCESS_LIFE, left), narrower)]
    if "offline_access" in held.grant.scope.split():
        fresh.append(grants.NewToken("refresh", left, {"acr": held.binding["acr"]}))
    return fresh


def _said(
    held: TokenState, site: sites.Site, scope: str, fresh: list[grants.NewToken], issued: list[str], now: datetime
) -> dict:
    access_token, *refresh = issued
    answer = _answer(access_token, fresh[0].life, oidc_claims.scopes_in(scope))
    if refresh:
        answer["refresh_token"] = refresh[0]
    answer["id_token"] = _id_token(held, site, scope, access_token, now)
    return answer


def _answer(access_token: str, life: int, scope: str) -> dict:
    return {"access_token": access_token, "token_type": "Bearer", "expires_in": life, "scope": scope}


def _id_token(held: TokenState, site: sites.Site, scope: str, access_token: str, now: datetime) -> str:
    """OIDC Core §2 and §3.1.3.6. No typ but JWT: every library knows that one. scope: of the access token beside it."""
    moment, grant = int(now.timestamp()), held.grant
    names = oidc_claims.for_id_token(grant.scope) | oidc_claims.always_in_id_token(site, scope)
    claims = {
        **oidc_claims.values(held.person, names),
        "iss": access.issuer(),
        "sub": grant.subject,
        "aud": site.client_id,
        "iat": moment,
        "exp": moment + ID_TOKEN_LIFE,
        "auth_time": grant.auth_time,
        "acr": held.binding["acr"],
        "amr": list(access.AMR),
        "sid": grant.sid,
        "at_hash": _b64(hashlib.sha256(access_token.encode()).digest()[:16]),
    }
    if grant.nonce and held.kind == "code":  # OIDC Core §12.2: not needed again
        claims["nonce"] = grant.nonce
    return sites.keys.signed(claims, use=site.algorithm, kind="JWT", now=now)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
