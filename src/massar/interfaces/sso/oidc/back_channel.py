"""What sites' servers ask: tokens, claims, introspection, revocation. No cookies, so no token of a form is needed.

Each parameter may stand once (RFC 6749 §3.2); every answer is JSON and not to be stored.
"""

import json
from collections.abc import Callable, Mapping
from functools import wraps

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from massar.domain.sites.api import Site
from massar.interfaces.base import direct, outage
from massar.interfaces.base.request import Request
from massar.interfaces.sso.oidc.discovery import address
from massar.journeys.sso import access
from massar.journeys.sso.oidc import clients
from massar.journeys.sso.oidc import tokens as oidc_tokens
from massar.journeys.sso.oidc.tokens import TokenError

FORM = "application/x-www-form-urlencoded"
LONGEST = 8000

View = Callable[[Request], HttpResponse]


class _Refused(Exception):
    """Its argument is the answer."""


def _later(request: Request) -> HttpResponse:
    """RFC 6749 has the word for another endpoint (§4.1.2.1), but clients know it, and 503 says the rest."""
    return _error("temporarily_unavailable", "Try again in a few seconds.", status=503)


def _of_a_server(view: View) -> View:
    @direct.direct_view
    @outage.answer_when_away(_later)
    @wraps(view)
    def guarded(request: Request) -> HttpResponse:
        try:
            response = view(request)
        except _Refused as refused:
            (response,) = refused.args
        response["Cache-Control"] = "no-store"
        response["Pragma"] = "no-cache"
        return response

    return guarded


@_of_a_server
@require_POST
def token(request: Request) -> HttpResponse:
    site, form = _asked(request)
    kind, scope, now = form.get("grant_type", ""), form.get("scope", ""), request.now
    outcome: oidc_tokens.Answer | TokenError
    needed = {"authorization_code": "code", "refresh_token": "refresh_token", "": "grant_type"}.get(kind)
    if needed and not form.get(needed):
        return _error("invalid_request", f"{needed} is missing.")  # RFC 6749 §5.2
    if kind == "authorization_code":
        back, verifier = form.get("redirect_uri", ""), form.get("code_verifier", "")
        outcome = oidc_tokens.for_code(site=site, code=form["code"], redirect_uri=back, verifier=verifier, now=now)
    elif kind == "refresh_token":
        outcome = oidc_tokens.for_refresh(site=site, token=form["refresh_token"], scope=scope, now=now)
    elif kind == "client_credentials":
        outcome = oidc_tokens.for_site(site=site, scope=scope, now=now)
    else:
        return _error("unsupported_grant_type", "grant_type is not supported.")
    return _error(outcome.error, outcome.detail) if isinstance(outcome, TokenError) else _json(outcome)


@_of_a_server
@require_http_methods(["GET", "HEAD", "POST"])
def userinfo(request: Request) -> HttpResponse:
    """By header, or in the form of a POST (RFC 6750 §2.1, §2.2); never in the address."""
    scheme, _, value = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    bearer = value.strip()[:LONGEST] if scheme.lower() == "bearer" else ""
    tokens = [t for t in (bearer, _form(request).get("access_token", "")) if t]
    if len(tokens) > 1:
        return _error("invalid_request", "The access token came in two ways.")
    found = oidc_tokens.userinfo(token=tokens[0], now=request.now) if tokens else None
    if found is not None:
        return _json(found)
    challenge = f'Bearer realm="{access.issuer()}"'
    if not tokens:  # RFC 6750 §3.1: who brings nothing is told no error
        return HttpResponse(status=401, headers={"WWW-Authenticate": challenge})
    challenge = f'{challenge}, error="invalid_token"'
    return _error("invalid_token", "The access token is unknown or over.", status=401, challenge=challenge)


@_of_a_server
@require_POST
def introspect(request: Request) -> HttpResponse:
    site, form = _asked(request)
    if site.client_auth == "none":
        return _who_are_you()
    if not site.introspects:
        return _error("unauthorized_client", "This site is not registered to introspect.", status=403)
    if "token" not in form:  # RFC 7662 §2.1; an empty one is a token that nobody has
        return _error("invalid_request", "token is missing.")
    return _json(oidc_tokens.introspect(asking=site, token=form["token"], now=request.now))


@_of_a_server
@require_POST
def revoke(request: Request) -> HttpResponse:
    site, form = _asked(request)
    if not form.get("token"):
        return _error("invalid_request", "token is missing.")
    oidc_tokens.revoke(site=site, token=form["token"], now=request.now)
    return HttpResponse()


def _asked(request: Request) -> tuple[Site, dict[str, str]]:
    """Which site asks, and its form. Raises _Refused."""
    form = _form(request)
    places = (access.issuer(), address("oidc_token"), access.issuer() + request.path)
    site = clients.authenticate(direct.basic_credentials(request), form, addresses=places, now=request.now)
    if site is None:
        raise _Refused(_who_are_you())
    return site, form


def _form(request: Request) -> dict[str, str]:
    """The form of a POST. Raises _Refused where it is none, or a parameter stands twice (RFC 6749 §5.2)."""
    if request.method != "POST":
        return {}
    if request.content_type not in (FORM, ""):
        raise _Refused(_error("invalid_request", "The body must be a form."))
    if any(len(values) > 1 or len(values[0]) > LONGEST or "\0" in values[0] for _, values in request.POST.lists()):
        raise _Refused(_error("invalid_request", "A parameter stands twice, is too long or holds a zero byte."))
    return request.POST.dict()


def _who_are_you() -> HttpResponse:
    """RFC 6749 §5.2 invalid_client. Why it failed is not said."""
    challenge = f'Basic realm="{access.issuer()}"'
    return _error("invalid_client", "The client could not be authenticated.", status=401, challenge=challenge)


def _json(said: Mapping[str, object], *, status: int = 200) -> HttpResponse:
    return HttpResponse(json.dumps(said), content_type="application/json", status=status)


def _error(error: str, detail: str, *, status: int = 400, challenge: str = "") -> HttpResponse:
    response = _json({"error": error, "error_description": detail}, status=status)
    if challenge:
        response["WWW-Authenticate"] = challenge
    return response
