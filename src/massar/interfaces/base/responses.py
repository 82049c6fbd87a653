"""Answers that views share: redirects after a post, and the doors of pages that need a session."""

from datetime import datetime

from django.http import HttpResponse, HttpResponseRedirect
from django.middleware.csrf import rotate_token
from django.urls import reverse

from massar.interfaces.base import cookies
from massar.interfaces.base.request import Request
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.outcomes import SessionOpened
from massar.journeys.sso.log_out_of_sites import LogoutRequester, RecentLogout


class SeeOther(HttpResponseRedirect):
    """303: the browser asks with GET, whatever it did before (ATK-093)."""

    status_code = 303


def see_other(address: str) -> HttpResponse:
    return SeeOther(address)


def redirect_to(name: str, **kwargs: str | int) -> HttpResponse:
    return SeeOther(reverse(name, kwargs=kwargs or None))


def redirect_to_logout_status(
    signed_in: SignedIn, *, now: datetime, requester: LogoutRequester | None = None, confirmed: tuple[str, ...] = ()
) -> HttpResponse:
    """Lead to the list of the sites, after the end of this browser's session. confirmed: sites that know already."""
    response = redirect_to("everywhere")
    recent = RecentLogout(signed_in.person.id, now, signed_in.session.id, True, requester, confirmed)
    cookies.write_recent_logout(response, recent)
    return response


def add_retry_after(response: HttpResponse, until: datetime, now: datetime) -> HttpResponse:
    """Say in a header, for programs, when to try again (RFC 9110 §10.2.3); the page says it in words."""
    response["Retry-After"] = str(max(1, int((until - now).total_seconds())))
    return response


def start_session(request: Request, response: HttpResponse, entered: SessionOpened) -> HttpResponse:
    """Set the cookies of a new full session. Any earlier session or half-done change of this browser is left behind."""
    rotate_token(request)  # forms opened before the sign-in no longer fit
    cookies.SESSION.write(response, entered.cookie)
    cookies.TRUSTED_DEVICES.write(response, entered.trusted_devices)
    cookies.CHANGE.drop(response)
    return response
