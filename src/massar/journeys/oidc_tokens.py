"""What a site's server gets: tokens for a code, for a refresh token, for itself; claims; whether a token is good.

Hot paths: a handful of statements, no page, no session of a browser. Whatever is asked, the person must be active and
the session that granted it must not have ended.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.journeys import issue_assertion as assertion
from massar.journeys import oidc_claims

ID_TOKEN_LIFE = 300
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 §4.1
grants = sites.grants


@dataclass(frozen=True)
class Refused:
    """An error of RFC 6749 §5.2; `detail` is for the integrator."""

    error: str
    detail: str = ""


@transaction.atomic
def for_code(
    *, site: sites.Site, code: str, redirect_uri: str, verifier: str, now: datetime
) -> dict | Refused:
    """The token answer for an authorization code, which this call uses up whatever comes of it."""
    moment = int(now.timestamp())
    spent = grants.spend("code", code, site=site.slug, now=moment)
    if spent is None:
        return Refused("invalid_grant", "The code is unknown, used, too old or another site's.")
    bound = spent.binding
    if redirect_uri != bound.get("redirect_uri"):
        return Refused("invalid_grant", "redirect_uri is not the one of the authorization request.")
    if not _verifies(verifier, bound.get("challenge", "")):
        return Refused("invalid_grant", "code_verifier does not fit the request's code_challenge.")
    return _tokens(site, spent.grant, spent.grant.scope, bound, spent.grant.nonce, now)


@transaction.atomic
def for_refresh(*, site: sites.Site, token: str, scope: str, now: datetime) -> dict | Refused:
    """The token answer for a refresh token, with the next one in it; the old one is used up (RFC 9700 §4.14.2).

    A narrower scope is that of the answer's access token alone; the next refresh token keeps the whole (RFC 6749 §6).
    """
    found = grants.grant_of(token)
    if found and found.site == site.slug and not set(scope.split()) <= set(found.scope.split()):
        return Refused("invalid_scope", "scope may not become wider than it was.")
    spent = grants.spend("refresh", token, site=site.slug, now=int(now.timestamp()))
    if spent is None:
        return Refused("invalid_grant", "The refresh token is unknown, used, too old or another site's.")
    return _tokens(site, spent.grant, _narrowed(spent.grant.scope, scope), spent.binding, "", now)


def _narrowed(granted: str, asked: str) -> str:
    """What is both granted and asked for. Single claims of the first request belong to no scope and stay behind."""
    return " ".join(mark for mark in granted.split() if mark in asked.split()) if asked else granted


@transaction.atomic
def for_site(*, site: sites.Site, scope: str, now: datetime) -> dict | Refused:
    """An access token of the site's own (RFC 6749 §4.4)."""
    if not site.service:
        return Refused("unauthorized_client", "This site has no service of its own.")
    own = [s for s in site.scopes if s not in ("openid", "offline_access")]
    wanted = scope.split() or own
    if not set(wanted) <= set(own):
        return Refused("invalid_scope", "A scope is not registered for this site.")
    moment = int(now.timestamp())
    granted = " ".join(dict.fromkeys(wanted))
    grant_id = grants.open_grant(
        site=site.slug, scope=granted, now=moment, life=grants.SERVICE_LIFE, subject=site.client_id
    )
    access = grants.issue("access", grant_id, now=moment, life=grants.SERVICE_LIFE)
    return _answer(access, grants.SERVICE_LIFE, granted)


def userinfo(*, token: str, now: datetime) -> dict | None:
    """The claims behind an access token; None if it opens nothing (RFC 6750 §3.1 invalid_token)."""
    grant = grants.live("access", token, now=int(now.timestamp()))
    person = _person(grant) if grant and grant.person_id and "openid" in grant.scope.split() else None
    if person is None:
        return None
    return {**oidc_claims.values(person, oidc_claims.for_userinfo(grant.scope)), "sub": grant.subject}


def introspect(*, asking: sites.Site, token: str, now: datetime) -> dict:
    """What a resource server may know of an access token (RFC 7662 §2.2). Refresh tokens are nobody's business."""
    grant = grants.live("access", token, now=int(now.timestamp()))
    if grant is None or (grant.person_id and _person(grant) is None):
        return {"active": False}
    said = {
        "active": True,
        "token_type": "Bearer",
        "client_id": _client_id(grant.site),
        "scope": oidc_claims.scopes_in(grant.scope),
        "iss": assertion.issuer(),
        "exp": grants.ends_at(token),
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


def _client_id(slug: str) -> str:
    known = settings.MASSAR.sites.by_slug.get(slug)
    return known.client_id if known else ""


def _person(grant: sites.GrantFacts) -> people.PersonFacts | None:
    """The person of a grant, as long as account and session stand."""
    person = people.directory.by_id(grant.person_id)
    stands = person and person.active and not sessions.signed_in.has_ended(grant.session_id)
    return person if stands else None


def _verifies(verifier: str, challenge: str) -> bool:
    """PKCE, S256. A verifier without a challenge means that the challenge was taken away (RFC 9700 §4.8.2)."""
    if not challenge:
        return not verifier
    digest = hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest()
    right = hmac.compare_digest(_b64(digest).encode(), challenge.encode())
    return bool(VERIFIER.fullmatch(verifier)) and right


def _tokens(
    site: sites.Site, grant: sites.GrantFacts, scope: str, bound: dict, nonce: str, now: datetime
) -> dict | Refused:
    person = _person(grant)
    if person is None:
        return Refused("invalid_grant", "The session behind it has ended.")
    moment = int(now.timestamp())
    life = min(grants.ACCESS_LIFE, grant.expires_at - moment)
    narrower = {"scope": scope} if scope != grant.scope else None
    access = grants.issue("access", grant.id, now=moment, life=life, binding=narrower)
    answer = _answer(access, life, oidc_claims.scopes_in(scope))
    if "offline_access" in grant.scope.split():
        answer["refresh_token"] = grants.issue(
            "refresh", grant.id, now=moment, life=grant.expires_at - moment, binding={"acr": bound["acr"]}
        )
    answer["id_token"] = _id_token(site, grant, person, access, bound["acr"], nonce, now)
    return answer


def _answer(access: str, life: int, scope: str) -> dict:
    return {"access_token": access, "token_type": "Bearer", "expires_in": life, "scope": scope}


def _id_token(
    site: sites.Site,
    grant: sites.GrantFacts,
    person: people.PersonFacts,
    access: str,
    acr: str,
    nonce: str,
    now: datetime,
) -> str:
    """OIDC Core §2 and §3.1.3.6. No typ but JWT: every library knows that one."""
    moment = int(now.timestamp())
    claims = {
        **oidc_claims.values(person, oidc_claims.for_id_token(grant.scope)),
        "iss": assertion.issuer(),
        "sub": grant.subject,
        "aud": site.client_id,
        "iat": moment,
        "exp": moment + ID_TOKEN_LIFE,
        "auth_time": grant.auth_time,
        "acr": acr,
        "amr": list(assertion.AMR),
        "sid": assertion.session_name(site, grant.session_id),
        "at_hash": _b64(hashlib.sha256(access.encode()).digest()[:16]),
    }
    if nonce:
        claims["nonce"] = nonce
    return sites.keys.signed(claims, use=site.algorithm, kind="JWT", now=now)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
