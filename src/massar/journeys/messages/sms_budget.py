"""What all SMS of the country may cost: segments an hour and a day, with a share that only recovery may draw upon.

Codes that prove a contact and temporary passwords are charged when they are asked for: one segment each, to which the
wording is held. Everything else, notices above all, is charged when it is about to leave, and waits in the queue while
nothing is left. Only recovery goes on to the reserve. Campaigns leave half of what all share to everybody else.

All of the country meets in these few rows, so they are the last that a transaction locks: after the person, the
messages and the temporary passwords."""

from datetime import datetime, timedelta

from django.conf import settings

from massar.domain.limits import api as limits

LOOK_AGAIN = timedelta(minutes=1)


def buckets(segments: int = 1, *, reserve: bool = False) -> list[limits.Bucket]:
    """What a message draws upon that is no recovery; with `reserve` what recovery may draw upon beyond that."""
    massar = settings.MASSAR
    both = limits.rate_limits.sms(massar.sms_per_hour, massar.sms_per_day, reserve=reserve)
    return [limit.bucket(units=segments) for limit in both]


def take(segments: int, *, now: datetime) -> limits.RateLimited | None:
    """For a message that may wait."""
    return limits.consume(buckets(segments), now=now)


def take_for_campaign(segments: int, *, now: datetime) -> limits.RateLimited | None:
    """For a message of a campaign: only while more than half of what all share is left."""
    if room_for_campaigns(now=now) < segments:
        return limits.RateLimited("sms-campaigns", now + LOOK_AGAIN, frozenset())
    return take(segments, now=now)


def room_for_campaigns(*, now: datetime) -> int:
    """How many segments campaigns may send just now."""
    return min(limits.remaining(bucket, now=now) - bucket.limit.burst // 2 for bucket in buckets())


def campaign_pace() -> float:
    """How many segments an hour campaigns may send for long, while nothing else is sent."""
    hour, day = (bucket.limit.burst for bucket in buckets())
    return min(hour, day / 24) / 2


def take_for_recovery(*, now: datetime) -> limits.RateLimited | None:
    """First of what all share, then of the reserve. Refused: both are spent; `until` is when the first gives again."""
    refused = limits.consume(buckets(), now=now)
    if refused is None:
        return None
    beyond = limits.consume(buckets(reserve=True), now=now)
    return beyond and min(refused, beyond, key=lambda one: one.until)


def percent_spent(*, now: datetime) -> dict[str, float]:
    """By name, of each budget of the country."""
    left = {bucket.limit: limits.remaining(bucket, now=now) for bucket in buckets() + buckets(reserve=True)}
    return {limit.name: 100 * (limit.burst - count) / limit.burst for limit, count in left.items()}
