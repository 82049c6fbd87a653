"""What others may use from the room `factors`."""

from massar.core.keyring.api import Sealed
from massar.domain.factors import backup, held, losses, passkeys, required, totp, webauthn
from massar.domain.factors.held import FactorFacts
from massar.domain.factors.passkeys import PasskeyMismatch

__all__ = [
    "SEALED", "FactorFacts", "PasskeyMismatch", "backup", "held", "losses", "passkeys", "required", "totp", "webauthn",
]  # fmt: skip
SEALED = (
    Sealed("factors_factor", "secret_ciphertext", "app-key|{person_id}|{uid}", where="kind = 'app'"),
    Sealed("factors_factor", "secret_ciphertext", "passkey|{person_id}|{uid}", where="kind = 'passkey'"),
)
