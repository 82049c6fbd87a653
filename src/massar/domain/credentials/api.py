"""What others may use from the room `credentials`."""

from massar.domain.credentials import passwords, temporary
from massar.domain.credentials.passwords import Busy, StoredPassword

__all__ = ["Busy", "StoredPassword", "passwords", "temporary"]
