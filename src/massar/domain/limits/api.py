"""What others may use from the room `limits`."""

from massar.domain.limits import rate_limits
from massar.domain.limits.gcra import Draw, Limit, Refused, draw, forget, give_back, left, sweep, take

__all__ = ["Draw", "Limit", "Refused", "draw", "forget", "give_back", "rate_limits", "left", "sweep", "take"]
