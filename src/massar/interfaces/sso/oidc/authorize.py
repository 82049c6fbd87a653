"""The authorization endpoint: the browser comes with a site's request and leaves with the answer."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from massar.interfaces.base import page, way_back
from massar.interfaces.base.page import redirect_to, see_other
from massar.interfaces.base.request import Request
from massar.journeys.sso.access import AccessDenied, SecondFactorRequired, SignInRequired
from massar.journeys.sso.oidc import authorize as journey
from massar.journeys.sso.oidc import request as oidc_request
from massar.journeys.sso.oidc.request import AuthorizationRequest, AuthorizationResponse, UnusableRequest

PROTOCOL = "oidc"
LANGUAGES = ("ar", "fr", "en")


@csrf_exempt  # a request, not an order: sites post it from their own pages, and nothing is changed by it
@require_http_methods(["GET", "HEAD", "POST"])
def authorize(request: Request) -> HttpResponse:
    way = f"{reverse('oidc_authorize')}?{request.POST.urlencode()}"
    posted = request.method == "POST"
    if posted and len(way) <= page.LONGEST_LOCATION:
        return see_other(way)  # a form of another site brings no SameSite=Lax cookies; the address asked for next does
    given = request.POST if posted else request.GET
    asked = oidc_request.read(dict(given.lists()), settings.MASSAR.sites)
    if not posted or not isinstance(asked, AuthorizationRequest):
        return _answer(request, asked, None)
    saved = {**_to_save(request, asked, again=False), "since": ""}  # too long for an address
    return way_back.save(request, see_other(reverse("oidc_resume")), saved)


@require_GET
def resume(request: Request) -> HttpResponse:
    """The saved request of this browser, after the sign-in, or posted a moment ago. The registry may have changed."""
    saved = request.saved_request
    if saved.get("protocol") != PROTOCOL:
        return redirect_to("home" if request.signed_in else "sign_in")
    if saved["since"] and not request.signed_in:
        return redirect_to("sign_in")
    asked = oidc_request.read(parse_qs(saved["query"], keep_blank_values=True), settings.MASSAR.sites)
    since = datetime.fromtimestamp(int(saved["since"]), UTC) if saved["since"] else None
    response = _answer(request, asked, journey.Resumed(since, saved["besides"]) if since else None)
    return response if way_back.waits_on(response) else way_back.discard(request, response)


def _answer(
    request: Request,
    asked: AuthorizationRequest | AuthorizationResponse | UnusableRequest,
    resumed: journey.Resumed | None,
) -> HttpResponse:
    if isinstance(asked, UnusableRequest):
        problem, detail = asked.problem, asked.detail
        return page.render(request, "sso/error.html", status=400, problem=problem, detail=detail, reference=request.id)
    if isinstance(asked, AuthorizationResponse):
        return _send(request, asked, after_form=resumed is not None)
    match journey.answer(asked, request, resumed):
        case SignInRequired(again=again):
            return way_back.save_and_sign_in(request, _to_save(request, asked, again))
        case SecondFactorRequired():
            if resumed:  # what waits goes on waiting as it is: it knows which sign-in it was before
                return see_other(reverse("second_step"))
            return way_back.save_and_step_up(request, _to_save(request, asked, again=False))
        case AccessDenied() as why:
            return page.render(request, "sso/access_denied.html", status=403, site=asked.site, why=why)
        case AuthorizationResponse() as response:
            return _send(request, response, after_form=resumed is not None)


def _to_save(request: Request, asked: AuthorizationRequest, again: bool) -> dict[str, str]:
    spoken = [tag.partition("-")[0].lower() for tag in asked.raw.get("ui_locales", "").split()]
    return {
        "protocol": PROTOCOL,
        "resume_url": reverse("oidc_resume"),
        "query": urlencode(asked.raw),
        "login_hint": asked.raw.get("login_hint", "")[:254],
        "language": next((tag for tag in spoken if tag in LANGUAGES), ""),
        "again": "yes" if again else "",
        "since": str(int(request.now.timestamp())),
        "besides": request.recognised.session.proof if request.recognised else "",
    }


def _send(request: Request, response: AuthorizationResponse, *, after_form: bool) -> HttpResponse:
    """303 with a query, or a form that posts itself (OAuth 2.0 Form Post Response Mode). after_form: the browser comes
    from our sign-in form, whose policy must not be held against what the site does next."""
    site, address, fields = response.site, response.address, response.fields
    if response.mode == "form_post":
        return page.post_to_site(request, address, site, fields)
    way = f"{address}{'&' if '?' in address else '?'}{urlencode(fields)}"
    return page.redirect_by_page(request, way, site) if after_form else page.redirect_to_site(request, way, site)
