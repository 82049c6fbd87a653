"""Passkeys: found by a blind index, kept encrypted for the person and the factor they belong to, used once for each
challenge. A row that is moved to another person or another factor opens nothing (ATK-142).

What every factor has stands in `Factor`; its `secret_ciphertext` holds the public key and what else never changes."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from fido2 import cbor
from fido2.webauthn import AttestedCredentialData

from massar.core import clock, encryption, sql
from massar.domain.factors import held, webauthn
from massar.domain.factors.models import Factor
from massar.domain.factors.webauthn import NewPasskey, PasskeyAssertion

MOST = 10  # of one person

_SELECT = """SELECT f.id, f.person_id, f.uid, f.name, f.secret_ciphertext AS ciphertext
FROM factors_passkey p JOIN factors_factor f ON f.id = p.factor_id WHERE f.state = 'active'"""
_ACTIVE = "factor_id = (SELECT f.id FROM factors_factor f WHERE f.id = %s AND f.state = 'active')"
Why = Literal["shape", "late", "challenge", "unknown", "refused", "replay", "counter", "disabled"]


class _Row(NamedTuple):
    id: int
    person_id: int
    uid: str
    name: str
    ciphertext: bytes | None


@dataclass(frozen=True)
class PasskeyFacts:
    """An active passkey. `id` is that of its factor. `synced`: it may be copied to other devices of its owner."""

    id: int
    person_id: int
    name: str
    synced: bool
    credential: AttestedCredentialData = field(repr=False)
    user_handle: bytes = field(repr=False)
    transports: tuple[str, ...] = field(repr=False)


class Proof(NamedTuple):
    """A passkey has signed what this browser was asked; it counts once `use` has said so. `asked_at`: microseconds."""

    passkey_id: int
    person_id: int
    name: str
    sign_count: int
    backed_up: bool
    asked_at: int


class PasskeyMismatch(NamedTuple):
    """Why an answer proves nothing, for the audit log. person_id, name: whose passkey it was, where that is known."""

    why: Why
    person_id: int | None = None
    name: str = ""


def user_handle(person_id: int) -> bytes:
    """What authenticators keep as the name of the account: 256 bits that tell nothing of the person (§14.6.1)."""
    return bytes.fromhex(encryption.data_keys().sign("passkey-user", person_id))


def add(person_id: int, made: NewPasskey, *, name: str, now: datetime) -> bool:
    """Keep a new passkey, active at once: that it was made is its proof. False: it is or was kept already, whoever has
    it. Inside the caller's transaction."""
    credential_id = made.credential.credential_id
    condition, found_by = _same(credential_id)
    if sql.row(f"SELECT factor_id FROM factors_passkey WHERE {condition}", found_by):
        return False
    factor = held.enroll(person_id, Factor.Kind.PASSKEY, name=name, now=now)
    facts = {
        "credential": bytes(made.credential), "handle": user_handle(person_id), "eligible": made.backup_eligible,
        "transports": list(made.transports),
    }  # fmt: skip
    own = _associated_data(person_id, factor.uid)
    factor.secret_ciphertext = encryption.data_keys().encrypt(cbor.encode(facts), associated_data=own)
    factor.save(update_fields=["secret_ciphertext"])
    credential_hmac = encryption.data_keys().blind_index("passkey", credential_id.hex())
    kept = sql.execute(
        "INSERT INTO factors_passkey (factor_id, credential_hmac, sign_count, backed_up, challenged_at) "
        "VALUES (%s, %s, %s, %s, 0) ON CONFLICT (credential_hmac) DO NOTHING",
        (factor.pk, credential_hmac, made.sign_count, made.backed_up),
    )
    return kept == 1 and held.activate(factor.pk, person_id, now=now)


def of_person(person_id: int) -> list[PasskeyFacts]:
    """Return the active passkeys, oldest first; what can't be decrypted is none."""
    rows = sql.select(_Row, f"{_SELECT} AND f.person_id = %s ORDER BY f.id", (person_id,))
    return [one for one in map(_open, rows) if one]


def creation_options(person_id: int, *, login: str, name: str, challenge: bytes) -> str:
    """What a browser is asked to make a new passkey: JSON. name: how the person is called."""
    return webauthn.creation_options(
        user_handle=user_handle(person_id), login=login, name=name, challenge=challenge, held=_named(person_id)
    )


def request_options(challenge: bytes, *, person_id: int | None = None) -> str:
    """What a browser is asked to sign with a passkey: JSON. person_id: with one of that person; None: whichever its
    owner picks."""
    return webauthn.request_options(challenge=challenge, allowed=_named(person_id) if person_id else ())


