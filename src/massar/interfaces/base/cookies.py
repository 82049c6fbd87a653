"""Cookies: one table of names and lives. Over https all are `__Host-`, Secure; all are HttpOnly and SameSite=Lax."""

from __future__ import annotations

import base64
import json
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta

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
        response.set_cookie(
            self.name,
            value,
            max_age=self.life and int(self.life.total_seconds()),
            path="/",
            secure=settings.MASSAR.https,
            httponly=True,
            samesite="Lax",
        )

    def drop(self, response: HttpResponse) -> None:
        response.set_cookie(
            self.name, "", max_age=0, path="/", secure=settings.MASSAR.https, httponly=True, samesite="Lax"
        )


SESSION = Cookie("session", None)
CHANGE = Cookie("change", None)
TRUSTED_DEVICES = Cookie("devices", 180 * DAY)
RECOVERY_BROWSER = Cookie("asked", DAY)
LANGUAGE = Cookie("language", 365 * DAY)
RECOVERY_LOGIN = Cookie("typed", timedelta(minutes=15))
FLASH = Cookie("flash", timedelta(minutes=2))
SAVED_REQUEST = Cookie("pending", 2 * DAY)  # the row that it names ends long before
RECENT_LOGOUT = Cookie("told", timedelta(minutes=15))
RETURN_TO = Cookie("next", timedelta(hours=1))
DRAFT = Cookie("draft", timedelta(hours=1))


def write_flash(response: HttpResponse, kind: str, message_id: str, **args: str) -> None:
    """A message for the next page, signed so that no other site can put words there."""
    body = base64.urlsafe_b64encode(json.dumps([kind, message_id, args]).encode()).decode()
    FLASH.write(response, f"{body}.{encryption.browser_keys().sign('flash', body)}")


def read_flash(request: HttpRequest) -> tuple[str, str, dict] | None:
    body, _, tag = FLASH.read(request).partition(".")
    if not tag or len(body) > 2000 or not encryption.browser_keys().verify(tag, "flash", body):
        return None
    kind, message_id, args = json.loads(base64.urlsafe_b64decode(body))
    return kind, message_id, args


def write_recent_logout(response: HttpResponse, leaving: RecentLogout, left: tuple[str, ...] = ()) -> None:
    """Lets this browser see which sites have confirmed the end of sessions since then; it opens nothing.

    left: the sites that have confirmed through this browser.
    """
    requester = [*astuple(leaving.requester)] if leaving.requester else []
    facts = [leaving.person_id, int(leaving.since.timestamp()), leaving.session_id, leaving.alone, left, requester]
    body = base64.urlsafe_b64encode(json.dumps(facts).encode()).decode()
    RECENT_LOGOUT.write(response, f"{body}.{encryption.browser_keys().sign('told', body)}")


def read_recent_logout(request: HttpRequest) -> tuple[RecentLogout, tuple[str, ...]] | None:
    """What this browser may see, for as long as the cookie lives, and the sites that confirmed through it."""
    body, _, tag = RECENT_LOGOUT.read(request)[:LONGEST].rpartition(".")
    if not tag or not encryption.browser_keys().verify(tag, "told", body):
        return None
    person_id, since, session_id, alone, left, requester = json.loads(base64.urlsafe_b64decode(body))
    leaving = RecentLogout(
        person_id,
        datetime.fromtimestamp(since, tz=UTC),
        session_id,
        alone,
        LogoutRequester(*requester) if requester else None,
    )
    return (leaving, tuple(left)) if request.now - leaving.since < RECENT_LOGOUT.life else None
