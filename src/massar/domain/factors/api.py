"""What others may use from the room `factors`."""

from massar.domain.factors import backup, held, passkeys, required, totp, webauthn
from massar.domain.factors.held import FactorFacts

__all__ = ["FactorFacts", "backup", "held", "passkeys", "required", "totp", "webauthn"]
