"""The password in use and the former ones, read on the hot path in plain SQL; Argon2id, one hash at a time per process
(decision 14).

Concurrent hashes on one core slow each other (caches). Who may wait for one, and who is told to come back, is decided
before a request has a thread (`interfaces/base/turns.py`, ADR 86): here whoever has no turn is refused at once."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings

from massar.core import argon2id, encryption, sql
from massar.domain.credentials.models import FormerPassword, Password

HISTORY = 5
TABLE = "credentials_password"  # a row for each person who has one
NO_FACTORS = "NULL"  # of nobody who asks so, factors matter
_TABLES = {"password": "credentials_password", "former-password": "credentials_formerpassword"}


# Whether what runs here may hash: all but requests that wait for no turn at it.
has_turn: ContextVar[bool] = ContextVar("has_turn", default=True)
_one_at_a_time = threading.Lock()


class Busy(Exception):
    """This request has no turn at the hash."""


@contextmanager
def _turn() -> Iterator[None]:
    if not has_turn.get():
        raise Busy
    with _one_at_a_time:
        yield


def hash_password(password: str) -> str:
    """Return the `$argon2id$` string of a password under the configured parameters. Raises Busy."""
    cost = settings.MASSAR.argon2
    with _turn():
        return argon2id.make(password, memory_kib=cost.memory_kib, passes=cost.passes)


def verify(password: str, phc: str) -> bool:
    """Whether the password belongs to the `$argon2id$` string. Always costs one hash. Raises Busy."""
    with _turn():
        return argon2id.fits(password, phc)


def needs_rehash(phc: str) -> bool:
    """Whether the string was made under other parameters than today's."""
    cost = settings.MASSAR.argon2
    return f"$m={cost.memory_kib},t={cost.passes},p=1$" not in phc


@dataclass(frozen=True)
class StoredPassword:
    """`phc` is the decrypted `$argon2id$` string; a decoy for the unknown, the unset and the forged. `factors_since`:
    since when the person's second factors are what they are; None without any. `due_for`: the campaign that asks for
    another password."""

    phc: str = field(repr=False)
    real: bool = False
    changed_at: datetime | None = None
    devices_since: datetime | None = None
    factors_since: datetime | None = None
    due_for: int | None = None


class _Row(NamedTuple):
    ciphertext: bytes
    changed_at: datetime
    devices_since: datetime | None
    recovered_at: datetime | None
    due_for: int | None
    factors_since: datetime | None


def stored(person_id: int | None, *, factors: str = NO_FACTORS) -> StoredPassword:
    """Read the password in use: the same statement and the same work for known and unknown (person_id None). factors:
    how their room reads `factors_since` in that statement."""
    row, cost = _row(person_id, factors), settings.MASSAR.argon2
    decoy, encrypted = _decoy(cost.memory_kib, cost.passes)
    phc = _decrypt(row.ciphertext if row else encrypted, "password", person_id if row else 0)
    if row is None or phc is None:  # of an edited row nothing fits, and an alarm begins (ATK-142)
        return StoredPassword(decoy)
    return StoredPassword(phc, True, row.changed_at, row.devices_since, row.factors_since, row.due_for)


def unchanged(person_id: int, seen: StoredPassword, *, factors: str = NO_FACTORS) -> bool:
    """Whether the password that was read earlier, and the factors with it, are still those in use, and nothing has made
    the account's devices strangers since (a freeze does). Under the person's lock."""
    row = _row(person_id, factors)
    before = (seen.changed_at, seen.devices_since, seen.factors_since)
    return row is not None and (row.changed_at, row.devices_since, row.factors_since) == before


def recovered_at(person_id: int) -> datetime | None:
    """When the account was last recovered or frozen."""
    return recovery_and_factors(person_id)[0]


def recovery_and_factors(person_id: int, *, factors: str = NO_FACTORS) -> tuple[datetime | None, datetime | None]:
    """As `recovered_at`, and `factors_since` of `stored` beside it."""
    row = _row(person_id, factors)
    return (row.recovered_at, row.factors_since) if row else (None, None)


def activated(person_ids: Sequence[int]) -> set[int]:
    """Those of these people who have a password: somebody uses the account."""
    found = sql.find("person_id", "credentials_password", "person_id", person_ids) if person_ids else ()
    return {person_id for (person_id,) in found}


def require_change(person_ids: Sequence[int], *, campaign: int, changed_before: datetime) -> list[int]:
    """Have another password asked for at the next sign-in of those of these people who have one, have not changed it
    since then, and are not asked already; returns them. The password in use stays what it is."""
    statement = (
        f"UPDATE credentials_password SET due_for = %s WHERE person_id IN ({sql.placeholders(len(person_ids))}) "
        "AND due_for IS NULL AND changed_at < %s RETURNING person_id"
    )
    found = sql.rows(statement, (campaign, *person_ids, sql.at(changed_before))) if person_ids else []
    return sorted(person_id for (person_id,) in found)


