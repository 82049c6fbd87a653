"""What others may use from the room `factors`."""

from massar.domain.factors import held, passkeys, webauthn
from massar.domain.factors.held import FactorFacts

__all__ = ["FactorFacts", "held", "passkeys", "webauthn"]
