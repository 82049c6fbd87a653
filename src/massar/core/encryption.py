"""Encrypt (AES-256-GCM) and index or sign (HMAC-SHA-256) under keys that never enter the database.

An encrypted value carries the name of its key, so keys can be changed without touching the rows: one key writes, every
listed key opens. The associated data names the row a value belongs to: moved to another row it can't be decrypted.
Which key writes is the database's word (`core/keyring/`): nodes that are given a new key one after the other write
under it at the same moment."""

import hashlib
import hmac
import logging
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from massar.core import ids

VERSION = b"\x01"
# What is found or counted by its HMAC alone, and what can't be written anew: a change of keys must not hand out fresh
# limits, tell an invented name from a real one, void printed codes, or make the audit log look forged. Each has a key
# of its own that stays when data keys go; it lies in the database, encrypted under them (docs/adr/0064).
LASTING = (
    "audit", "backup-code", "block", "challenge", "destination", "limit", "passkey", "passkey-user", "recovery-browser",
    "recovery-form", "saved-request", "sid", "sprayed", "witness",
)  # fmt: skip
MOST_UNOPENED = 1000  # rows that one process remembers until they are written down
note = logging.getLogger("massar.keys")


class DecryptionFailed(Exception):
    """The value can't be opened."""


class KeyMissing(DecryptionFailed):
    """The key that is needed is not among those of this process: no fault of the value, nor of who asks."""


class Broken(DecryptionFailed):
    """The value was changed, or moved from another row."""


class Keyring:
    """Keys by name. `purpose` separates uses: each gets a derived key of its own (RFC 5869).

    writes: the name of the key that encrypts; the first where nothing is given. lasting: keys of 32 bytes by purpose,
    for LASTING. missing: names that are known and not here; None: every name that is not here may be one."""

    def __init__(
        self, keys: tuple[tuple[str, bytes], ...], *, writes: str = "", lasting: Mapping[str, bytes] | None = None,
        missing: Collection[str] | None = None,
    ):  # fmt: skip
        if not keys:
            raise ValueError("a keyring needs at least one key")
        self.writes = writes or keys[0][0]
        ordered = sorted(keys, key=lambda key: key[0] != self.writes)
        self._keys, self._lasting, self._missing = dict(ordered), lasting or {}, missing
        self._ciphers = {name: AESGCM(_derive(key, "encrypt")) for name, key in keys}
        self._hmacs: dict[tuple[str, str, bool], hmac.HMAC] = {}

    def encrypt(self, plain: bytes, *, associated_data: str) -> bytes:
        """Return version ‖ length of key name ‖ key name ‖ nonce (12) ‖ ciphertext and authentication tag."""
        nonce = ids.nonce()
        encrypted = self._ciphers[self.writes].encrypt(nonce, plain, associated_data.encode())
        return head(self.writes) + nonce + encrypted

    def decrypt(self, ciphertext: bytes | memoryview, *, associated_data: str) -> bytes:
        """Return what was encrypted with the same associated data. Raises KeyMissing or Broken."""
        stored = bytes(ciphertext)  # psycopg gives a memoryview
        if len(stored) < 30 or stored[:1] != VERSION:
            raise Broken("it is no encrypted value")
        end = 2 + stored[1]
        name = stored[2:end].decode("ascii", "replace")
        cipher = self._ciphers.get(name)
        if cipher is None and self._missing is not None and name not in self._missing:
            raise Broken("it names a key that never was")
        if cipher is None:
            raise KeyMissing(f"its key {name[:16]!r} is not in MASSAR_DATA_KEYS")
        try:
            return cipher.decrypt(stored[end : end + 12], stored[end + 12 :], associated_data.encode())
        except InvalidTag as broken:
            raise Broken("it was changed, or moved from another row") from broken

    def blind_index(self, purpose: str, *parts: object) -> str:
        """Return the HMAC (64 hex digits) by which a value is found without being stored: under the key that writes,
        or that of its purpose where it is LASTING."""
        return self._hmac(self.writes, purpose, parts)

    def blind_indexes(self, purpose: str, *parts: object) -> list[str]:
        """Return the blind index under every key, the one that writes first, for look-ups that must survive a change of
        keys."""
        under_each = [self._hmac(name, purpose, parts, lasting=False) for name in self._keys]
        if purpose in self._lasting:  # what an older key made before there were lasting keys, as long as it is here
            return list(dict.fromkeys([self._hmac(self.writes, purpose, parts), *under_each]))
        return under_each

    def sign(self, purpose: str, *parts: object) -> str:
        """Return the HMAC (64 hex digits) that proves later that the parts came from here."""
        return self._hmac(self.writes, purpose, parts)

    def verify(self, signature: str, purpose: str, *parts: object) -> bool:
        """Whether `signature` is an HMAC of these parts under one of the keys; constant time."""
        given = signature.encode("utf-8", "surrogatepass")  # as bytes: text that is not ASCII would raise, not differ
        return any(hmac.compare_digest(given, own.encode()) for own in self.blind_indexes(purpose, *parts))

    def lasting_key(self, purpose: str) -> bytes:
        """Return the key of a LASTING purpose as it was before it had one of its own: no HMAC changes."""
        return _derive(self._keys[self.writes], f"hmac|{purpose}")

    def _hmac(self, name: str, purpose: str, parts: tuple[object, ...], *, lasting: bool = True) -> str:
        """Parts are length-prefixed, so that ("ab", "c") and ("a", "bc") differ."""
        keyed = self._hmacs.get((name, purpose, lasting))
        if keyed is None:  # the key is taken in once: half of what an HMAC costs
            key = (self._lasting.get(purpose) if lasting else None) or _derive(self._keys[name], f"hmac|{purpose}")
            keyed = self._hmacs[name, purpose, lasting] = hmac.new(key, digestmod=hashlib.sha256)
        digest = keyed.copy()
        for part in parts:
            data = str(part).encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(4, "big") + data)
        return digest.hexdigest()


