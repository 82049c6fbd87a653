"""Encrypt (AES-256-GCM) and index or sign (HMAC-SHA-256) under keys that never enter the database.

An encrypted value carries the name of its key, so keys can be changed without touching the rows: the newest key
encrypts, every listed key decrypts. The associated data names the row a value belongs to: moved to another row it can't
be decrypted."""

import hashlib
import hmac
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from massar.core import ids

VERSION = b"\x01"


class DecryptionFailed(Exception):
    """The value was changed, moved to another row, or its key is not in MASSAR_DATA_KEYS."""


class Keyring:
    """Keys by name, newest first. `purpose` separates uses: each gets a derived key of its own (RFC 5869)."""

    def __init__(self, keys: tuple[tuple[str, bytes], ...]):
        if not keys:
            raise ValueError("a keyring needs at least one key")
        self._keys = dict(keys)
        self._newest = keys[0][0]
        self._ciphers = {name: AESGCM(_derive(key, "encrypt")) for name, key in keys}
        self._hmac_keys: dict[tuple[str, str], bytes] = {}

    def encrypt(self, plain: bytes, *, associated_data: str) -> bytes:
        """Return version ‖ length of key name ‖ key name ‖ nonce (12) ‖ ciphertext and authentication tag."""
        name, nonce = self._newest.encode(), ids.nonce()
        encrypted = self._ciphers[self._newest].encrypt(nonce, plain, associated_data.encode())
        return VERSION + bytes([len(name)]) + name + nonce + encrypted

    def decrypt(self, ciphertext: bytes | memoryview, *, associated_data: str) -> bytes:
        """Return what was encrypted with the same associated data. Raises DecryptionFailed."""
        stored = bytes(ciphertext)  # psycopg gives a memoryview
        if len(stored) < 30 or stored[:1] != VERSION:
            raise DecryptionFailed("not an encrypted value")
        end = 2 + stored[1]
        cipher = self._ciphers.get(stored[2:end].decode("ascii", "replace"))
        if cipher is None:
            raise DecryptionFailed("encrypted with a key that is not configured")
        try:
            return cipher.decrypt(stored[end : end + 12], stored[end + 12 :], associated_data.encode())
        except InvalidTag as broken:
            raise DecryptionFailed("changed, or moved from another row") from broken

    def blind_index(self, purpose: str, *parts: object) -> str:
        """Return the HMAC under the newest key (64 hex digits) by which a value is found without being stored."""
        return self._hmac(self._newest, purpose, parts)

    def blind_indexes(self, purpose: str, *parts: object) -> list[str]:
        """Return the blind index under every key, newest first, for look-ups that must survive a change of keys."""
        return [self._hmac(name, purpose, parts) for name in self._keys]

    def sign(self, purpose: str, *parts: object) -> str:
        """Return the HMAC under the newest key (64 hex digits) that proves later that the parts came from here."""
        return self._hmac(self._newest, purpose, parts)

    def verify(self, signature: str, purpose: str, *parts: object) -> bool:
        """Whether `signature` is an HMAC of these parts under one of the keys; constant time."""
        given = signature.encode("utf-8", "surrogatepass")  # as bytes: text that is not ASCII would raise, not differ
        return any(hmac.compare_digest(given, own.encode()) for own in self.blind_indexes(purpose, *parts))

    def _hmac(self, name: str, purpose: str, parts: tuple[object, ...]) -> str:
        """Parts are length-prefixed, so that ("ab", "c") and ("a", "bc") differ."""
        key = self._hmac_keys.get((name, purpose))
        if key is None:
            key = self._hmac_keys[name, purpose] = _derive(self._keys[name], f"hmac|{purpose}")
        digest = hmac.new(key, digestmod=hashlib.sha256)
        for part in parts:
            data = str(part).encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(4, "big") + data)
        return digest.hexdigest()


def _derive(key: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"massar|{purpose}".encode()).derive(key)


@lru_cache(maxsize=8)
def _keyring(keys: tuple[tuple[str, bytes], ...]) -> Keyring:
    return Keyring(keys)


def data_keys() -> Keyring:
    """Keys for what is stored: contacts, password hashes, temporary passwords, messages, session look-ups."""
    return _keyring(settings.MASSAR.data_keys)


def browser_keys() -> Keyring:
    """Keys for what browsers hold: device cookies and cancel links. Losing them only makes known devices unknown."""
    return _keyring((("secret", hashlib.sha256(settings.MASSAR.secret_key.encode()).digest()),))
