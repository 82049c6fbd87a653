"""What others may use from the room `factors`."""

from massar.domain.factors import held
from massar.domain.factors.held import FactorFacts

__all__ = ["FactorFacts", "held"]
