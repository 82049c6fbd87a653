"""Cookies: one table of names and lives. Over https all are `__Host-`, Secure; all are HttpOnly and SameSite=Lax."""

import base64
import json
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from massar.core import encryption
from massar.journeys.sso.log_out_of_sites import LogoutRequester, RecentLogout

DAY = timedelta(days=1)
LONGEST = 3600  # characters of one; browsers keep 4096 with its name


@dataclass(frozen=True)
class Cookie:
    """`life` None: until the browser is closed."""

    short: str
    life: timedelta | None

    @property
    def name(self) -> str:
        return f"__Host-massar-{self.short}" if settings.MASSAR.https else f"massar-{self.short}"

    def read(self, request: HttpRequest) -> str:
        return request.COOKIES.get(self.name, "")

    def write(self, response: HttpResponse, value: str) -> None:
        self._set(response, value, int(self.life.total_seconds()) if self.life else None)

    def drop(self, response: HttpResponse) -> None:
        self._set(response, "", 0)

    def write_signed(self, response: HttpResponse, purpose: str, facts: object) -> None:
        """Write facts that nobody but us can have written."""
        body = base64.urlsafe_b64encode(json.dumps(facts).encode()).decode()
        self.write(response, f"{body}.{encryption.browser_keys().sign(purpose, body)}")

    def read_signed(self, request: HttpRequest, purpose: str) -> list[Any] | None:
        """Return such facts; None where there are none, or somebody else has written them."""
        body, _, signature = self.read(request)[:LONGEST].rpartition(".")
        if not signature or not encryption.browser_keys().verify(signature, purpose, body):
            return None
        facts: list[Any] = json.loads(base64.urlsafe_b64decode(body))
        return facts

    def _set(self, response: HttpResponse, value: str, max_age: int | None) -> None:
        https = settings.MASSAR.https
        response.set_cookie(self.name, value, max_age, path="/", secure=https, httponly=True, samesite="Lax")


SESSION = Cookie("session", None)
CHANGE = Cookie("change", None)
SECOND_STEP = Cookie("second", None)
TRUSTED_DEVICES = Cookie("devices", 180 * DAY)
RECOVERY_BROWSER = Cookie("asked", DAY)
LANGUAGE = Cookie("language", 365 * DAY)
RECOVERY_LOGIN = Cookie("typed", timedelta(minutes=15))
FLASH = Cookie("flash", timedelta(minutes=2))
SAVED_REQUEST = Cookie("pending", 2 * DAY)  # the row that it names ends long before
RECENT_LOGOUT_LIFE = timedelta(minutes=15)
RECENT_LOGOUT = Cookie("told", RECENT_LOGOUT_LIFE)
RETURN_TO = Cookie("next", timedelta(hours=1))
PLACE_LIFE = timedelta(minutes=5)
PLACE = Cookie("place", PLACE_LIFE)
DRAFT = Cookie("draft", timedelta(hours=1))
DESK = Cookie("desk", None)  # when this session last used the help desk


def headers(response: HttpResponse) -> list[tuple[str, str]]:
    """The cookies of a response as lines of its head."""
    return [("Set-Cookie", one.OutputString()) for one in response.cookies.values()]


def write_flash(response: HttpResponse, kind: str, message_id: str, **args: str) -> None:
    """Leave a message for the next page, signed so that no other site can put words there."""
    FLASH.write_signed(response, "flash", [kind, message_id, args])


def read_flash(request: HttpRequest) -> tuple[str, str, dict[str, str]] | None:
    kind, message_id, args = FLASH.read_signed(request, "flash") or ("", "", {})
    return (kind, message_id, args) if kind else None


def write_recent_logout(response: HttpResponse, recent: RecentLogout) -> None:
    """Let this browser see which sites have confirmed the end of sessions since then; it opens nothing."""
    requester = astuple(recent.requester) if recent.requester else ()
    facts = (recent.person_id, int(recent.since.timestamp()), recent.session_id, recent.alone)
    RECENT_LOGOUT.write_signed(response, "told", [*facts, recent.confirmed, requester])


def read_recent_logout(request: HttpRequest, now: datetime) -> RecentLogout | None:
    facts = RECENT_LOGOUT.read_signed(request, "told")
    since = datetime.fromtimestamp(facts[1], tz=UTC) if facts else now
    if facts is None or now - since >= RECENT_LOGOUT_LIFE:
        return None
    person_id, _, session_id, alone, confirmed, asked = facts
    requester = LogoutRequester(*asked) if asked else None
    return RecentLogout(person_id, since, session_id, alone, requester, tuple(confirmed))
