"""What others may use from the room `credentials`."""

from massar.domain.credentials import hashing, passwords, temporary
from massar.domain.credentials.hashing import Busy
from massar.domain.credentials.passwords import StoredPassword

__all__ = ["Busy", "StoredPassword", "hashing", "passwords", "temporary"]
