"""Where the person is signed in, and what happened on the account lately."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from massar.interfaces.base import cookies, page
from massar.interfaces.base.jinja import t
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import redirect_to
from massar.interfaces.base.resume import signed_in_only
from massar.interfaces.web.devices import logout_status
from massar.journeys.account import close_sessions
from massar.journeys.messages import own_messages
from massar.journeys.outcomes import Done
from massar.journeys.sso.log_out_of_sites import RecentLogout


@require_safe
@signed_in_only
def devices(request: Request) -> HttpResponse:
    signed_in = request.signed_in
    shown = [
        _session(s, signed_in.session.id)
        for s in close_sessions.open_sessions(person=signed_in.person, now=request.now)
    ]
    activity = [
        {
            "at": e.at,
            "text": t(f"activity.{e.event}"),
            "place": " · ".join(filter(None, (e.browser, e.network))),
        }
        for e in close_sessions.activity(person=signed_in.person)
    ]
    messages = own_messages.of_person(person=signed_in.person, now=request.now)
    programs = [_program(one) for one in close_sessions.programs(person=signed_in.person, now=request.now)]
    return page.render(
        request, "devices/devices.html", sessions=shown, programs=programs, messages=messages, activity=activity
    )


@require_POST
@signed_in_only
def end(request: Request, session_id: int) -> HttpResponse:
    outcome = close_sessions.end_one(
        signed_in=request.signed_in, session_id=session_id, browser=request.browser, now=request.now
    )
    if session_id == request.signed_in.session.id:
        response = redirect_to("sign_in")
        cookies.SESSION.drop(response)
    else:
        response = redirect_to("devices")
    if isinstance(outcome, Done):
        cookies.write_flash(response, "success", "flash.session_ended")
    return response


@require_POST
@signed_in_only
def end_program(request: Request, grant_id: int) -> HttpResponse:
    outcome = close_sessions.end_program(
        signed_in=request.signed_in, grant_id=grant_id, browser=request.browser, now=request.now
    )
    response = redirect_to("devices")
    if isinstance(outcome, Done):
        cookies.write_flash(response, "success", "flash.program_ended")
    return response


@require_POST
@signed_in_only
def end_all(request: Request) -> HttpResponse:
    close_sessions.end_all(signed_in=request.signed_in, browser=request.browser, now=request.now)
    response = redirect_to("devices")
    cookies.write_flash(response, "success", "flash.sessions_ended")
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def everywhere(request: Request) -> HttpResponse:
    """Ends every session, this one too, and shows which sites have confirmed; the browser may look for a while."""
    if request.method == "POST" and request.signed_in:
        close_sessions.sign_out_everywhere(signed_in=request.signed_in, browser=request.browser, now=request.now)
        response = redirect_to("everywhere")
        signed_in = request.signed_in
        cookies.write_recent_logout(response, RecentLogout(signed_in.person.id, request.now, signed_in.session.id))
        cookies.SESSION.drop(response)
        cookies.CHANGE.drop(response)
        return response
    seen = cookies.read_recent_logout(request)
    if not seen and not request.signed_in:
        return redirect_to("sign_in")
    leaving = seen[0] if seen and not request.signed_in else None
    return page.render(
        request,
        "devices/everywhere.html",
        told=logout_status.shown(request, seen),
        alone=bool(leaving and leaving.alone),
        requester=logout_status.requester(leaving),
    )


def _program(grant) -> dict:
    """A site that is no longer registered still stands there, to be ended."""
    return {
        "id": grant.id,
        "site": settings.MASSAR.sites.by_slug.get(grant.site),
        "slug": grant.site,
        "since": datetime.fromtimestamp(grant.created_at, UTC),
        "until": datetime.fromtimestamp(grant.expires_at, UTC),
    }


def _session(session, current_id: int) -> dict:
    return {
        "id": session.id,
        "current": session.id == current_id,
        "browser": session.browser or t("browser.unknown"),
        "place": session.network,
        "signed_in_at": session.signed_in_at,
        "last_seen_at": session.last_seen_at,
        "how": t(f"how.{session.how}"),
    }
