"""Verifying what others hand us as signed: our own ID tokens as hints, and sites' client assertions.

The algorithm comes from the key and an allow-list, never from the token alone; of the header only kid is used, so that
jku, x5u and jwk lead nowhere (RFC 8725 §3.1, §3.5; ATK-108). A name that stands twice is refused.
"""

import base64
import contextlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from massar.domain.sites import api as sites

ASSERTION_ALGORITHMS = ("ES256", "ES384", "PS256", "RS256", "EdDSA")
LONGEST = 6000

Claims = dict[str, Any]  # what a JWS says, of any JSON type


def verified(token: str, jwks: Sequence[sites.keys.Jwk], algorithms: Sequence[str]) -> Claims | None:
    """The claims of a compact JWS under one of the public keys; None if anything about it is wrong."""
    if len(token) > LONGEST or token.count(".") != 2:
        return None
    try:
        head, body = (_object(part) for part in token.split(".")[:2])
    except (ValueError, TypeError, RecursionError):
        return None
    algorithm, kid = head.get("alg"), head.get("kid")
    if algorithm not in algorithms or {"crit", "b64"} & set(head):
        return None
    for jwk in jwks:
        same_key = "kid" not in head or jwk.get("kid", "") in ("", kid)
        if same_key and jwk.get("alg", algorithm) == algorithm and jwk.get("use", "sig") == "sig":
            with contextlib.suppress(JoseError, ValueError, TypeError, KeyError, RecursionError):
                jws.deserialize_compact(token, sites.rules.public_key(jwk), algorithms=[algorithm])
                return body
    return None


def of_ours(token: str, *, now: datetime) -> Claims | None:
    """The claims of an ID token that we signed, however old (OIDC Core §3.1.2.1, RP-Initiated Logout §2)."""
    return _claims(token, [signer.jwk for signer in sites.keys.published(now=now)])


def of_a_removed_key(token: str) -> Claims | None:
    """The same under a key that signs no longer, and may have been stolen: it says what site may be meant, and proves
    nothing."""
    return _claims(token, sites.keys.removed_jwks())


def _claims(token: str, jwks: Sequence[sites.keys.Jwk]) -> Claims | None:
    claims = verified(token, jwks, ("ES256", "RS256"))
    plain = claims is not None and all(isinstance(claims.get(n), str) for n in ("iss", "aud", "sub", "sid"))
    return claims if plain else None


def _object(part: str) -> Claims:
    text = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    found = json.loads(text, object_pairs_hook=_each_once)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _each_once(pairs: list[tuple[str, object]]) -> Claims:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)
