"""The request of a site that waits while its person signs in, recovers or changes a password.

The browser holds a reference in a cookie; what was asked stays on the server. Keys every protocol gives: `protocol`,
`resume_url` (where it goes on). Keys the pages know beside: `login_hint`, `language`, `again` (the password is to be
typed although somebody is signed in).
"""

from django.http import HttpResponse
from django.urls import reverse

from massar.domain.sites import api as sites
from massar.interfaces.base import cookies, resume
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import see_other
from massar.journeys.sso import save_request


def save_and_sign_in(request: Request, asked: dict[str, str]) -> HttpResponse:
    """Keep the request and lead to the sign-in page. What waited before is given up."""
    sites.saved_requests.delete(cookies.SAVED_REQUEST.read(request))
    return save(request, see_other(reverse("sign_in")), asked)


def save(request: Request, response: HttpResponse, asked: dict[str, str]) -> HttpResponse:
    """Put the reference to it into a cookie; over the rate limit, a sentence for the next page."""
    ref = save_request.save(asked, signed_in=request.signed_in, browser=request.browser, now=request.now)
    if ref:
        cookies.SAVED_REQUEST.write(response, ref)
    else:
        cookies.SAVED_REQUEST.drop(response)
        cookies.write_flash(response, "warning", "sso.waiting.full")
    return response


def extend_for_recovery(request: Request, *, channel: str) -> None:
    """Keep it for longer than the temporary password lives. channel: 'email' or 'sms'."""
    save_request.extend_for_recovery(cookies.SAVED_REQUEST.read(request), channel=channel, now=request.now)


def discard(request: Request, response: HttpResponse) -> HttpResponse:
    """Forget it: it was answered, or can't be."""
    kept = cookies.SAVED_REQUEST.read(request)
    if kept:
        sites.saved_requests.delete(kept)
        cookies.SAVED_REQUEST.drop(response)
    return response


def redirect_after_sign_in(request: Request) -> HttpResponse:
    """Go to what waits, else to our own page that was asked for."""
    resume_url = request.saved_request.get("resume_url")
    return see_other(resume_url) if resume_url else resume.redirect_to_page(request)
