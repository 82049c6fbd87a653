"""The page on which an unknown browser meets a challenge: by itself where scripts run, by waiting where none do."""

from django.http import HttpResponse
from django.urls import reverse

from massar.interfaces.base import page
from massar.interfaces.base.request import Request
from massar.journeys.account import defend
from massar.journeys.outcomes import ChallengeRequired

FIELD = "challenge"


def read(request: Request, action: str) -> defend.ChallengeAnswer | None:
    """The challenge that came back with what was typed before it."""
    sealed, solution = request.POST.get(FIELD, ""), request.POST.get("solution", "")
    return defend.resume(sealed=sealed, solution=solution, action=action, browser=request.browser, now=request.now)


def render(request: Request, required: ChallengeRequired, *, back: str) -> HttpResponse:
    """Show it. Its form goes to the page of that name, where what was typed came from."""
    given = required.challenge
    until = required.until or max(given.ready_at, request.now)
    seconds = max(1, -(-int((until - request.now).total_seconds() * 1000) // 1000))
    response = page.render(
        request, "sign_in/challenge.html", status=429, challenge=given, seconds=seconds, early=bool(required.until),
        back=back, action=reverse(back),
    )  # fmt: skip
    return page.add_retry_after(response, until, request.now)
