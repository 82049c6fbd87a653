"""How we prove to a gateway who we are: nothing, a header that stays the same, or an OAuth 2.0 token.

Client credentials: RFC 6749 §4.4; the token is shown as RFC 6750 §2.1 says.
"""

import base64
import json
import re
import threading
import time
from collections.abc import Mapping
from typing import NamedTuple, Protocol
from urllib.parse import quote_plus, urlencode

from .contract import NotSent, Refused, Unsure
from .http_line import Answer, Call, Caller, Place

_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
# A token whose answer names no life: a 401 fetches a new one anyway.
UNNAMED_LIFE = 300.0
LONGEST_LIFE = 86400.0
_WAIT = frozenset({408, 425, 429})


class Proof(Protocol):
    def headers(self, ends: float) -> Mapping[str, str] | Refused | NotSent:
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


def basic(user: str, password: str) -> str:
    """RFC 7617 §2, in UTF-8."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class TokenPlace(NamedTuple):
    """`in_body`: id and secret stand in the form instead of the Authorization header (RFC 6749 §2.3.1)."""

    place: Place
    client_id: str
    client_secret: str
    scope: str = ""
    in_body: bool = False


class ClientCredentials:
    """Keeps a token until shortly before its end. Threads that need one wait for a single fetch."""

    def __init__(self, at: TokenPlace, caller: Caller):
        self._at, self._caller = at, caller
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def headers(self, ends: float) -> Mapping[str, str] | Refused | NotSent:
        if not self._lock.acquire(timeout=max(0.0, ends - time.monotonic())):
            return NotSent("no token in time")
        try:
            trouble = None if self._token and time.monotonic() < self._until else self._fetch(ends)
            return trouble or {"Authorization": f"Bearer {self._token}"}
        finally:
            self._lock.release()

    def renew(self, refused: Mapping[str, str]) -> bool:
        with self._lock:
            # Another thread may have fetched a new one already.
            if refused == {"Authorization": f"Bearer {self._token}"}:
                self._token = ""
        return True

    def _fetch(self, ends: float) -> Refused | NotSent | None:
        self._token = ""
        asked = time.monotonic()
        answer = self._caller.ask(self._call(), ends=ends)
        if isinstance(answer, NotSent | Unsure):
            return NotSent(f"no token: {answer.why}")
        if answer.status >= 500 or answer.status in _WAIT:
            return NotSent(f"no token: http {answer.status}")
        found = _read(answer)
        if found is None:
            return Refused(f"no token: http {answer.status}", permanent=False, ours=True)
        self._token, life = found
        self._until = asked + life - min(60.0, life / 10)
        return None

    def _call(self) -> Call:
        form = {"grant_type": "client_credentials", **({"scope": self._at.scope} if self._at.scope else {})}
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        if self._at.in_body:
            form |= {"client_id": self._at.client_id, "client_secret": self._at.client_secret}
        else:
            headers["Authorization"] = basic(quote_plus(self._at.client_id), quote_plus(self._at.client_secret))
        return Call("POST", self._at.place, headers, urlencode(form).encode())


def _read(answer: Answer) -> tuple[str, float] | None:
    """Token and life in seconds (RFC 6749 §5.1), or None. Some servers write the number as a text."""
    try:
        said = json.loads(answer.body or b"")
        token, life = said["access_token"], float(said.get("expires_in") or UNNAMED_LIFE)
        bearer = str(said.get("token_type", "bearer")).lower() == "bearer"
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    usable = answer.status == 200 and bearer and isinstance(token, str) and _TOKEN.fullmatch(token)
    return (token, min(life, LONGEST_LIFE)) if usable and life > 0 else None
