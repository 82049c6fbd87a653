"""Saving what a site asked while its person signs in or recovers, and how much strangers may save."""

from datetime import datetime

from django.db import transaction

from massar.domain.limits import api as limits
from massar.domain.sites import api as sites
from massar.journeys.account import recover_password
from massar.journeys.sso.access import Visitor


@transaction.atomic
def save(request: dict[str, str], visitor: Visitor, *, as_stranger: bool = False) -> str | None:
    """Save a request; returns the reference for the browser's cookie, or None: anybody can make a row, so strangers
    share a budget by network. It keeps nobody from signing in.

    as_stranger: charge it whoever is signed in; a form of another site made the browser ask."""
    may_write = _may_write(limits.rate_limits.SAVED_REQUEST_NETWORK, visitor, as_stranger=as_stranger)
    return sites.saved_requests.save(request, now=visitor.now) if may_write else None


def may_add_to_replay_cache(visitor: Visitor) -> bool:
    """Whether the ID of a request that nobody signed may take a row: strangers of one network share a budget."""
    return _may_write(limits.rate_limits.REPLAY_CACHE_NETWORK, visitor)


def _may_write(limit: limits.RateLimit, visitor: Visitor, *, as_stranger: bool = False) -> bool:
    known = bool(visitor.signed_in) and not as_stranger
    return known or not limits.consume([limit.bucket(visitor.browser.network)], now=visitor.now)


def extend_for_recovery(ref: str, *, channel: str, now: datetime) -> None:
    """Let it wait until the temporary password that was asked for has ended for sure, and the change after it."""
    if ref:
        until = now + recover_password.longest(channel, now) + sites.saved_requests.LIFE
        sites.saved_requests.extend(ref, until=until, now=now)
