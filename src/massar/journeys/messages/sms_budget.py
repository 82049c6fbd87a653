"""What all SMS of the country may cost: segments an hour and a day, with a share that only recovery may draw upon.

Codes that prove a contact and temporary passwords are charged when they are asked for: one segment each, to which the
wording is held. Everything else, notices above all, is charged when it is about to leave, and waits in the queue while
nothing is left. Only recovery goes on to the reserve.

All of the country meets in these few rows, so they are the last that a transaction locks: after the person, the
messages and the temporary passwords.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from massar.domain.limits import api as limits


def shared(segments: int = 1) -> list[limits.Bucket]:
    """What a message draws upon that is no recovery."""
    return _buckets(segments, reserve=False)


def take(segments: int, *, now: datetime) -> limits.RateLimited | None:
    """For a message that may wait."""
    return limits.consume(shared(segments), now=now)


def take_for_recovery(*, now: datetime) -> limits.RateLimited | None:
    """First of what all share, then of the reserve. Refused: both are spent; `until` is when the first gives again."""
    refused = limits.consume(shared(), now=now)
    if refused is None:
        return None
    beyond = limits.consume(_buckets(1, reserve=True), now=now)
    return beyond and min(refused, beyond, key=lambda one: one.until)


def standing(*, now: datetime) -> list[tuple[str, int, int]]:
    """(name, segments left, of how many) of each budget of the country."""
    buckets = shared() + _buckets(1, reserve=True)
    return [(bucket.limit.name, limits.remaining(bucket, now=now), bucket.limit.burst) for bucket in buckets]


def _buckets(segments: int, *, reserve: bool) -> list[limits.Bucket]:
    massar = settings.MASSAR
    both = limits.rate_limits.sms(massar.sms_per_hour, massar.sms_per_day, reserve=reserve)
    return [limit.bucket(units=segments) for limit in both]
