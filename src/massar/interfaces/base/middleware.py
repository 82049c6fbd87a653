"""Around every request: its id, its moment, its language, its browser; and the same strict headers on every answer."""

from __future__ import annotations

import ipaddress
from functools import cache

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.functional import SimpleLazyObject

from massar.core import browser, clock, ids, log
from massar.interfaces.base import addresses, cookies, errors, security_headers
from massar.journeys.account import close_sessions

LANGUAGES = ("ar", "fr", "en")
OF_PAGES = ("Cache-Control", "Content-Language")  # files have their own life and no language


class Frame:
    """request.now, .language, .browser, .here (signed-in person or None) and .fault_id for all views."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        begin(request)
        with translation.override(request.language):
            response = refused(request) or self.get_response(request)
        return _with_headers(request, response)

    def process_view(self, request, view, args, kwargs):
        """A field that came twice has no one value: two readers would each believe another (CWE-235)."""
        if addresses.judges_fields(request.resolver_match):  # it says so in the words of its protocol
            return None
        twice = any(len(values) > 1 for given in (request.GET, request.POST) for _, values in given.lists())
        return errors.bad_request(request) if twice else None


def told_methods(get_response):
    """Below what compresses: an empty 405 becomes a page, or a sentence for a program."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        empty = response.status_code == 405 and not response.content
        return errors.wrong_method(request, response) if empty else response

    return answer


def begin(request: HttpRequest) -> None:
    request.now = clock.now()
    request.fault_id = ids.short_token()[:10]
    log.request_id.set(request.fault_id)
    typed = cookies.LANGUAGE.read(request)
    request.language = typed if typed in LANGUAGES else "ar"
    request.browser = SimpleLazyObject(lambda: _browser(request))
    request.here = SimpleLazyObject(lambda: _here(request))


def refused(request: HttpRequest) -> HttpResponse | None:
    """One configured public address: nothing is built from what the client says (ATK-031)."""
    try:
        request.get_host()
    except DisallowedHost:
        return errors.bad_request(request, None)
    return None


def _here(request):
    return close_sessions.signed_in(cookie=cookies.SESSION.read(request), now=request.now)


def _browser(request) -> browser.Browser:
    return browser.Browser(
        network=network(client_address(request)),
        label=browser.label(request.headers.get("User-Agent", "")),
        devices=cookies.DEVICES.read(request)[:4096],
        asked=cookies.ASKED.read(request)[:64],
        language=request.language if cookies.LANGUAGE.read(request) in LANGUAGES else "",
    )


def client_address(request) -> str:
    """The address our own outermost proxy saw. Other headers are not believed (ATK-011)."""
    hops = settings.MASSAR.trusted_proxies
    if not hops:
        return request.META.get("REMOTE_ADDR", "")
    seen = [a.strip() for a in request.headers.get("X-Forwarded-For", "").split(",") if a.strip()]
    return _without_port(seen[-hops]) if len(seen) >= hops else request.META.get("REMOTE_ADDR", "")


def _without_port(entry: str) -> str:
    """`192.0.2.1:5678`, `[2001:db8::1]:5678` and `"[2001:db8::1]"` as some proxies write them: the address alone."""
    entry = entry.strip('"')
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def network(address: str) -> str:
    """/24 of an IPv4 address, /56 of an IPv6 one: enough to recognise a place, not a person."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return str(ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 56}", strict=False))


@cache
def headers(language: str, https: bool) -> dict[str, str]:
    """What every answer carries where its view has not said otherwise (public keys alone may be kept)."""
    over_https = {"Strict-Transport-Security": "max-age=63072000; includeSubDomains"} if https else {}
    return {**security_headers.HEADERS, **over_https, "Cache-Control": "no-store", "Content-Language": language}


def _with_headers(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    static = request.path.startswith(settings.STATIC_URL)
    for name, value in headers(request.language, settings.MASSAR.https).items():
        if not static or name not in OF_PAGES:
            response.headers.setdefault(name, value)
    return response
