"""Where the person is signed in, and what happened on the account lately."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from massar.domain.sites import api as sites
from massar.interfaces.base import cookies, page
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import redirect_to
from massar.interfaces.base.resume import signed_in_only
from massar.interfaces.web.devices import logout_status
from massar.journeys.account import close_sessions
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.messages import own_messages
from massar.journeys.sso.log_out_of_sites import RecentLogout


@require_safe
@signed_in_only
def devices(request: Request, signed_in: SignedIn) -> HttpResponse:
    person, now = signed_in.person, request.now
    return page.render(
        request,
        "devices/devices.html",
        sessions=close_sessions.open_sessions(person=person, now=now),
        current=signed_in.session.id,
        programs=[_program(one) for one in close_sessions.programs(person=person, now=now)],
        messages=own_messages.of_person(person=person, now=now),
        activity=close_sessions.activity(person=person),
    )


@require_POST
@signed_in_only
def end(request: Request, signed_in: SignedIn, session_id: int) -> HttpResponse:
    done = close_sessions.end_one(signed_in=signed_in, session_id=session_id, browser=request.browser, now=request.now)
    own = session_id == signed_in.session.id
    response = redirect_to("sign_in" if own else "devices")
    if own:
        cookies.SESSION.drop(response)
    if done:
        cookies.write_flash(response, "success", "flash.session_ended")
    return response


@require_POST
@signed_in_only
def end_program(request: Request, signed_in: SignedIn, grant_id: int) -> HttpResponse:
    response = redirect_to("devices")
    if close_sessions.end_program(signed_in=signed_in, grant_id=grant_id, browser=request.browser, now=request.now):
        cookies.write_flash(response, "success", "flash.program_ended")
    return response


@require_POST
@signed_in_only
def end_all(request: Request, signed_in: SignedIn) -> HttpResponse:
    close_sessions.end_all(signed_in=signed_in, browser=request.browser, now=request.now)
    response = redirect_to("devices")
    cookies.write_flash(response, "success", "flash.sessions_ended")
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def everywhere(request: Request) -> HttpResponse:
    """End every session, this one too, and show which sites have confirmed; the browser may look for a while."""
    signed_in = request.signed_in
    if request.method == "POST" and signed_in:
        close_sessions.end_all(signed_in=signed_in, browser=request.browser, now=request.now, this_one=True)
        response = redirect_to("everywhere")
        recent = RecentLogout(signed_in.person.id, request.now, signed_in.session.id)
        cookies.write_recent_logout(response, recent)
        cookies.SESSION.drop(response)
        cookies.CHANGE.drop(response)
        return response
    seen = cookies.read_recent_logout(request, request.now)
    if not seen and not signed_in:
        return redirect_to("sign_in")
    leaving = seen[0] if seen and not signed_in else None
    return page.render(
        request,
        "devices/everywhere.html",
        told=logout_status.shown(request, seen),
        alone=bool(leaving and leaving.alone),
        requester=logout_status.requester(leaving),
    )


def _program(grant: sites.GrantFacts) -> dict[str, object]:
    """Show a program; one of a site that is no longer registered too, to be ended."""
    return {
        "id": grant.id,
        "site": settings.MASSAR.sites.by_slug.get(grant.site),
        "slug": grant.site,
        "since": datetime.fromtimestamp(grant.created_at, UTC),
        "until": datetime.fromtimestamp(grant.expires_at, UTC),
    }
