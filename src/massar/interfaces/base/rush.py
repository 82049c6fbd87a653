"""A rush: which requests wait for a turn at the hash, who sends them, and what is said to those who are sent away.

Who is sent away gets a ticket, in a cookie, and goes first when coming back (`turns.py` has the order). A ticket names
the network and the moment in which its browser first came, so it can be neither forged nor carried elsewhere; it is
good once in each process, for five minutes. It opens nothing, and no account is in it: known and unknown names get the
same one. Its holders count against their network's share like everybody else, so collecting tickets brings nobody
further than standing in the line does.

When to come back is reckoned from how many were sent away before and how fast turns pass: they return one after the
other, not all at once. The page of the sign-in costs next to nothing: it is kept rendered, and what was typed is filled
in; the password is not. What was sent from other pages is answered by these themselves, without a turn."""

import io
import logging
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpResponse
from django.template.loader import get_template
from django.urls import Resolver404, resolve, reverse
from django.utils import translation
from markupsafe import escape

from massar.core import clock, ids
from massar.domain.sessions import api as sessions
from massar.interfaces.base import addresses, cookies, jinja, middleware, page, rsgi
from massar.interfaces.base.request import Request
from massar.interfaces.base.turns import PlaceInLine, Turns

MOST_SPENT = 100_000  # tickets that a process remembers
HALF_GONE = timedelta(minutes=1)  # then half of those who were sent away are not expected any more
SOONEST, LATEST = 3, 90  # seconds after which somebody is told to come back
SAID = (5, 10, 20, 30, 60, 90)  # as the page tells them; the header is exact
TOLD_EVERY = timedelta(minutes=1)
LONGEST_FORM = 16 * 1024  # bytes that are read again for what was typed
LONGEST_LOGIN = 254
FORM_TOKEN = re.compile(r"[A-Za-z0-9]{64}")
SEALED, SOLUTION = re.compile(r"[A-Za-z0-9_=-]{1,8000}"), re.compile(r"[0-9a-f]{0,128}")
FIELDS = ("csrfmiddlewaretoken", "user", "challenge", "solution")
SLOTS = {f"slot{ids.short_token()}": field for field in FIELDS}
note = logging.getLogger("massar.web")


