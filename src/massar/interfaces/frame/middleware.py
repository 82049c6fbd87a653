"""Around every request: its id, its moment, its language, its browser; and the same strict headers on every answer."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.utils import translation
from django.utils.functional import SimpleLazyObject

from massar.core import browser, clock, ids, log
from massar.interfaces.frame import cookies, errors, policy
from massar.journeys import close_sessions

LANGUAGES = ("ar", "fr", "en")


class Frame:
    """request.now, .language, .browser, .here (signed-in person or None) and .fault_id for all views."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.now = clock.now()
        request.fault_id = ids.short_token()[:10]
        log.request_id.set(request.fault_id)
        typed = cookies.LANGUAGE.read(request)
        request.language = typed if typed in LANGUAGES else "ar"
        request.browser = _browser(request)
        request.here = SimpleLazyObject(lambda: _here(request))
        with translation.override(request.language):
            response = self._answer(request)
        return _with_headers(request, response)

    def _answer(self, request):
        try:
            request.get_host()  # one configured public address: nothing is built from what the client says (ATK-031)
        except DisallowedHost:
            return errors.bad_request(request, None)
        return self.get_response(request)


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
    return seen[-hops] if len(seen) >= hops else request.META.get("REMOTE_ADDR", "")


def network(address: str) -> str:
    """/24 of an IPv4 address, /56 of an IPv6 one: enough to recognise a place, not a person."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return str(ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 56}", strict=False))


def _with_headers(request, response):
    for name, value in policy.HEADERS.items():
        response.headers.setdefault(name, value)
    if settings.MASSAR.https:
        response.headers["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
    if not request.path.startswith(settings.STATIC_URL):
        response.headers.setdefault("Cache-Control", "no-store")  # public keys alone may be kept
        response.headers["Content-Language"] = request.language
    return response
