"""The one class of request: what Django read, and what every view of ours may ask of it."""

import ipaddress
from wsgiref.types import WSGIEnvironment

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.utils.functional import cached_property

from massar.core import clock, ids
from massar.core.browser import Browser, describe
from massar.domain.sites import api as sites
from massar.interfaces.base import cookies
from massar.journeys.account import close_sessions
from massar.journeys.account.close_sessions import FactorOwed, SignedIn

LANGUAGES = ("ar", "fr", "en")


class Request(WSGIRequest):
    """A request with its moment, its id (which stands in the log), its language, its browser and who is signed in. The
    database is asked only when one of these, or `saved_request`, is read, and then once."""

    def __init__(self, environ: WSGIEnvironment):
        super().__init__(environ)
        self.now = clock.now()
        self.id = ids.short_token()[:10]
        chosen = cookies.LANGUAGE.read(self)
        self.chosen_language = chosen if chosen in LANGUAGES else ""
        self.language = self.chosen_language or "ar"

    @cached_property
    def browser(self) -> Browser:
        return Browser(
            network=network(client_address(self)), label=describe(self.headers.get("User-Agent", "")),
            trusted_devices=cookies.TRUSTED_DEVICES.read(self)[:4096],
            recovery_browser=cookies.RECOVERY_BROWSER.read(self)[:64], language=self.chosen_language,
        )  # fmt: skip

    @cached_property
    def signed_in(self) -> SignedIn | None:
        """The person and the session behind the cookie, at full strength."""
        return self._found if isinstance(self._found, SignedIn) else None

    @property
    def factor_owed(self) -> FactorOwed | None:
        """Who would be signed in, if a rule did not want a second factor since."""
        return self._found if isinstance(self._found, FactorOwed) else None

    @property
    def recognised(self) -> SignedIn | None:
        """Who is signed in, or owes the second step to be so again: what may prove a factor, and what may be ended."""
        owed = self.factor_owed
        return owed.of if owed and not owed.must_set_up else self.signed_in

    @cached_property
    def _found(self) -> SignedIn | FactorOwed | None:
        return close_sessions.authenticate(cookie=cookies.SESSION.read(self), now=self.now)

    @cached_property
    def saved_request(self) -> dict[str, str]:
        """The request of a site that waits for this browser; {} when none does."""
        return sites.saved_requests.read(cookies.SAVED_REQUEST.read(self), now=self.now) or {}


def client_address(request: HttpRequest) -> str:
    """Return the address that our own outermost proxy saw. Other headers are not believed (ATK-011)."""
    direct = str(request.META.get("REMOTE_ADDR", ""))
    hops = settings.MASSAR.trusted_proxies
    if not hops:
        return direct
    seen = [a.strip() for a in request.headers.get("X-Forwarded-For", "").split(",") if a.strip()]
    return _without_port(seen[-hops]) if len(seen) >= hops else direct


def _without_port(entry: str) -> str:
    """`192.0.2.1:5678`, `[2001:db8::1]:5678` and `"[2001:db8::1]"` as some proxies write them: the address alone."""
    entry = entry.strip('"')
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def network(address: str) -> str:
    """Cut an address to /24 (IPv4) or /56 (IPv6): enough to recognise a place, not a person. "" where it is none."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    return str(ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 56}", strict=False))
