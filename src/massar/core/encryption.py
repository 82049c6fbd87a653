"""Sealing (AES-256-GCM) and tagging (HMAC-SHA-256) under keys that never enter the database.

A sealed value carries the name of its key, so keys can be changed without touching the rows: the newest key seals,
every listed key opens. The associated data names the place a value belongs to: moved to another row it does not open.
"""

from __future__ import annotations

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


class SealBroken(Exception):
    """The value was changed, moved to another row, or its key is not in MASSAR_DATA_KEYS."""


class Keyring:
    """Keys by name, newest first. `purpose` separates uses: each gets its own derived key (RFC 5869)."""

    def __init__(self, keys: tuple[tuple[str, bytes], ...]):
        if not keys:
            raise ValueError("a keyring needs at least one key")
        self._keys = dict(keys)
        self._newest = keys[0][0]
        self._ciphers: dict[str, AESGCM] = {n: AESGCM(_derive(k, "seal")) for n, k in keys}
        self._tag_keys: dict[tuple[str, str], bytes] = {}

    def seal(self, plain: bytes, *, place: str) -> bytes:
        """version ‖ length of key name ‖ key name ‖ nonce (12) ‖ ciphertext and tag."""
        name = self._newest.encode()
        nonce = ids.nonce()
        box = self._ciphers[self._newest].encrypt(nonce, plain, place.encode())
        return VERSION + bytes([len(name)]) + name + nonce + box

    def open(self, sealed: bytes, *, place: str) -> bytes:
        sealed = bytes(sealed)
        if len(sealed) < 30 or sealed[:1] != VERSION:
            raise SealBroken("not a sealed value")
        end = 2 + sealed[1]
        cipher = self._ciphers.get(sealed[2:end].decode("ascii", "replace"))
        if cipher is None:
            raise SealBroken("sealed with a key that is not configured")
        try:
            return cipher.decrypt(sealed[end : end + 12], sealed[end + 12 :], place.encode())
        except InvalidTag as broken:
            raise SealBroken("changed, or moved from another row") from broken

    def tag(self, purpose: str, *parts: object) -> str:
        """Keyed tag of the parts under the newest key, 64 hex digits. Parts are length-prefixed: no ambiguity."""
        return self._tag(self._newest, purpose, parts)

    def tags(self, purpose: str, *parts: object) -> list[str]:
        """The tag under every key, newest first, for look-ups that must survive a change of keys."""
        return [self._tag(name, purpose, parts) for name in self._keys]

    def matches(self, tag: str, purpose: str, *parts: object) -> bool:
        """Whether `tag` is one of ours for these parts; constant time."""
        given = tag.encode("utf-8", "surrogatepass")  # as bytes: text that is not ASCII would raise, not differ
        return any(hmac.compare_digest(given, own.encode()) for own in self.tags(purpose, *parts))

    def _tag(self, name: str, purpose: str, parts: tuple[object, ...]) -> str:
        key = self._tag_keys.get((name, purpose))
        if key is None:
            key = self._tag_keys[name, purpose] = _derive(self._keys[name], f"tag|{purpose}")
        digest = hmac.new(key, digestmod=hashlib.sha256)
        for part in parts:
            data = str(part).encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(4, "big"))
            digest.update(data)
        return digest.hexdigest()


def _derive(key: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"massar|{purpose}".encode()).derive(key)


@lru_cache(maxsize=4)
def _keyring(keys: tuple[tuple[str, bytes], ...]) -> Keyring:
    return Keyring(keys)


def data_keys() -> Keyring:
    """Keys for what is stored: contacts, password hashes, temporary passwords, messages, session look-ups."""
    return _keyring(settings.MASSAR.data_keys)


@lru_cache(maxsize=4)
def _browser_keyring(secret: str) -> Keyring:
    return Keyring((("secret", hashlib.sha256(secret.encode()).digest()),))


def browser_keys() -> Keyring:
    """Keys for what browsers hold: device cookies and cancel links. Losing them only forgets devices."""
    return _browser_keyring(settings.MASSAR.secret_key)
