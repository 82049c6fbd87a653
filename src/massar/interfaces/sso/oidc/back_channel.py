"""What sites' servers ask: tokens, claims, introspection, revocation. No cookies, so no token of a form is needed.

Each parameter may stand once (RFC 6749 §3.2); every answer is JSON and not to be stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import wraps
from urllib.parse import unquote_plus

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from massar.domain.sites.api import Site
from massar.interfaces.base import direct, outage
from massar.interfaces.base.request import Request
from massar.interfaces.sso import basic
from massar.interfaces.sso.oidc.discovery import address
from massar.journeys.sso import access
from massar.journeys.sso.oidc import clients
from massar.journeys.sso.oidc import tokens as oidc_tokens
from massar.journeys.sso.oidc.tokens import TokenError

FORM = "application/x-www-form-urlencoded"
LONGEST = 8000

View = Callable[[Request], HttpResponse]


class _Malformed(Exception):
    """The request is no form, or a parameter stands twice."""


def _later(request: Request) -> HttpResponse:
    """RFC 6749 has the word for another endpoint (§4.1.2.1), but clients know it, and 503 says the rest."""
    return _unstored(_error("temporarily_unavailable", "Try again in a few seconds.", status=503))


def _of_a_server(view: View) -> View:
    """Reads the form; malformed ones are refused as RFC 6749 §5.2 says."""

    @direct.direct_view
    @outage.answer_when_away(_later)
    @wraps(view)
    def guarded(request: Request) -> HttpResponse:
        try:
            response = view(request)
        except _Malformed as mistake:
            response = _error("invalid_request", str(mistake))
        return _unstored(response)

    return guarded


@_of_a_server
@require_POST
def token(request: Request) -> HttpResponse:
    form = _form(request)
    site = _client(request, form)
    if site is None:
        return _who_are_you(request)
    kind, now = form.get("grant_type", ""), request.now
    outcome: oidc_tokens.Answer | TokenError
    needed = {"authorization_code": "code", "refresh_token": "refresh_token", "": "grant_type"}.get(kind)
    if needed and not form.get(needed):
        raise _Malformed(f"{needed} is missing.")  # RFC 6749 §5.2
    if kind == "authorization_code":
        back, verifier = form.get("redirect_uri", ""), form.get("code_verifier", "")
        outcome = oidc_tokens.for_code(site=site, code=form["code"], redirect_uri=back, verifier=verifier, now=now)
    elif kind == "refresh_token":
        scope = form.get("scope", "")
        outcome = oidc_tokens.for_refresh(site=site, token=form["refresh_token"], scope=scope, now=now)
    elif kind == "client_credentials":
        outcome = oidc_tokens.for_site(site=site, scope=form.get("scope", ""), now=now)
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
        raise _Malformed("The access token came in two ways.")
    found = oidc_tokens.userinfo(token=tokens[0], now=request.now) if tokens else None
    if found is not None:
        return _json(found)
    challenge = f'Bearer realm="{access.issuer()}"'
    if not tokens:  # RFC 6750 §3.1: who brings nothing is told no error
        return HttpResponse(status=401, headers={"WWW-Authenticate": challenge})
    said = _error("invalid_token", "The access token is unknown or over.", status=401)
    said["WWW-Authenticate"] = f'{challenge}, error="invalid_token"'
    return said


@_of_a_server
@require_POST
def introspect(request: Request) -> HttpResponse:
    form = _form(request)
    site = _client(request, form)
    if site is None or site.client_auth == "none":
        return _who_are_you(request)
    if not site.introspects:
        return _error("unauthorized_client", "This site is not registered to introspect.", status=403)
    return _json(oidc_tokens.introspect(asking=site, token=form.get("token", ""), now=request.now))


@_of_a_server
@require_POST
def revoke(request: Request) -> HttpResponse:
    form = _form(request)
    site = _client(request, form)
    if site is None:
        return _who_are_you(request)
    if not form.get("token"):
        raise _Malformed("token is missing.")
    oidc_tokens.revoke(site=site, token=form["token"], now=request.now)
    return HttpResponse()


def _form(request: Request) -> dict[str, str]:
    if request.method != "POST":
        return {}
    if request.content_type not in (FORM, ""):
        raise _Malformed("The body must be a form.")
    form = {}
    for name, values in request.POST.lists():
        if len(values) > 1 or len(values[0]) > LONGEST or "\0" in values[0]:
            raise _Malformed("A parameter stands twice, is too long or holds a zero byte.")
        form[name] = values[0]
    return form


def _client(request: Request, form: dict[str, str]) -> Site | None:
    found = basic.presented(request)
    credentials = clients.ClientCredentials(
        basic=found and (unquote_plus(found[0]), unquote_plus(found[1])),
        as_it_stands=found,
        client_id=form.get("client_id", ""),
        client_secret=form.get("client_secret", ""),
        assertion=form.get("client_assertion", ""),
        assertion_type=form.get("client_assertion_type", ""),
    )
    places = (access.issuer(), address("oidc_token"), access.issuer() + request.path)
    return clients.authenticate(credentials, addresses=places, now=request.now)


def _who_are_you(request: Request) -> HttpResponse:
    """RFC 6749 §5.2 invalid_client. Why it failed is not said."""
    said = _error("invalid_client", "The client could not be authenticated.", status=401)
    said["WWW-Authenticate"] = f'Basic realm="{access.issuer()}"'
    return said


def _json(said: Mapping[str, object], *, status: int = 200) -> HttpResponse:
    return HttpResponse(json.dumps(said), content_type="application/json", status=status)


def _error(error: str, detail: str, *, status: int = 400) -> HttpResponse:
    return _json({"error": error, "error_description": detail}, status=status)


def _unstored(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    response["Pragma"] = "no-cache"
    return response
