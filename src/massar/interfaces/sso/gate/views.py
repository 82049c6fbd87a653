"""What the browser asks at the account on its way through the gate."""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from massar.domain.sites.api import GatedPage, gated_pages
from massar.interfaces.base import page, saved_request
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import redirect_to, see_other
from massar.interfaces.sso.gate.forward import ENTER
from massar.journeys.sso.access import AccessDenied, SignInRequired
from massar.journeys.sso.gate import visit

PROTOCOL = "gate"
_STATE = re.compile(r"[0-9a-f]{64}")


@require_GET
def start(request: Request) -> HttpResponse:
    """From a site's proxy with the page that is wanted. An address that is not the site's own leads nowhere.

    `again=yes`: the site wants a fresh proof. Anybody may write that into an address; it only asks for the password.
    """
    targets, states, again = (request.GET.getlist(name) for name in ("to", "state", "again"))
    wanted = gated_pages.page_at(targets[0], settings.MASSAR.sites) if len(targets) == 1 else None
    if wanted is None or len(states) != 1 or not _STATE.fullmatch(states[0]) or again not in ([], ["yes"]):
        return _problem(request, "address")
    return _answer(request, wanted, states[0], fresh_since=request.now if again else None)


@require_GET
def resume(request: Request) -> HttpResponse:
    """The saved request of this browser, after the sign-in. The registry is asked again: it may have changed."""
    saved = request.saved_request
    wanted = gated_pages.page_at(saved["to"], settings.MASSAR.sites) if saved.get("protocol") == PROTOCOL else None
    if wanted is None:
        return redirect_to("home")
    if not request.signed_in:
        return redirect_to("sign_in")
    since = datetime.fromisoformat(saved["fresh_since"]) if saved.get("fresh_since") else None
    return _answer(request, wanted, saved["state"], fresh_since=since, after_form=True)


def _answer(
    request: Request, wanted: GatedPage, state: str, *, fresh_since: datetime | None, after_form: bool = False
) -> HttpResponse:
    signed_in, browser, now = request.signed_in, request.browser, request.now
    match visit.start(page=wanted, state=state, signed_in=signed_in, browser=browser, now=now, fresh_since=fresh_since):
        case SignInRequired(again=again):
            saved = {"protocol": PROTOCOL, "resume_url": reverse("gate_resume"), "to": wanted.address, "state": state}
            saved |= {"again": "yes"} if again else {}
            saved |= {"fresh_since": fresh_since.isoformat()} if fresh_since else {}
            return saved_request.save_and_sign_in(request, saved)
        case AccessDenied() as why:
            response = page.render(request, "sso/access_denied.html", status=403, site=wanted.site, why=why)
        case ticket:
            way = f"{wanted.site.gate_origin}{ENTER}?{urlencode({'ticket': ticket})}"
            response = page.redirect_by_page(request, way, wanted.site) if after_form else see_other(way)
    answered = request.saved_request.get("protocol") == PROTOCOL
    return saved_request.discard(request, response) if answered else response


@require_GET
def stale(request: Request) -> HttpResponse:
    """The ticket was late, used, or another browser's."""
    return _problem(request, "expired")


def _problem(request: Request, problem: str) -> HttpResponse:
    return page.render(request, "sso/error.html", status=400, problem=problem, reference=request.id)
