"""Apps that show a code (TOTP, RFC 6238): six digits, steps of 30 seconds, SHA-1, as every app reads them.

A code is good once: the step it belongs to is kept in the factor, and only a later one is accepted afterwards, by one
statement (RFC 6238 §5.2; ATK-027). One step before and one after are looked at as well: clocks of phones differ."""

import base64
import hmac
from datetime import datetime
from typing import NamedTuple

import pyotp

from massar.core import encryption, ids, sql
from massar.domain.factors import held
from massar.domain.factors.models import Factor

STEP = 30  # seconds
AROUND = (0, -1, 1)  # steps that are looked at, counted from now
DIGITS = 6


class Enrolment(NamedTuple):
    """An app that is being set up. `key`: base32 in groups of four, to be typed where no square can be read; `link`:
    what the square holds, which also opens an app on the same phone."""

    factor_id: int
    key: str
    link: str

    def __repr__(self) -> str:
        return f"Enrolment(factor_id={self.factor_id})"


class _Row(NamedTuple):
    id: int
    uid: str
    secret_ciphertext: bytes


def enroll(person_id: int, *, place: str, now: datetime) -> None:
    """Begin with a new key; what was begun in the same place gives way."""
    factor = held.enroll(person_id, Factor.Kind.APP, name="", place=place, now=now)
    place_of_key = _associated_data(person_id, factor.uid)
    factor.secret_ciphertext = encryption.data_keys().encrypt(ids.app_key(), associated_data=place_of_key)
    factor.save(update_fields=["secret_ciphertext"])


def enrolment(person_id: int, *, place: str, login: str, issuer: str, now: datetime) -> Enrolment | None:
    """What was begun in that place and can be read; None where nothing was. issuer: what the app shows above the
    code."""
    factor = held.begun(person_id, Factor.Kind.APP, place=place, now=now)
    otp = _reader(person_id, factor.uid, factor.secret_ciphertext) if factor and factor.secret_ciphertext else None
    if factor is None or otp is None:
        return None
    groups = [otp.secret[at : at + 4] for at in range(0, len(otp.secret), 4)]
    return Enrolment(factor.pk, " ".join(groups), otp.provisioning_uri(name=login, issuer_name=issuer))


def prove(person_id: int, code: str, *, place: str, now: datetime) -> int | None:
    """Make the app that was begun in that place count if the code is one of its own. Returns the factor's id."""
    factor = held.begun(person_id, Factor.Kind.APP, place=place, now=now)
    if factor is None or factor.secret_ciphertext is None:
        return None
    step = _step_of(_reader(person_id, factor.uid, factor.secret_ciphertext), code, now)
    return factor.pk if step and held.activate(factor.pk, person_id, now=now, last_step=step) else None


def use_up_steps(*, now: datetime) -> None:
    """No code of anybody's app that shows by now serves any more."""
    newest = int(now.timestamp()) // STEP + 1
    sql.execute("UPDATE factors_factor SET last_step = %s WHERE kind = 'app' AND last_step < %s", (newest, newest))


def accept(person_id: int, code: str, *, now: datetime) -> int | None:
    """Use up a code of one of the person's apps: its factor's id, or None. One statement decides whether this step was
    still to be had; two requests with the same code get one yes."""
    statement = "SELECT id, uid, secret_ciphertext FROM factors_factor WHERE person_id = %s AND state = 'active'"
    for row in sql.select(_Row, f"{statement} AND kind = 'app' ORDER BY id", (person_id,)):
        step = _step_of(_reader(person_id, row.uid, row.secret_ciphertext), code, now)
        if step and _use_up(row.id, step, now):
            return row.id
    return None


def _use_up(factor_id: int, step: int, now: datetime) -> bool:
    used = "UPDATE factors_factor SET last_step = %s, used_at = %s"
    still = "id = %s AND state = 'active' AND last_step < %s"
    return sql.execute(f"{used} WHERE {still}", (step, sql.at(now), factor_id, step)) == 1


def _step_of(otp: pyotp.TOTP | None, code: str, now: datetime) -> int | None:
    """The step to which the code belongs; None if it is none of this moment's. Every comparison is constant-time."""
    if otp is None:
        return None
    current = int(now.timestamp()) // STEP
    fits = [hmac.compare_digest(otp.generate_otp(current + away).encode(), code.encode()) for away in AROUND]
    return next((current + away for away, right in zip(AROUND, fits, strict=True) if right), None)


def _reader(person_id: int, uid: str, ciphertext: bytes | memoryview) -> pyotp.TOTP | None:
    """None for a key that can't be read: the row was edited, or moved from another person (ATK-142)."""
    place = f"factors_factor {uid} of person {person_id}"
    key = encryption.open_row(ciphertext, associated_data=_associated_data(person_id, uid), row=place)
    if key is None:
        return None
    return pyotp.TOTP(base64.b32encode(key).decode(), digits=DIGITS, interval=STEP)


def _associated_data(person_id: int, uid: str) -> str:
    return f"app-key|{person_id}|{uid}"