def head(name: str) -> bytes:
    """What every value begins with that was encrypted under the key of that name."""
    return VERSION + bytes([len(name)]) + name.encode()


def key_of(ciphertext: bytes | memoryview) -> str:
    """Return the name of the key that a value says it is under; '' where that could be no name."""
    stored = bytes(ciphertext)
    name = stored[2 : 2 + stored[1]] if len(stored) > 2 and stored[:1] == VERSION else b""
    return name.decode() if name.isascii() and name.isalnum() and len(name) <= 16 else ""


def check_value(key: bytes) -> str:
    """What tells one key from another without telling anything of it (64 hex digits)."""
    return hmac.new(_derive(key, "check"), b"massar data key", hashlib.sha256).hexdigest()


def _derive(key: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"massar|{purpose}".encode()).derive(key)


@lru_cache(maxsize=8)
def _keyring(keys: tuple[tuple[str, bytes], ...]) -> Keyring:
    return Keyring(keys)


_ruled_by: list[Callable[[], Keyring]] = []


def rule_by(current: Callable[[], Keyring]) -> None:
    """From here on this process takes its keyring from `current`, which may raise KeyMissing."""
    _ruled_by[:] = [current]


def data_keys() -> Keyring:
    """Keys for what is stored: contacts, password hashes, temporary passwords, messages, session look-ups. Raises
    KeyMissing when this process lacks one that the database needs."""
    return _ruled_by[0]() if _ruled_by else _keyring(settings.MASSAR.data_keys)


def browser_keys() -> Keyring:
    """Keys for what browsers hold: device cookies and cancel links. Losing them only makes known devices unknown."""
    return _keyring((("secret", hashlib.sha256(settings.MASSAR.secret_key.encode()).digest()),))


unopened: dict[str, str] = {}  # row -> why; `core/keyring` writes it down for the alarm


def open_row(ciphertext: bytes | memoryview, *, associated_data: str, row: str) -> bytes | None:
    """Return what a row of the database holds encrypted; None if it was changed or moved, by whoever may write there.
    Either trouble is logged and begins an alarm. row: table and id, as `people_contact 12`. Raises KeyMissing."""
    keys = data_keys()
    try:
        return keys.decrypt(ciphertext, associated_data=associated_data)
    except Broken as trouble:
        _note_unopened(row, str(trouble))
        return None
    except KeyMissing as trouble:
        _note_unopened(row, str(trouble))
        raise


def _note_unopened(row: str, why: str) -> None:
    """Once until it is written down: a row that is asked for a thousand times says it a few times a minute."""
    if row not in unopened and len(unopened) < MOST_UNOPENED:
        note.error("the row %s can't be opened: %s", row, why)
        unopened[row] = why
