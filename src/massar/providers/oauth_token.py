"""OAuth 2.0 tokens for providers that must show one: by client credentials (RFC 6749 §4.4) or a refresh token (§6).

Authlib writes the request and reads the answer. It goes through HttpClient, as every message does: one deadline for all
of it, verified TLS, no redirects."""

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote_plus, urlencode

from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client
from pydantic import PlainValidator

from massar.core.settings import Expected, Line, Table
from massar.domain.delivery.provider import NotTransmitted, OutcomeUnknown, ProviderOptions, Rejected
from massar.providers.http_client import HttpClient, HttpRequest, Origin, read_address

_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
_ERROR = re.compile(r"[a-z_]{1,40}")  # RFC 6749 §5.2; its description may repeat what was sent
# A token whose answer names no life: whoever refuses it has a new one fetched anyway.
UNNAMED_LIFE = 300.0
LONGEST_LIFE = 86400.0
_WAIT = frozenset({408, 425, 429})
_HEADERS = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, repr=False)
class TokenAuth(Table):
    token_url: Annotated[tuple[Origin, str] | None, PlainValidator(read_address), Expected("an address")] = None
    """where tokens are fetched; https, or http on this machine"""
    client_id: Line = ""
    """who we are there"""
    client_secret: str = ""
    """its secret. This or `refresh_token` is required"""
    refresh_token: str = ""
    """it is shown for tokens (RFC 6749 §6). Without it the client's own right counts (client credentials, §4.4)"""
    scope: Line = ""
    """what is asked for"""
    client_in: Literal["header", "body"] = "header"
    """`body` puts id and secret into the form; an id without a secret always stands there"""

    def judge(self) -> Iterator[tuple[str, str]]:
        for name in ("token_url", "client_id"):
            if not getattr(self, name):
                yield name, f"auth.{name} is missing: tokens can't be fetched without it"
        if not self.client_secret and not self.refresh_token:
            yield "client_secret refresh_token", "auth.client_secret is missing: give it, or auth.refresh_token"


class TokenSource:
    """Keeps a token until shortly before its end. Threads that need one wait for a single fetch. `auth` was judged."""

    def __init__(self, auth: TokenAuth, options: ProviderOptions):
        assert auth.token_url
        self._auth, self._request = auth, HttpRequest("POST", *auth.token_url, _HEADERS)
        self._client = HttpClient(options, secure=self._request.origin.secure)
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0
        self._refresh = auth.refresh_token

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
        asked, session = time.monotonic(), _Session(self._client, self._request, ends)
        grant = {"grant_type": "client_credentials"}
        if self._refresh:
            grant = {"grant_type": "refresh_token", "refresh_token": self._refresh}
        if self._auth.scope:
            grant["scope"] = self._auth.scope
        try:
            said = self._oauth(session).fetch_token(headers=_HEADERS, **grant)
        except _NoAnswer as trouble:
            return NotTransmitted(f"no token: {trouble}")
        except (AuthlibBaseError, ValueError, TypeError, AttributeError, OverflowError) as refusal:
            return self._refused(session, getattr(refusal, "error", ""))
        found = _usable(said) if session.status_code == 200 else None
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
        self._refresh = self._auth.refresh_token
        told = f", {error}" if isinstance(error, str) and _ERROR.fullmatch(error) else ""
        return Rejected(f"no token: http {session.status_code}{told}", permanent=False, configuration_error=True)

    def _oauth(self, session: "_Session") -> OAuth2Client:
        id, secret = self._auth.client_id, self._auth.client_secret
        if not secret or self._auth.client_in == "body":
            return OAuth2Client(session, id, secret, "client_secret_post" if secret else "none")
        # Authlib joins them as they are; §2.3.1 wants each form-encoded first.
        return OAuth2Client(session, quote_plus(id), quote_plus(secret), "client_secret_basic")


class _NoAnswer(Exception):
    """Nobody said yes or no: the next try may do."""


class _Session:
    """What Authlib speaks through: as much of `requests`' session and response as it uses. `status_code`: of the
    answer, as soon as there is one."""

    def __init__(self, client: HttpClient, request: HttpRequest, ends: float):
        self._client, self._request, self._ends = client, request, ends
        self.status_code, self._body = 0, b""

    def post(self, url: None, data: dict[str, str], headers: dict[str, str], auth: ClientAuth) -> "_Session":
        _, headers, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        answer = self._client.send(self._request._replace(headers=headers, body=body.encode()), ends=self._ends)
        if isinstance(answer, NotTransmitted | OutcomeUnknown):
            raise _NoAnswer(answer.why)
        if answer.status >= 500 or answer.status in _WAIT:
            raise _NoAnswer(f"http {answer.status}")
        self.status_code, self._body = answer.status, answer.body or b""
        return self

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
