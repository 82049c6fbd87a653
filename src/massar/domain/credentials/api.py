"""What others may use from the room `credentials`."""

from massar.core.keyring.api import Ending, Sealed
from massar.domain.credentials import handed, passwords, temporary
from massar.domain.credentials.passwords import Busy, StoredPassword

__all__ = ["ENDING", "SEALED", "Busy", "StoredPassword", "handed", "passwords", "temporary"]
SEALED = (
    Sealed("credentials_password", "ciphertext", "password|{person_id}", key="person_id"),
    Sealed("credentials_formerpassword", "ciphertext", "former-password|{person_id}"),
    Sealed("credentials_temporarypassword", "ciphertext", "temporary|{secret_hmac}"),
)
ENDING = (
    Ending("temporary passwords", "credentials_temporarypassword", "issued_at", "state IN ('issued', 'claimed')",
           until="expires_at"),
)  # fmt: skip
