"""What the browser asks at the account on its way through the gate."""

from __future__ import annotations

import re
from datetime import datetime

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from massar.interfaces.base import page, saved_request
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import redirect_to, see_other
from massar.journeys.sso.access import AccessDenied, SignInRequired
from massar.journeys.sso.gate import visit
from massar.journeys.sso.gate.address import GatedPage, wanted

PROTOCOL = "gate"
_STATE = re.compile(r"[0-9a-f]{64}")


@require_GET
def start(request: Request) -> HttpResponse:
    """From a site's proxy with the page that is wanted. An address that is not the site's own leads nowhere.

    `again=yes`: the site wants a fresh proof. Anybody may write that into an address; it only asks for the password.
    """
    targets, states, again = (request.GET.getlist(name) for name in ("to", "state", "again"))
    place = wanted(targets[0], settings.MASSAR.sites) if len(targets) == 1 else None
    if place is None or len(states) != 1 or not _STATE.fullmatch(states[0]) or again not in ([], ["yes"]):
        return _problem(request, "address")
    return _onwards(request, place, states[0], fresh_since=request.now if again else None)


@require_GET
def resume(request: Request) -> HttpResponse:
    """The waiting request of this browser, after the sign-in. The registry is asked again: it may have changed."""
    kept = request.saved_request
    place = wanted(kept["to"], settings.MASSAR.sites) if kept.get("protocol") == PROTOCOL else None
    if place is None:
        return redirect_to("home")
    if not request.signed_in:
        return redirect_to("sign_in")
    since = datetime.fromisoformat(kept["fresh_since"]) if kept.get("fresh_since") else None
    return _onwards(request, place, kept["state"], fresh_since=since, after_form=True)


def _onwards(
    request: Request, place: GatedPage, state: str, *, fresh_since: datetime | None, after_form: bool = False
) -> HttpResponse:
    found = visit.start(
        wanted=place,
        state=state,
        signed_in=request.signed_in,
        browser=request.browser,
        now=request.now,
        fresh_since=fresh_since,
    )
    match found:
        case SignInRequired(again=again):
            kept = {**_kept(place, state), "again": "yes" if again else ""}
            return saved_request.save_and_sign_in(
                request, kept | ({"fresh_since": fresh_since.isoformat()} if fresh_since else {})
            )
        case AccessDenied():
            response = page.render(request, "sso/access_denied.html", status=403, site=place.site, why=found)
        case _:
            response = page.redirect_by_page(request, found, place.site) if after_form else see_other(found)
    return saved_request.discard(request, response) if request.saved_request.get("protocol") == PROTOCOL else response


def _kept(place: GatedPage, state: str) -> dict:
    return {
        "protocol": PROTOCOL,
        "resume_url": reverse("gate_resume"),
        "to": place.address,
        "state": state,
    }


@require_GET
def stale(request: Request) -> HttpResponse:
    """The ticket was late, used, or another browser's."""
    return _problem(request, "expired")


def _problem(request: Request, problem: str) -> HttpResponse:
    return page.render(request, "sso/error.html", status=400, problem=problem, reference=request.id)
