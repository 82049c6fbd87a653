"""What others may use from the room `limits`."""

from massar.domain.limits import lanes
from massar.domain.limits.budgets import Draw, Limit, Refused, draw, forget, give_back, left, sweep, take

__all__ = ["Draw", "Limit", "Refused", "draw", "forget", "give_back", "lanes", "left", "sweep", "take"]