class Away(NamedTuple):
    """The whole answer to somebody who is sent away, as RSGI takes it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Admission:
    """What one process knows of a rush. Its methods are the loop's; `come_back` is anybody's."""

    def __init__(self) -> None:
        self.turns, never = Turns(), datetime.min.replace(tzinfo=UTC)
        self._spent: dict[str, datetime] = {}  # tickets, the oldest use first
        self._expected, self._as_of = 0.0, never  # how many will come back, as of then
        self._sent_away, self._told_at = 0, never

    def by_turns(self, told: Mapping[str, Any]) -> bool:
        """Whether the request may ask for a hash: it waits for its turn."""
        if told["REQUEST_METHOD"] != "POST":
            return False
        try:
            return resolve(told["PATH_INFO"]).url_name in addresses.BY_TURNS
        except Resolver404:
            return False

    def place(self, call: rsgi.Call) -> PlaceInLine:
        """Make the place of a request. A ticket that it brings is spent by that: its answer takes the cookie away."""
        request = call.request = Request(call.told)
        known = sessions.devices.read(request.browser.trusted_devices, now=request.now)
        since = self._spend(request)
        if since is not None:
            spent = HttpResponse()
            cookies.PLACE.drop(spent)
            call.cookies = cookies.headers(spent)
        return PlaceInLine(
            call, network=request.browser.network, person=known[0].person_id if known else 0,
            inside=not _signs_in(request), since=since,
        )  # fmt: skip

    def send_away(self, place: PlaceInLine) -> Away | None:
        """Return the answer; None: the address makes its own one, and a ticket goes with it."""
        call: rsgi.Call = place.call
        request: Request = call.request or Request(call.told)
        self._tell(request.now)
        if _signs_in(request):
            response = self.come_back(request, since=place.since)
            for name, value in middleware.headers(request.language, settings.MASSAR.https).items():
                response.headers.setdefault(name, value)
            return Away(503, [*response.headers.items(), *cookies.headers(response)], response.content)
        ticket = HttpResponse()
        self._give_ticket(ticket, request, place.since)
        call.cookies = cookies.headers(ticket)
        return None

    def come_back(self, request: Request, *, since: float | None = None) -> HttpResponse:
        """The page for whoever wanted to sign in, with a ticket. since: when this browser first came, by its ticket."""
        wait = math.ceil(min(SOONEST + self._expect(0, request.now) * self.turns.pace, LATEST))
        response = HttpResponse(_page(request, wait), status=503)
        response["Retry-After"] = str(wait)
        self._give_ticket(response, request, since)
        return response

    def _give_ticket(self, response: HttpResponse, request: Request, since: float | None) -> None:
        now = request.now.timestamp()
        self._expect(1, request.now)
        facts = (request.browser.network, now if since is None else since, ids.short_token(), now)
        cookies.PLACE.write_signed(response, "place", facts)

    def _spend(self, request: Request) -> float | None:
        """Since when the ticket of this browser waits; None where there is none that is good."""
        network, since, name, given = cookies.PLACE.read_signed(request, "place") or ("", 0.0, "", 0.0)
        age = request.now - datetime.fromtimestamp(given, UTC)
        if network != request.browser.network or not -clock.SKEW <= age < cookies.PLACE_LIFE or name in self._spent:
            return None
        self._spent[name] = request.now
        over = request.now - cookies.PLACE_LIFE - clock.SKEW
        while len(self._spent) > MOST_SPENT or next(iter(self._spent.values())) < over:
            del self._spent[next(iter(self._spent))]
        self._expect(-1, request.now)
        return float(since)

    def _expect(self, change: int, now: datetime) -> float:
        """How many will come back, after that change."""
        passed = max(0.0, (now - self._as_of) / HALF_GONE)
        self._expected, self._as_of = max(0.0, self._expected * 0.5**passed + change), now
        return self._expected

    def _tell(self, now: datetime) -> None:
        """Tell the log at once, and then once a minute."""
        self._sent_away += 1
        if now - self._told_at >= TOLD_EVERY:
            about = (self._sent_away, len(self.turns), round(self.turns.pace * 1000))
            note.warning("a rush: %d were told to come back since the last such line; %d wait, %d ms each", *about)
            self._sent_away, self._told_at = 0, now


def _signs_in(request: Request) -> bool:
    return request.path == jinja.url("sign_in")


def _page(request: Request, wait: int) -> bytes:
    typed = _typed(request)
    said = next(seconds for seconds in SAID if seconds >= wait)
    whole = _skeleton(request.language, said, bool(typed["challenge"]))
    return b"".join(escape(typed[part]).encode() if isinstance(part, str) else part for part in whole)


def _typed(request: Request) -> dict[str, str]:
    """What goes into the form again: never the password. A challenge holds what was typed before it, sealed."""
    nothing = dict.fromkeys(FIELDS, "")
    if request.content_type != "application/x-www-form-urlencoded" or rsgi.length(request.META) > LONGEST_FORM:
        return nothing
    try:
        posted = {name: request.POST.get(name, "") for name in FIELDS}
    except (SuspiciousOperation, BadRequest):
        return nothing
    token, sealed, solution = (posted[name] for name in ("csrfmiddlewaretoken", "challenge", "solution"))
    challenged = SEALED.fullmatch(sealed) and SOLUTION.fullmatch(solution)
    return {
        "csrfmiddlewaretoken": token if FORM_TOKEN.fullmatch(token) else "", "user": posted["user"][:LONGEST_LOGIN],
        "challenge": sealed if challenged else "", "solution": solution if challenged else "",
    }  # fmt: skip


@lru_cache(maxsize=64)
def _skeleton(language: str, seconds: int, challenged: bool) -> list[bytes | str]:
    """The page in pieces; where a field stands, its name."""
    request = Request({"REQUEST_METHOD": "GET", "PATH_INFO": reverse("sign_in"), "wsgi.input": io.BytesIO()})
    request.language = language
    slots = {field: slot for slot, field in SLOTS.items()}
    token = page.CSRF_FIELD.format(slots["csrfmiddlewaretoken"])
    with translation.override(language):
        shown = {**page.context(request), "csrf_field": lambda: token, "seconds": seconds, "typed": slots}
        text = get_template("sign_in/come_back.html").render({**shown, "challenged": challenged})
    pieces = re.split(f"({'|'.join(SLOTS)})", text)
    return [SLOTS[piece] if piece in SLOTS else piece.encode() for piece in pieces]


here = Admission()
