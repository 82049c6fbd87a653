"""Where the person is signed in, what happened on the account lately, and what sites said of the end of a session."""

import re
from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.interfaces.base import cookies, page, way_back
from massar.interfaces.base.request import Request
from massar.journeys.account import close_sessions, see_history
from massar.journeys.messages import watch_messages
from massar.journeys.sso import log_out_of_sites

FEW = 5


@require_safe
@way_back.signed_in_only
def devices(request: Request, signed_in: close_sessions.SignedIn) -> HttpResponse:
    person, now = signed_in.person, request.now
    programs = [
        {
            "id": one.id, "slug": one.site,
            "site": settings.MASSAR.sites.by_slug.get(one.site),  # None: no longer registered, but to be ended
            "since": datetime.fromtimestamp(one.created_at, UTC),
            "until": datetime.fromtimestamp(one.expires_at, UTC),
        }
        for one in sites.grants.offline_of(person.id, now=int(now.timestamp()))
    ]  # fmt: skip
    return page.render(
        request, "devices/devices.html", sessions=sessions.signed_in.of_person(person.id, now=now),
        current=signed_in.session.id, programs=programs, messages=watch_messages.of_person(person=person, now=now),
        activity=see_history.page(person=person, now=now).lines[:FEW],
    )  # fmt: skip


@require_safe
@way_back.signed_in_only
def history(request: Request, signed_in: close_sessions.SignedIn) -> HttpResponse:
    asked = request.GET.get("before", "")
    before = int(asked) if re.fullmatch(r"[1-9]\d{0,17}", asked, re.ASCII) else None
    shown = see_history.page(person=signed_in.person, now=request.now, before=before)
    return page.render(
        request, "devices/history.html", lines=shown.lines, before=shown.before, newest=before is None,
        here=request.browser.network, current=signed_in.session.id,
    )  # fmt: skip


@require_POST
@way_back.signed_in_only
def end(request: Request, signed_in: close_sessions.SignedIn, session_id: int) -> HttpResponse:
    done = close_sessions.end_one(signed_in=signed_in, session_id=session_id, browser=request.browser, now=request.now)
    own = session_id == signed_in.session.id
    response = page.redirect_to("sign_in" if own else "devices")
    if own:
        cookies.SESSION.drop(response)
    if done:
        cookies.write_flash(response, "success", "flash.session_ended")
    return response


@require_POST
@way_back.signed_in_only
def end_program(request: Request, signed_in: close_sessions.SignedIn, grant_id: int) -> HttpResponse:
    response = page.redirect_to("devices")
    if close_sessions.end_program(signed_in=signed_in, grant_id=grant_id, browser=request.browser, now=request.now):
        cookies.write_flash(response, "success", "flash.program_ended")
    return response


@require_POST
@way_back.signed_in_only
def end_all(request: Request, signed_in: close_sessions.SignedIn) -> HttpResponse:
    close_sessions.end_all(signed_in=signed_in, browser=request.browser, now=request.now)
    response = page.redirect_to("devices")
    cookies.write_flash(response, "success", "flash.sessions_ended")
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def everywhere(request: Request) -> HttpResponse:
    """End every session, this one too, and show which sites have confirmed; the browser may look for a while."""
    signed_in = request.signed_in
    if request.method == "POST" and signed_in:
        close_sessions.end_all(signed_in=signed_in, browser=request.browser, now=request.now, this_one=True)
        response = page.redirect_to("everywhere")
        ended = log_out_of_sites.RecentLogout(signed_in.person.id, request.now, signed_in.session.id)
        cookies.write_recent_logout(response, ended)
        cookies.SESSION.drop(response)
        cookies.CHANGE.drop(response)
        return response
    recent = cookies.read_recent_logout(request, request.now)
    if not recent and not signed_in:
        return page.redirect_to("sign_in")
    own = None if signed_in else recent
    begun = own.requester if own else None
    site = settings.MASSAR.sites.by_slug.get(begun.site) if begun else None  # it waits for this browser
    return page.render(
        request, "devices/everywhere.html", told=logout_statuses(request), alone=bool(own and own.alone),
        requester=(site, begun.address or reverse("saml_answer")) if site and begun else None,
    )  # fmt: skip


def logout_statuses(request: Request) -> list[log_out_of_sites.LogoutStatus]:
    """List what the sites said of the end of this browser's session; empty for the next person at this browser."""
    recent = cookies.read_recent_logout(request, request.now)
    if recent is None or (request.signed_in and recent.person_id != request.signed_in.person.id):
        return []
    return log_out_of_sites.logout_statuses(recent.person_id, since=recent.since, confirmed=recent.confirmed)
