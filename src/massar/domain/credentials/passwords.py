"""The password in use and the former ones. Read on the hot path in plain SQL."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from massar.core import encryption, sql
from massar.domain.credentials import hashing
from massar.domain.credentials.models import FormerPassword, Password

HISTORY = 5


@dataclass(frozen=True)
class StoredPassword:
    """`phc` is the decrypted `$argon2id$` string; a decoy for the unknown, the unset and the forged."""

    phc: str
    real: bool = False
    changed_at: datetime | None = None
    devices_since: datetime | None = None


class _Row(NamedTuple):
    ciphertext: bytes
    changed_at: datetime
    devices_since: datetime | None


def stored(person_id: int | None) -> StoredPassword:
    """Read the password in use: the same statement and the same work for known and unknown (person_id None)."""
    row = _row(person_id)
    phc = _decrypt(row.ciphertext if row else _decoy(hashing.decoy()), "password", person_id if row else 0)
    if row is None or phc is None:  # an edited row can't be decrypted (ATK-142)
        return StoredPassword(hashing.decoy())
    return StoredPassword(phc, True, row.changed_at, row.devices_since)


def unchanged(person_id: int, seen: StoredPassword) -> bool:
    """Whether the password that was read earlier is still the one in use. Under the person's lock."""
    row = _row(person_id)
    return row is not None and row.changed_at == seen.changed_at


def recovered_at(person_id: int) -> datetime | None:
    """When the account was last recovered (its devices are strangers since then)."""
    row = _row(person_id)
    return row.devices_since if row else None


def _row(person_id: int | None) -> _Row | None:
    statement = "SELECT ciphertext, changed_at, devices_since FROM credentials_password WHERE person_id = %s"
    return sql.select_one(_Row, statement, (person_id or 0,))


def is_right(password: str, stored: StoredPassword, *, known: bool) -> bool:
    """Verify with one Argon2id, always. Raises hashing.Busy."""
    return hashing.verify(password, stored.phc, known=known) and stored.real


def was_used(password: str, person_id: int) -> bool:
    """Whether it is the password in use or one of the last five."""
    current, former = stored(person_id), FormerPassword.objects.filter(person_id=person_id).order_by("-id")[:HISTORY]
    phcs = [_decrypt(one.ciphertext, "former-password", person_id) for one in former]
    return any([hashing.verify(password, phc) for phc in (current.real and current.phc, *phcs) if phc])


def save(person_id: int, phc: str, *, now: datetime, distrust_devices: bool = False) -> None:
    """Store a new password; the one it replaces joins the history. Inside the caller's transaction."""
    older = Password.objects.filter(person_id=person_id).first()
    former = FormerPassword.objects.filter(person_id=person_id)
    # None when the row was forged or its key is gone: that must not keep its owner from a new password.
    if older and (used := _decrypt(older.ciphertext, "password", person_id)):
        ciphertext = _encrypt(person_id, used, "former-password")
        FormerPassword.objects.create(person_id=person_id, ciphertext=ciphertext, replaced_at=now)
        former.exclude(pk__in=list(former.order_by("-id").values_list("pk", flat=True)[:HISTORY])).delete()
    values = {"ciphertext": _encrypt(person_id, phc), "changed_at": now}
    values |= {"devices_since": now} if distrust_devices else {}
    Password.objects.update_or_create(person_id=person_id, defaults=values)


def rehash(person_id: int, phc: str, seen: StoredPassword) -> None:
    """Store the same password under today's parameters: no history, no change date. Not over a newer one."""
    if seen.changed_at:
        same = Password.objects.filter(person_id=person_id, changed_at=seen.changed_at)
        same.update(ciphertext=_encrypt(person_id, phc))


def are_readable() -> bool:
    """Whether the oldest and the newest stored password can be decrypted with the keys of this process, if any."""
    ends = "(SELECT MIN(person_id) FROM credentials_password), (SELECT MAX(person_id) FROM credentials_password)"
    rows = sql.rows(f"SELECT person_id, ciphertext FROM credentials_password WHERE person_id IN ({ends})")
    return all(_decrypt(ciphertext, "password", person_id) is not None for person_id, ciphertext in rows)


def _encrypt(person_id: int, phc: str, kind: str = "password") -> bytes:
    return encryption.data_keys().encrypt(phc.encode(), associated_data=f"{kind}|{person_id}")


def _decrypt(ciphertext: bytes | memoryview, kind: str, person_id: int | None) -> str | None:
    try:
        return encryption.data_keys().decrypt(ciphertext, associated_data=f"{kind}|{person_id}").decode()
    except encryption.DecryptionFailed:
        return None


@lru_cache(maxsize=1)
def _decoy(phc: str) -> bytes:
    """The decoy, encrypted like a row, so that the unknown also costs one decryption."""
    return _encrypt(0, phc)
