"""The password in use and the former ones. Read on the hot path in plain SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from massar.core import encryption, sql
from massar.domain.credentials import hashing
from massar.domain.credentials.models import FormerPassword, Password

HISTORY = 5


@dataclass(frozen=True)
class StoredPassword:
    """`phc` is the opened `$argon2id$` string; a decoy for the unknown, the unset and the forged."""

    phc: str
    real: bool
    changed_at: datetime | None
    devices_since: datetime | None


def stored(person_id: int | None) -> StoredPassword:
    """Same statement and same work for known and unknown (person_id None)."""
    found = sql.row(
        "SELECT ciphertext, changed_at, devices_since FROM credentials_password WHERE person_id = %s",
        (person_id or 0,),
    )
    ciphertext = bytes(found[0]) if found else _decoy_ciphertext()
    try:
        phc = (
            encryption.data_keys()
            .decrypt(ciphertext, associated_data=_associated_data(person_id if found else 0))
            .decode()
        )
    except encryption.DecryptionFailed:  # an edited row opens nothing (ATK-142)
        return StoredPassword(hashing.decoy(), False, None, None)
    if not found:
        return StoredPassword(phc, False, None, None)
    return StoredPassword(phc, True, sql.moment(found[1]), sql.moment(found[2]))


def unchanged(person_id: int, seen: StoredPassword) -> bool:
    """Whether the password that was read earlier is still the one in use. Under the person's lock."""
    found = sql.row("SELECT changed_at FROM credentials_password WHERE person_id = %s", (person_id,))
    return found is not None and sql.moment(found[0]) == seen.changed_at


def is_right(password: str, stored: StoredPassword, *, known: bool) -> bool:
    """One Argon2id, always. Raises hashing.Busy."""
    return hashing.verify(password, stored.phc, known=known) and stored.real


def was_used(password: str, person_id: int) -> bool:
    """Whether it is the password in use or one of the last five."""
    current = stored(person_id)
    phcs = [current.phc] if current.real else []
    for former in FormerPassword.objects.filter(person_id=person_id).order_by("-id")[:HISTORY]:
        phcs.append(_open_former(former))
    return any([hashing.verify(password, phc) for phc in phcs if phc])


def save(person_id: int, phc: str, *, now: datetime, distrust_devices: bool = False) -> None:
    """Stores a new password; the one it replaces joins the history. Inside the caller's transaction."""
    older = Password.objects.filter(person_id=person_id).first()
    ciphertext = _moved_to_history(older) if older else None
    if ciphertext:
        FormerPassword.objects.create(person_id=person_id, ciphertext=ciphertext, replaced_at=now)
        keep = FormerPassword.objects.filter(person_id=person_id).order_by("-id").values_list("pk", flat=True)[:HISTORY]
        FormerPassword.objects.filter(person_id=person_id).exclude(pk__in=list(keep)).delete()
    values = {"ciphertext": _encrypt(person_id, phc), "changed_at": now}
    if distrust_devices:
        values["devices_since"] = now
    Password.objects.update_or_create(person_id=person_id, defaults=values)


def recovered_at(person_id: int) -> datetime | None:
    """When the account was last recovered (its devices are strangers since then)."""
    found = sql.row("SELECT devices_since FROM credentials_password WHERE person_id = %s", (person_id,))
    return sql.moment(found[0]) if found else None


def rehash(person_id: int, phc: str, seen: StoredPassword) -> None:
    """Same password, today's parameters: no history, no change date. Not over one that was saved meanwhile."""
    Password.objects.filter(person_id=person_id, changed_at=seen.changed_at).update(ciphertext=_encrypt(person_id, phc))


def _encrypt(person_id: int, phc: str) -> bytes:
    return encryption.data_keys().encrypt(phc.encode(), associated_data=_associated_data(person_id))


def open_with_our_keys() -> bool:
    """Whether the oldest and the newest stored password open with the keys of this process; True where there is none."""
    ends = "(SELECT MIN(person_id) FROM credentials_password), (SELECT MAX(person_id) FROM credentials_password)"
    try:
        for person_id, ciphertext in sql.rows(
            f"SELECT person_id, ciphertext FROM credentials_password WHERE person_id IN ({ends})"
        ):
            encryption.data_keys().decrypt(ciphertext, associated_data=_associated_data(person_id))
    except encryption.DecryptionFailed:
        return False
    return True


def _associated_data(person_id: int | None) -> str:
    return f"password|{person_id}"


def _moved_to_history(older: Password) -> bytes | None:
    """None when the row was forged or its key is gone: that must not keep its owner from a new password."""
    try:
        phc = encryption.data_keys().decrypt(older.ciphertext, associated_data=_associated_data(older.person_id))
    except encryption.DecryptionFailed:
        return None
    return encryption.data_keys().encrypt(phc, associated_data=f"former-password|{older.person_id}")


def _open_former(row: FormerPassword) -> str | None:
    try:
        return (
            encryption.data_keys().decrypt(row.ciphertext, associated_data=f"former-password|{row.person_id}").decode()
        )
    except encryption.DecryptionFailed:
        return None


_DECOYS: dict[str, bytes] = {}


def _decoy_ciphertext() -> bytes:
    """The decoy, encrypted like a row, so that the unknown also costs one opening."""
    phc = hashing.decoy()
    if phc not in _DECOYS:
        _DECOYS.clear()
        _DECOYS[phc] = _encrypt(0, phc)
    return _DECOYS[phc]
