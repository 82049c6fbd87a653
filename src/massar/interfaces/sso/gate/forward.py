"""The gate for proxies that hand our answer itself to the browser: Traefik's ForwardAuth, Caddy's forward_auth
(docs/integrate/traefik.md, caddy.md). They can't name the site in a header of ours, so everything comes by one address:

    200  may pass: facts in headers, and in `Cookie` the browser's cookies without the gate's own
    303  to the account; back from it to the page that was wanted, with the gate cookie; `/.massar/again?PAGE` asks
         for a fresh proof
    401  nobody has entered, and it was no page that was wanted
    403  not our proxy, or the request itself is odd

The key that the proxy proves itself with (`gate_key`) names the site, never a header that a browser could have sent:
X-Forwarded-Host is only held against it, and X-Massar-* is not read.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from django.http import HttpResponse

from massar.domain.sites.api import Site, gated_pages
from massar.interfaces.base import direct, outage
from massar.interfaces.base.request import Request
from massar.interfaces.sso import basic
from massar.interfaces.sso.gate import proxy
from massar.journeys.sso import access
from massar.journeys.sso.gate import check

ENTER, AGAIN = f"/{gated_pages.OWN_FOLDER}/enter", f"/{gated_pages.OWN_FOLDER}/again"
_USUAL = {"https": ":443", "http": ":80"}


@direct.direct_view
@outage.answer_when_away(outage.plain)
def forward(request: Request) -> HttpResponse:
    name, key = basic.presented(request) or ("", "")
    site = check.authenticate_proxy(name, key)
    method, uri = (request.headers.get(f"X-Forwarded-{end}", "") for end in ("Method", "Uri"))
    if site is None or request.method != "GET" or method not in proxy.METHODS or not _of_this_host(request, site):
        return HttpResponse(status=403)
    path, _, query = uri.partition("?")
    if path == ENTER:
        return _entered(request, site, query) if method == "GET" else HttpResponse(status=403)
    page = None if proxy.may_hide_a_line(uri) else gated_pages.page_of(site, query if path == AGAIN else uri)
    if page is None:
        return HttpResponse(status=403)
    asked = proxy.ProxiedRequest(page, method)
    if path == AGAIN:
        return proxy.sent_to_the_account(request, asked, again=True)
    answer = proxy.judged(request, asked)
    if answer.status_code == 401:
        return proxy.sent_to_the_account(request, asked, again=False)
    if answer.status_code == 200 and (left := proxy.other_cookies(request)):
        answer["Cookie"] = left
    return answer


def _of_this_host(request: Request, site: Site) -> bool:
    """A key that was copied to another host's router must not open that one. A proxy in front of the account may have
    written the account's own host there."""
    said = request.headers.get("X-Forwarded-Host", "").lower()
    origin = urlsplit(site.gate_origin)
    return said in ("", origin.netloc, origin.netloc + _USUAL[origin.scheme], urlsplit(access.issuer()).netloc)


def _entered(request: Request, site: Site, query: str) -> HttpResponse:
    fields = parse_qs(query, keep_blank_values=True)
    return proxy.admitted(request, site, fields.get("ticket", []) if set(fields) == {"ticket"} else [])
