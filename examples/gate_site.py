"""A site that speaks no protocol, behind the gate: its proxy asks the account about every request.

`proxy` does what nginx does with `auth_request` (docs/integrate/nginx-gate.md). `application` is the old site: it
believes nothing but the signed token.
"""

from __future__ import annotations

import requests
from django.conf import settings
from django.http import HttpResponse
from django.urls import re_path

from examples import kit, tokens


def proxy(request):
    """Passes the gate, or shows the way to it; anything odd is refused."""
    if request.path == "/.massar/enter":
        return _passed_on(_ask(request, "enter"))
    answer = _ask(request, "check")
    if answer.status_code == 200:
        return application(request, answer.headers["X-Massar-Token"])
    return _passed_on(_ask(request, "begin")) if answer.status_code == 401 else HttpResponse(status=403)


def _ask(request, what: str) -> requests.Response:
    """The account's answer about this request: site, address and method in headers, cookies as they came."""
    asked = {
        "X-Massar-Origin": request.site.origin,
        "X-Massar-Uri": request.get_full_path(),
        "X-Massar-Method": request.method,
        "Cookie": request.META.get("HTTP_COOKIE", ""),
        "Sec-Fetch-Dest": request.META.get("HTTP_SEC_FETCH_DEST", ""),
    }
    query = request.META["QUERY_STRING"] if what == "enter" else ""
    address = f"{settings.ACCOUNT}/gate/{what}/" + (f"?{query}" if query else "")
    return requests.get(address, headers={k: v for k, v in asked.items() if v}, timeout=10, allow_redirects=False)


def _passed_on(answer: requests.Response) -> HttpResponse:
    response = HttpResponse(status=answer.status_code)
    if "Location" in answer.headers:
        response["Location"] = answer.headers["Location"]
    for cookie in answer.cookies:
        response.set_cookie(cookie.name, cookie.value, path="/", httponly=True, samesite="Lax")
    return response


def application(request, token: str):
    """The old site itself. It reads who is there from the token that the account signed for it a moment ago."""
    claims = tokens.verified(token, audience=request.site.origin, kind="gate+jwt")
    links = [("Sign out everywhere", f"{settings.ACCOUNT}/sign-out/everywhere/")]
    note = "The gate asks the account at every request, so this site closes at once. It has no way to ask for a fresh proof."
    return kit.page(request, claims, links=links, note=note)


urlpatterns = [re_path("", proxy)]
