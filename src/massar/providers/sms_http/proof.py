"""How we prove to a gateway who we are: nothing, a header that stays the same, or an OAuth 2.0 token (RFC 6750 §2.1)."""

import base64
from collections.abc import Mapping
from typing import Protocol

from massar.domain.delivery.provider import NotTransmitted, Rejected
from massar.providers.oauth_token import TokenSource


class Proof(Protocol):
    def headers(self, ends: float) -> Mapping[str, str] | Rejected | NotTransmitted:
        """The headers that prove it, until the moment `ends` of the monotonic clock; or why there are none."""

    def renew(self, refused: Mapping[str, str]) -> bool:
        """The gateway answered 401 to these headers. True if another try with new ones is worth it."""


class Fixed:
    """The same headers every time, or none."""

    def __init__(self, headers: Mapping[str, str] | None = None):
        self._headers = dict(headers or {})

    def headers(self, ends: float) -> Mapping[str, str]:
        return self._headers

    def renew(self, refused: Mapping[str, str]) -> bool:
        return False


class ByToken:
    """A token as the bearer of which we come."""

    def __init__(self, tokens: TokenSource):
        self._tokens = tokens

    def headers(self, ends: float) -> Mapping[str, str] | Rejected | NotTransmitted:
        token = self._tokens.token(ends)
        return {"Authorization": f"Bearer {token}"} if isinstance(token, str) else token

    def renew(self, refused: Mapping[str, str]) -> bool:
        self._tokens.renew(refused["Authorization"].removeprefix("Bearer "))
        return True


def basic(user: str, password: str) -> str:
    """RFC 7617 §2, in UTF-8."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
