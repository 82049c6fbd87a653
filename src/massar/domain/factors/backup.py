"""Printed backup codes: look-up secrets (NIST SP 800-63B-4 §3.1.2), ten at a time, each good once.

Twelve digits: they are typed on any keyboard, in digits of every script. Below 112 bits a secret must be throttled,
which the limits of the second step do, and kept so that a stolen table gives nothing: an HMAC under a key outside the
database."""

from datetime import datetime

from massar.core import encryption, ids, sql
from massar.domain.factors.models import BackupCode

COUNT = 10
DIGITS = 12


def renew(person_id: int, *, now: datetime) -> list[str]:
    """Make a new set and end the old one. The codes are returned once and kept nowhere: `4827-1930-5526`."""
    remove(person_id)
    codes: list[str] = []
    while len(codes) < COUNT:
        code = ids.backup_code()
        codes += [code] if code not in codes else []
    BackupCode.objects.bulk_create(
        BackupCode(person_id=person_id, code_hmac=_hmacs(person_id, code)[0], made_at=now) for code in codes
    )
    return [f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in codes]


def accept(person_id: int, code: str, *, now: datetime) -> bool:
    """Use up a code, atomically and once. code: its twelve digits."""
    fits = _hmacs(person_id, code)
    used = f"person_id = %s AND used_at IS NULL AND code_hmac IN ({sql.placeholders(len(fits))})"
    statement = f"UPDATE factors_backupcode SET used_at = %s WHERE {used}"
    return sql.execute(statement, (sql.at(now), person_id, *fits)) > 0


def left(person_id: int) -> int:
    return BackupCode.objects.filter(person_id=person_id, used_at=None).count()


def remove(person_id: int) -> None:
    BackupCode.objects.filter(person_id=person_id).delete()


def _hmacs(person_id: int, code: str) -> list[str]:
    return encryption.data_keys().blind_indexes("backup-code", person_id, code)
