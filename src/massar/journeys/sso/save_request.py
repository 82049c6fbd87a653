"""Saving what a site asked while its person signs in or recovers, and how much strangers may save."""

from datetime import datetime

from django.db import transaction

from massar.core.browser import Browser
from massar.domain.limits import api as limits
from massar.domain.sites import api as sites
from massar.journeys.account import recover_password
from massar.journeys.account.close_sessions import SignedIn


@transaction.atomic
def save(request: dict[str, str], *, signed_in: SignedIn | None, browser: Browser, now: datetime) -> str | None:
    """Save a request; returns the reference for the browser's cookie, or None: too many came from this network.

    Anybody can make a row, so strangers share a budget by network. It keeps nobody from signing in.
    """
    if not _may_write(limits.rate_limits.SAVED_REQUEST_NETWORK, signed_in, browser, now):
        return None
    return sites.saved_requests.save(request, now=now)


def may_add_to_replay_cache(signed_in: SignedIn | None, browser: Browser, *, now: datetime) -> bool:
    """Whether the ID of a request that nobody signed may take a row: strangers of one network share a budget."""
    return _may_write(limits.rate_limits.REPLAY_CACHE_NETWORK, signed_in, browser, now)


def _may_write(limit: limits.RateLimit, signed_in: SignedIn | None, browser: Browser, now: datetime) -> bool:
    return signed_in is not None or not limits.consume([limit.bucket(browser.network)], now=now)


def extend_for_recovery(ref: str, *, channel: str, now: datetime) -> None:
    """Let it wait until the temporary password that was asked for has ended for sure, and the change after it."""
    if ref:
        until = now + recover_password.longest(channel) + sites.saved_requests.LIFE
        sites.saved_requests.extend(ref, until=until, now=now)
