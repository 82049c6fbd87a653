"""Keeping what a site asked while its person signs in, recovers or changes a password; and what strangers may make us keep."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from massar.core.browser import Browser
from massar.domain.limits import api as limits
from massar.domain.sites import api as sites
from massar.journeys.account import recover_password
from massar.journeys.account.close_sessions import SignedIn


@transaction.atomic
def save(asked: dict, *, signed_in: SignedIn | None, browser: Browser, now: datetime) -> str | None:
    """The reference for the browser's cookie; None: too many came from this network, and the request is not kept.

    Anybody can make a row, so strangers share a budget by network. It never asks about an account, and it keeps nobody
    from signing in.
    """
    if signed_in is None and limits.consume(
        [limits.rate_limits.SAVED_REQUEST_NETWORK.bucket(browser.network)], now=now
    ):
        return None
    return sites.saved_requests.save(asked, now=now)


def extend_for_recovery(ref: str, *, channel: str, now: datetime) -> None:
    """Keeps it until the temporary password that was asked for has ended for sure, and the change after it."""
    if ref:
        sites.saved_requests.extend(
            ref, until=now + recover_password.longest(channel) + sites.saved_requests.LIFE, now=now
        )


def may_add_to_replay_cache(*, signed_in: SignedIn | None, browser: Browser, now: datetime) -> bool:
    """Whether the ID of a request that nobody signed may take a row: strangers of one network share a budget."""
    return bool(signed_in) or not limits.consume(
        [limits.rate_limits.REPLAY_CACHE_NETWORK.bucket(browser.network)], now=now
    )