def _named(person_id: int) -> list[tuple[bytes, tuple[str, ...]]]:
    return [(one.credential.credential_id, one.transports) for one in of_person(person_id)]


def prove(answer: str, *bound: object, now: datetime, person_id: int | None = None) -> Proof | PasskeyMismatch:
    """Judge what a browser has posted to a challenge of that binding. person_id: whose passkey it must be; None:
    whoever's it is. An unknown passkey costs what a known one does."""
    assertion = webauthn.read_assertion(answer)
    if assertion is None:
        return PasskeyMismatch("shape")
    judged = webauthn.judge_challenge(assertion.challenge, *bound, now=now)
    if judged != "right":
        return PasskeyMismatch("late" if judged == "late" else "challenge")
    passkey = _find(assertion.credential_id)
    signed = webauthn.verify(assertion, passkey.credential if passkey else None)
    if passkey is None:
        return PasskeyMismatch("unknown")
    if not signed or not _fits(passkey, assertion, person_id):
        return PasskeyMismatch("refused", passkey.person_id, passkey.name)
    data, asked_at = assertion.data, webauthn.made_at(assertion.challenge)
    return Proof(passkey.id, passkey.person_id, passkey.name, data.counter, data.is_backed_up(), asked_at)


def _fits(passkey: PasskeyFacts, assertion: PasskeyAssertion, person_id: int | None) -> bool:
    """Whether it is the right person's, as the authenticator says too (§7.2 step 6: it must say so where nobody was
    named before), and whether it can be copied as it could when it was made (§7.2 step 20)."""
    unnamed = person_id is not None and not assertion.user_handle
    return (
        (person_id is None or passkey.person_id == person_id)
        and (unnamed or assertion.user_handle == passkey.user_handle)
        and assertion.data.is_backup_eligible() == passkey.synced
    )


def use(proof: Proof, *, now: datetime) -> PasskeyMismatch | None:
    """Let a proof count, once: one statement decides, so of two at once one is refused. None: it counts.

    A passkey takes a challenge only if it is younger than the last one it took, so none serves twice. A last one that
    lies further ahead than any challenge may was made by a wrong clock, and keeps nobody out. A counter that is kept
    (not zero, §6.1.1) must grow; synced passkeys keep none."""
    count, ahead = proof.sign_count, clock.micros(now + webauthn.CHALLENGE_LIFE)
    used = sql.execute(
        "UPDATE factors_passkey SET sign_count = %s, backed_up = %s, challenged_at = %s "
        f"WHERE {_ACTIVE} AND (challenged_at < %s OR challenged_at > %s) "
        "AND (sign_count < %s OR (sign_count = 0 AND %s = 0))",
        (count, proof.backed_up, proof.asked_at, proof.passkey_id, proof.asked_at, ahead, count, count),
    )
    if used:
        held.mark_used(proof.passkey_id, now=now)
        return None
    row = sql.row(f"SELECT challenged_at FROM factors_passkey WHERE {_ACTIVE}", (proof.passkey_id,))
    young = row is not None and not proof.asked_at <= row[0] <= ahead
    why: Why = "unknown" if row is None else "counter" if young else "replay"
    return PasskeyMismatch(why, proof.person_id, proof.name)


def _find(credential_id: bytes) -> PasskeyFacts | None:
    condition, found_by = _same(credential_id)
    row = sql.select_one(_Row, f"{_SELECT} AND p.{condition}", found_by)
    passkey = _open(row) if row else None
    return passkey if passkey and passkey.credential.credential_id == credential_id else None


def _same(credential_id: bytes) -> tuple[str, list[str]]:
    """The condition that finds a passkey by its id, under every key, and its parameters."""
    found_by = encryption.data_keys().blind_indexes("passkey", credential_id.hex())
    return f"credential_hmac IN ({sql.placeholders(len(found_by))})", found_by


def _open(row: _Row) -> PasskeyFacts | None:
    place, data = f"factors_factor {row.uid} of person {row.person_id}", _associated_data(row.person_id, row.uid)
    plain = encryption.open_row(row.ciphertext or b"", associated_data=data, row=place)
    if plain is None:
        return None
    facts = cbor.decode(plain)
    assert isinstance(facts, dict)
    return PasskeyFacts(
        row.id, row.person_id, row.name, facts["eligible"], AttestedCredentialData(facts["credential"]),
        facts["handle"], tuple(facts["transports"]),
    )  # fmt: skip


def _associated_data(person_id: int, uid: str) -> str:
    return f"passkey|{person_id}|{uid}"
