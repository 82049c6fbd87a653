"""The authorization endpoint: the browser comes with a site's request and leaves with the answer."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from massar.interfaces.base import page, saved_request, security_headers
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import redirect_to, see_other
from massar.journeys.sso.oidc import authorize as journey
from massar.journeys.sso.oidc import request as oidc_request
from massar.journeys.sso.oidc.request import AuthorizationRequest, AuthorizationResponse, UnusableRequest

PROTOCOL = "oidc"
LANGUAGES = ("ar", "fr", "en")


@csrf_exempt  # a request, not an order: sites post it from their own pages, and nothing is changed by it
@require_http_methods(["GET", "HEAD", "POST"])
def authorize(request: Request) -> HttpResponse:
    if request.method == "POST":
        return _posted(request)
    ask = oidc_request.read(dict(request.GET.lists()), settings.MASSAR.sites)
    return _answer(request, ask, None)


def _posted(request: Request) -> HttpResponse:
    """A form of another site brings no SameSite=Lax cookies; the address asked for next does. A long request waits for it."""
    way = f"{reverse('oidc_authorize')}?{request.POST.urlencode()}"
    if len(way) <= page.LONGEST_LOCATION:
        return see_other(way)
    ask = oidc_request.read(dict(request.POST.lists()), settings.MASSAR.sites)
    if not isinstance(ask, AuthorizationRequest):
        return _answer(request, ask, None)
    return saved_request.save(
        request, see_other(reverse("oidc_resume")), {**_kept(request, ask, again=False), "since": ""}
    )


@require_GET
def resume(request: Request) -> HttpResponse:
    """The waiting request of this browser, after the sign-in, or posted a moment ago. The registry may have changed."""
    kept = request.saved_request
    if kept.get("protocol") != PROTOCOL:
        return redirect_to("home" if request.signed_in else "sign_in")
    if kept["since"] and not request.signed_in:
        return redirect_to("sign_in")
    ask = oidc_request.read(parse_qs(kept["query"], keep_blank_values=True), settings.MASSAR.sites)
    since = datetime.fromtimestamp(int(kept["since"]), UTC) if kept["since"] else None
    response = _answer(request, ask, journey.Resumed(since, kept["besides"]) if since else None)
    return response if response.get("Location") == reverse("sign_in") else saved_request.discard(request, response)


def _answer(request: Request, ask, waited: journey.Resumed | None) -> HttpResponse:
    match ask:
        case UnusableRequest():
            return _unusable(request, ask)
        case AuthorizationResponse():
            return sent(request, ask, after_form=waited is not None)
    found = journey.answer(
        ask=ask, signed_in=request.signed_in, waited=waited, browser=request.browser, now=request.now
    )
    match found:
        case journey.SignIn(again=again):
            return saved_request.save_and_sign_in(request, _kept(request, ask, again))
        case journey.Refused(why=why):
            return page.render(request, "sso/access_denied.html", status=403, site=ask.site, why=why)
        case AuthorizationResponse():
            return sent(request, found, after_form=waited is not None)
    raise TypeError(f"no answer for {found!r}")


def _kept(request: Request, ask: AuthorizationRequest, again: bool) -> dict:
    spoken = [tag.partition("-")[0].lower() for tag in ask.languages]
    return {
        "protocol": PROTOCOL,
        "resume_url": reverse("oidc_resume"),
        "query": urlencode(ask.raw),
        "login_hint": ask.login_hint,
        "language": next((tag for tag in spoken if tag in LANGUAGES), ""),
        "again": "yes" if again else "",
        "since": str(int(request.now.timestamp())),
        "besides": request.signed_in.session.proof if request.signed_in else "",
    }


def sent(request: Request, back: AuthorizationResponse, *, after_form: bool = False) -> HttpResponse:
    """The answer on its way: 303 with a query, or a form that posts itself (OAuth 2.0 Form Post Response Mode).

    after_form: the browser comes from our sign-in form, whose policy must not be held against what the site does next.
    """
    if back.mode == "form_post":
        response = page.render(request, "sso/send_on.html", site=back.site, action=back.address, fields=back.fields)
        return security_headers.form_goes_to_site(response, back.address)
    mark = "&" if "?" in back.address else "?"
    way = f"{back.address}{mark}{urlencode(back.fields)}"
    return (
        page.redirect_by_page(request, way, back.site) if after_form else page.redirect_to_site(request, way, back.site)
    )


def _unusable(request: Request, why: UnusableRequest) -> HttpResponse:
    return page.render(
        request,
        "sso/error.html",
        status=400,
        problem=why.problem,
        detail=why.detail,
        reference=request.id,
    )
