"""What others may use from the room `limits`."""

from massar.domain.limits import rate_limits
from massar.domain.limits.gcra import Bucket, RateLimit, RateLimited, consume, refund, remaining, sweep

__all__ = ["Bucket", "RateLimit", "RateLimited", "consume", "rate_limits", "refund", "remaining", "sweep"]
