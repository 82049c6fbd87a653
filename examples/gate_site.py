"""A site that speaks no protocol, behind the gate: its proxy asks the account about every request.

`proxy` does what nginx does with `auth_request` (docs/integrate/nginx-gate.md). `application` is the old site: it
believes nothing but the signed token.
"""

import requests
from django.http import HttpResponse
from django.urls import re_path

from examples import kit, tokens
from examples.kit import DEMO, SiteRequest


def proxy(request: SiteRequest) -> HttpResponse:
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


def _ask(request: SiteRequest, what: str, target: str) -> requests.Response:
    """The account's answer about this request: site, address and method in headers, cookies as they came."""
    asked = {
        "X-Massar-Origin": request.site.origin,
        "X-Massar-Uri": target,
        "X-Massar-Method": request.method,
        "Cookie": request.META.get("HTTP_COOKIE", ""),
        "Sec-Fetch-Dest": request.META.get("HTTP_SEC_FETCH_DEST", ""),
    }
    headers = {name: value for name, value in asked.items() if value}
    return requests.get(f"{DEMO.account}/gate/{what}", headers=headers, timeout=10, allow_redirects=False)


def _passed_on(answer: requests.Response) -> HttpResponse:
    response = HttpResponse(status=answer.status_code)
    if "Location" in answer.headers:
        response["Location"] = answer.headers["Location"]
    for name, value in answer.cookies.items():
        response.set_cookie(name, value or "", path="/", httponly=True, samesite="Lax")
    return response


def application(request: SiteRequest, token: str) -> HttpResponse:
    """The old site itself. It reads who is there from the token that the account signed for it a moment ago."""
    claims = tokens.verified(token, audience=request.site.origin, kind="gate+jwt")
    again, out = "/.massar/again?/", f"{DEMO.account}/sign-out/everywhere/"
    links = [("Sign in again (fresh proof)", again), ("Sign out everywhere", out)]
    note = "The gate asks the account at every request, so this site closes at once."
    return kit.page(request, claims, links=links, note=note)


urlpatterns = [re_path("", proxy)]
