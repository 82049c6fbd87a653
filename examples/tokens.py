"""What the account signs for a site, read with joserfc: the gate's facts, and the word that a session is over."""

import json
from functools import cache
from typing import Any

import requests
from django.http import HttpResponse
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet

from examples.kit import DEMO, SiteRequest


@cache
def discovered() -> dict[str, Any]:
    """The account's own description of itself (OpenID Connect Discovery)."""
    answer = requests.get(f"{DEMO.account}/.well-known/openid-configuration", timeout=10)
    answer.raise_for_status()
    document: dict[str, Any] = answer.json()
    return document


@cache
def _keys(_again: int = 0) -> KeySet:
    return KeySet.import_key_set(requests.get(discovered()["jwks_uri"], timeout=10).json())


def verified(token: str, *, audience: str, kind: str) -> dict[str, Any]:
    """The claims of a token that the account signed for us. Raises joserfc.errors.JoseError. Keys roll: an unknown one
    is looked up once more."""
    try:
        read = jwt.decode(token, _keys(), algorithms=["ES256", "RS256"])
    except (InvalidKeyIdError, ValueError):
        _keys.cache_clear()
        read = jwt.decode(token, _keys(), algorithms=["ES256", "RS256"])
    if read.header.get("typ") != kind:
        raise ValueError(f"this is no {kind}")
    jwt.JWTClaimsRegistry(
        leeway=30,
        exp={"essential": True},
        iss={"essential": True, "value": DEMO.account},
        aud={"essential": True, "value": audience},
    ).validate(read.claims)
    return read.claims


def told_to_sign_out(request: SiteRequest, *, audience: str) -> HttpResponse:
    """The account's signed word that a session is over (OpenID Connect Back-Channel Logout 1.0 §2.6)."""
    try:
        claims = verified(request.POST.get("logout_token", ""), audience=audience, kind="logout+jwt")
        if "http://schemas.openid.net/event/backchannel-logout" not in claims["events"] or "nonce" in claims:
            raise ValueError("this is no logout token")
    except Exception as refused:  # whatever is wrong with it: not believed
        return HttpResponse(json.dumps({"error": "invalid_request", "error_description": str(refused)}), status=400)
    request.site.end(claims["sid"])
    return HttpResponse(status=200)
