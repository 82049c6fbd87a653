"""What the account signs for a site, read with joserfc: the gate's facts, and the word that a session is over."""

from __future__ import annotations

import json
from functools import cache

import requests
from django.conf import settings
from django.http import HttpResponse
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet


@cache
def discovered() -> dict:
    """The account's own description of itself (OpenID Connect Discovery)."""
    answer = requests.get(f"{settings.ACCOUNT}/.well-known/openid-configuration", timeout=10)
    answer.raise_for_status()
    return answer.json()


@cache
def _keys(_again: int = 0) -> KeySet:
    return KeySet.import_key_set(requests.get(discovered()["jwks_uri"], timeout=10).json())


def verified(token: str, *, audience: str, kind: str) -> dict:
    """The claims of a token that the account signed for us. Raises joserfc.errors.JoseError. Keys roll: an unknown one is
    looked up once more."""
    try:
        read = jwt.decode(token, _keys(), algorithms=["ES256", "RS256"])
    except (InvalidKeyIdError, ValueError):
        _keys.cache_clear()
        read = jwt.decode(token, _keys(), algorithms=["ES256", "RS256"])
    if read.header.get("typ") != kind:
        raise ValueError(f"this is no {kind}")
    wanted = {"iss": settings.ACCOUNT, "aud": audience}
    must = {name: {"essential": True, "value": value} for name, value in wanted.items()}
    jwt.JWTClaimsRegistry(exp={"essential": True}, leeway=30, **must).validate(read.claims)
    return read.claims


def told_to_sign_out(request, *, audience: str) -> HttpResponse:
    """The account's signed word that a session is over (OpenID Connect Back-Channel Logout 1.0 §2.6)."""
    try:
        claims = verified(request.POST.get("logout_token", ""), audience=audience, kind="logout+jwt")
        if "http://schemas.openid.net/event/backchannel-logout" not in claims["events"] or "nonce" in claims:
            raise ValueError("this is no logout token")
    except Exception as refused:  # whatever is wrong with it: not believed
        return HttpResponse(json.dumps({"error": "invalid_request", "error_description": str(refused)}), status=400)
    request.site.end(claims["sid"])
    return HttpResponse(status=200)
