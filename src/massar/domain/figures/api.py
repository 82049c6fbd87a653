"""What others may use from the room `figures`."""

from massar.domain.figures import store
from massar.domain.figures.store import EVERYBODY, DayFacts, FigureFacts, RunFacts

__all__ = ["EVERYBODY", "DayFacts", "FigureFacts", "RunFacts", "store"]
