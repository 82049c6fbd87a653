"""What others may use from the room `factors`."""

from massar.domain.factors import backup, held, passkeys, required, totp, webauthn
from massar.domain.factors.held import FactorFacts
from massar.domain.factors.passkeys import PasskeyMismatch

__all__ = ["FactorFacts", "PasskeyMismatch", "backup", "held", "passkeys", "required", "totp", "webauthn"]
