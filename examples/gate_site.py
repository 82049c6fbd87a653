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
    """Passes the gate, or shows the way to it; anything odd is refused. The address is judged as it came, undecoded."""
    target = request.META.get("RAW_URI") or request.META.get("REQUEST_URI", "")  # servers differ; none of them: refused
    path, _, query = target.partition("?")
    if path == "/.massar/enter":
        return _passed_on(_ask(request, f"enter/?{query}", target))
    if path == "/.massar/again":  # behind the question mark: the page to come back to
        return _passed_on(_ask(request, "begin/?again=yes", query))
    answer = _ask(request, "check/", target)
    if answer.status_code == 200:
        return application(request, answer.headers["X-Massar-Token"])
    return _passed_on(_ask(request, "begin/", target)) if answer.status_code == 401 else HttpResponse(status=403)


def _ask(request, what: str, target: str) -> requests.Response:
    """The account's answer about this request: site, address and method in headers, cookies as they came."""
    asked = {
        "X-Massar-Origin": request.site.origin,
        "X-Massar-Uri": target,
        "X-Massar-Method": request.method,
        "Cookie": request.META.get("HTTP_COOKIE", ""),
        "Sec-Fetch-Dest": request.META.get("HTTP_SEC_FETCH_DEST", ""),
    }
    headers = {name: value for name, value in asked.items() if value}
    return requests.get(f"{settings.ACCOUNT}/gate/{what}", headers=headers, timeout=10, allow_redirects=False)


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
    again, out = "/.massar/again?/", f"{settings.ACCOUNT}/sign-out/everywhere/"
    links = [("Sign in again (fresh proof)", again), ("Sign out everywhere", out)]
    note = "The gate asks the account at every request, so this site closes at once."
    return kit.page(request, claims, links=links, note=note)


urlpatterns = [re_path("", proxy)]
