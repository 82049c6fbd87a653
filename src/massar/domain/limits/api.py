"""What others may use from the room `limits`."""

from datetime import datetime

from massar.domain.limits import challenges, gcra, posture, rate_limits, season, siege, tally
from massar.domain.limits.gcra import (
    Bucket,
    RateLimit,
    RateLimited,
    consume,
    consume_first,
    count_spent,
    refund,
    remaining,
    take,
)

__all__ = [
    "Bucket", "RateLimit", "RateLimited", "challenges", "consume", "consume_first", "count_spent", "posture",
    "rate_limits", "refund", "remaining", "season", "siege", "sweep", "take", "tally",
]  # fmt: skip


def sweep(*, now: datetime) -> int:
    """Remove what no longer counts; returns how many rows."""
    return sum(one.sweep(now=now) for one in (gcra, tally, challenges, siege))