def would_change(person_ids: Sequence[int], *, changed_before: datetime) -> set[int]:
    """Those whom `require_change` would ask."""
    statement = (
        f"SELECT person_id FROM credentials_password WHERE person_id IN ({sql.placeholders(len(person_ids))}) "
        "AND due_for IS NULL AND changed_at < %s"
    )
    found = sql.rows(statement, (*person_ids, sql.at(changed_before))) if person_ids else []
    return {person_id for (person_id,) in found}


def still_due(campaign: int) -> int:
    """How many of those whom a campaign asked have not changed their password yet."""
    [(number,)] = sql.rows("SELECT COUNT(*) FROM credentials_password WHERE due_for = %s", (campaign,))
    return int(number)


def ask_no_more(campaign: int) -> int:
    """Take back what a campaign asked; of how many people."""
    return sql.execute("UPDATE credentials_password SET due_for = NULL WHERE due_for = %s", (campaign,))


def due_for(person_id: int) -> int | None:
    """The campaign that asks this person for another password."""
    row = _row(person_id)
    return row.due_for if row else None


def _row(person_id: int | None, factors: str = NO_FACTORS) -> _Row | None:
    since = factors.format(person="credentials_password.person_id")
    statement = (
        f"SELECT ciphertext, changed_at, devices_since, recovered_at, due_for, {since} AS factors_since "
        "FROM credentials_password WHERE person_id = %s"
    )
    return sql.select_one(_Row, statement, (person_id or 0,))


def is_right(password: str, stored: StoredPassword) -> bool:
    """Verify with one Argon2id, always. Raises Busy."""
    return verify(password, stored.phc) and stored.real


def was_used(password: str, person_id: int) -> bool:
    """Whether it is the password in use or one of the last five."""
    current, former = stored(person_id), FormerPassword.objects.filter(person_id=person_id).order_by("-id")[:HISTORY]
    phcs = [_decrypt(one.ciphertext, "former-password", person_id) for one in former]
    return any([verify(password, phc) for phc in (current.real and current.phc, *phcs) if phc])


def save(person_id: int, phc: str, *, now: datetime, recovered: bool = False) -> None:
    """Store a new password; the one it replaces joins the history. Inside the caller's transaction. recovered: by a
    recovery, which makes the account's devices strangers."""
    older = Password.objects.filter(person_id=person_id).first()
    former = FormerPassword.objects.filter(person_id=person_id)
    # None when the row was forged: that must not keep its owner from a new password.
    if older and (used := _decrypt(older.ciphertext, "password", person_id)):
        ciphertext = _encrypt(person_id, used, "former-password")
        FormerPassword.objects.create(person_id=person_id, ciphertext=ciphertext, replaced_at=now)
        former.exclude(pk__in=list(former.order_by("-id").values_list("pk", flat=True)[:HISTORY])).delete()
    values = {"ciphertext": _encrypt(person_id, phc), "changed_at": now, "due_for": None}
    values |= {"devices_since": now, "recovered_at": now} if recovered else {}
    Password.objects.update_or_create(person_id=person_id, defaults=values)


def distrust_devices(person_id: int, *, now: datetime) -> None:
    """Make all devices of a frozen account strangers; who is signing in at this moment does not come in."""
    Password.objects.filter(person_id=person_id).update(devices_since=now, recovered_at=now)


def distrust_all_devices(*, now: datetime) -> None:
    """Make everybody's devices strangers. Nobody has recovered by that: no site makes anybody wait for it."""
    Password.objects.update(devices_since=now)


def rehash(person_id: int, phc: str, seen: StoredPassword) -> None:
    """Store the same password under today's parameters: no history, no change date. Not over a newer one."""
    if seen.changed_at:
        same = Password.objects.filter(person_id=person_id, changed_at=seen.changed_at)
        same.update(ciphertext=_encrypt(person_id, phc))


def _encrypt(person_id: int, phc: str, kind: str = "password") -> bytes:
    return encryption.data_keys().encrypt(phc.encode(), associated_data=f"{kind}|{person_id}")


def _decrypt(ciphertext: bytes | memoryview, kind: str, person_id: int | None) -> str | None:
    table, data = _TABLES[kind], f"{kind}|{person_id}"
    plain = encryption.open_row(ciphertext, associated_data=data, row=f"{table} of person {person_id}")
    return plain.decode() if plain is not None else None


@lru_cache(maxsize=4)
def _decoy(memory_kib: int, passes: int) -> tuple[str, bytes]:
    """Make the unknown account's hash, which fits no input anybody types, and the same encrypted like a row: that costs
    one decryption too."""
    phc = argon2id.make("nobody has this password", memory_kib=memory_kib, passes=passes)
    return phc, _encrypt(0, phc)
