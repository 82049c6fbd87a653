"""OAuth 2.0 tokens for providers that must show one: by client credentials (RFC 6749 §4.4) or a refresh token (§6).

Authlib writes the request and reads the answer. It goes through HttpClient, as every message does: one deadline for
all of it, verified TLS, no redirects.
"""

import json
import re
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlencode

from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client

from massar.domain.delivery.provider import NotTransmitted, OutcomeUnknown, Rejected
from massar.providers.http_client import HttpClient, HttpRequest, HttpResponse, Origin

_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
_ERROR = re.compile(r"[a-z_]{1,40}")  # RFC 6749 §5.2; its description may repeat what was sent
# A token whose answer names no life: whoever refuses it has a new one fetched anyway.
UNNAMED_LIFE = 300.0
LONGEST_LIFE = 86400.0
_WAIT = frozenset({408, 425, 429})
_HEADERS = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}


class TokenEndpoint(NamedTuple):
    """Where tokens are fetched, and as whom. `in_body`: id and secret stand in the form instead of the Authorization
    header (RFC 6749 §2.3.1); an id without a secret always does. With a `refresh_token` it is what is shown."""

    origin: Origin
    target: str
    client_id: str
    client_secret: str = ""
    scope: str = ""
    in_body: bool = False
    refresh_token: str = ""


class TokenSource:
    """Keeps a token until shortly before its end. Threads that need one wait for a single fetch."""

    def __init__(self, at: TokenEndpoint, client: HttpClient):
        self._at, self._client = at, client
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0
        self._refresh = at.refresh_token

    def token(self, ends: float) -> str | Rejected | NotTransmitted:
        """A living token, until the moment `ends` of the monotonic clock; or why there is none."""
        if not self._lock.acquire(timeout=max(0.0, ends - time.monotonic())):
            return NotTransmitted("no token in time")
        try:
            trouble = None if self.holds() else self._fetch(ends)
            return trouble or self._token
        finally:
            self._lock.release()

    def holds(self) -> bool:
        """Whether the next token is one that was fetched earlier."""
        return bool(self._token) and time.monotonic() < self._until

    def renew(self, refused: str) -> None:
        """That token was refused: the next one is fetched. Another thread may have done so already."""
        with self._lock:
            if refused == self._token:
                self._token = ""

    def _fetch(self, ends: float) -> Rejected | NotTransmitted | None:
        self._token = ""
        asked = time.monotonic()
        session = _Session(self._client, self._at, ends)
        try:
            said = self._oauth(session).fetch_token(headers=_HEADERS, **self._grant())
        except _NoAnswer as trouble:
            return NotTransmitted(f"no token: {trouble}")
        except (AuthlibBaseError, ValueError, TypeError, AttributeError, OverflowError) as refusal:
            return self._refused(session, getattr(refusal, "error", ""))
        found = _usable(said) if session.status == 200 else None
        if found is None:
            return self._refused(session)
        self._token, life = found
        self._until = asked + life - min(60.0, life / 10)
        # A server may give a newer one (§6). It lives in this process: the configured one must stay valid beside it.
        newer = said.get("refresh_token")
        if self._refresh and isinstance(newer, str) and _TOKEN.fullmatch(newer):
            self._refresh = newer
        return None

    def _refused(self, session: "_Session", error: object = "") -> Rejected:
        self._refresh = self._at.refresh_token
        told = f", {error}" if isinstance(error, str) and _ERROR.fullmatch(error) else ""
        return Rejected(f"no token: http {session.status}{told}", permanent=False, configuration_error=True)

    def _oauth(self, session: "_Session") -> OAuth2Client:
        at = self._at
        if not at.client_secret or at.in_body:
            method = "client_secret_post" if at.client_secret else "none"
            return OAuth2Client(session, at.client_id, at.client_secret, method)
        # Authlib joins them as they are; §2.3.1 wants each form-encoded first.
        return OAuth2Client(session, quote_plus(at.client_id), quote_plus(at.client_secret), "client_secret_basic")

    def _grant(self) -> dict[str, str]:
        scope = {"scope": self._at.scope} if self._at.scope else {}
        if self._refresh:
            return {"grant_type": "refresh_token", "refresh_token": self._refresh, **scope}
        return {"grant_type": "client_credentials", **scope}


class _NoAnswer(Exception):
    """Nobody said yes or no: the next try may do."""


class _Session:
    """What Authlib speaks through. `status`: of the answer, as soon as there is one."""

    def __init__(self, client: HttpClient, at: TokenEndpoint, ends: float):
        self._client, self._at, self._ends = client, at, ends
        self.status = 0

    def post(self, url: None, data: dict[str, str], headers: dict[str, str], auth: ClientAuth) -> "_Response":
        _, headers, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        request = HttpRequest("POST", self._at.origin, self._at.target, headers, body.encode())
        answer = self._client.send(request, ends=self._ends)
        if isinstance(answer, NotTransmitted | OutcomeUnknown):
            raise _NoAnswer(answer.why)
        if answer.status >= 500 or answer.status in _WAIT:
            raise _NoAnswer(f"http {answer.status}")
        self.status = answer.status
        return _Response(answer)


class _Response:
    """As much of a response of `requests` as Authlib reads."""

    def __init__(self, answer: HttpResponse):
        self.status_code, self._body = answer.status, answer.body or b""

    def json(self) -> object:
        try:
            return json.loads(self._body)
        except RecursionError as trouble:
            raise ValueError("nested too deeply") from trouble

    def raise_for_status(self) -> None:
        raise ValueError(f"http {self.status_code}")


def _usable(said: Mapping[str, Any]) -> tuple[str, float] | None:
    """Token and life in seconds (RFC 6749 §5.1), or None. Some servers write the number as a text."""
    token, life = said.get("access_token"), float(said.get("expires_in") or UNNAMED_LIFE)
    bearer = str(said.get("token_type", "bearer")).lower() == "bearer"
    if not (bearer and isinstance(token, str) and _TOKEN.fullmatch(token) and life > 0):
        return None
    return token, min(life, LONGEST_LIFE)
