"""Many people at once: a few statements for each thousand, by the same tables and rules of storing as one by one."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from massar.core import encryption, ids, sql
from massar.domain.people import belonging
from massar.domain.people.contacts import State

_PERSON = (
    "login, local, first_name_ar, last_name_ar, first_name_latin, last_name_latin, language, role, state, created_at"
)
_CONTACT = (
    "person_id, kind, state, value_ciphertext, value_hmac, uid, proposed_at, proved_at, counts_from, code_hmac, "
    "code_tries"
)


class NewRow(NamedTuple):
    """One person, judged and in canonical form. names: more names of the account, (before the @, domain or '').
    belongs: (unit, kind of belonging, first day). contacts: (kind, value), vouched for by whoever adds them."""

    login: str
    first_ar: str
    last_ar: str
    first_latin: str
    last_latin: str
    language: str
    role: str
    names: Sequence[tuple[str, str]] = ()
    belongs: Sequence[tuple[int, int, date]] = ()
    contacts: Sequence[tuple[str, str]] = ()


class Changes(NamedTuple):
    """Of accounts that stand, by their ids: new names (the four of NewRow), another unit from a day on, a payroll
    number, a contact that whoever adds it vouches for."""

    names: Sequence[tuple[int, tuple[str, str, str, str]]] = ()
    units: Sequence[tuple[int, int, int, date]] = ()
    payroll: Sequence[tuple[int, str]] = ()
    contacts: Sequence[tuple[int, str, str]] = ()


def change(changes: Changes, *, now: datetime) -> None:
    """Make them all. Inside the caller's transaction."""
    renamed = (
        "UPDATE people_person SET first_name_ar = %s, last_name_ar = %s, first_name_latin = %s, last_name_latin = %s "
        "WHERE id = %s"
    )
    for person_id, names in changes.names:
        sql.execute(renamed, (*names, person_id))
    for person_id, unit, kind, since in changes.units:
        belonging.transfer(person_id, unit, kind, on=since)
    _insert("people_alias", "person_id, name, domain", [(*one, "") for one in changes.payroll])
    _insert("people_contact", _CONTACT, [_contact(*one, sql.at(now)) for one in changes.contacts])


def enter(people: Sequence[NewRow], *, now: datetime) -> dict[str, int]:
    """Add them all; return the id of each login. Inside the caller's transaction; a login or a name that somebody has
    is the database's refusal (IntegrityError)."""
    at = sql.at(now)
    found: dict[str, int] = {}
    for some in sql.parts(people):
        told = [
            value
            for p in some
            for value in (p.login, p.login.partition("@")[0], *p[1:7], "active", at)
        ]  # fmt: skip
        statement = f"INSERT INTO people_person ({_PERSON}) VALUES {sql.values(len(some), 10)} RETURNING login, id"
        found.update(sql.rows(statement, told))
    names = [(found[p.login], *name) for p in people for name in p.names]
    _insert("people_alias", "person_id, name, domain", names)
    belongings = [(found[p.login], unit, sql.day(since), int(kind)) for p in people for unit, kind, since in p.belongs]
    _insert("people_belonging", "person_id, unit_id, since, kind", belongings)
    _insert("people_contact", _CONTACT, [_contact(found[p.login], *one, at) for p in people for one in p.contacts])
    return found


def _contact(person_id: int, kind: str, value: str, at: object) -> tuple[object, ...]:
    """A row as `contacts.propose` and `contacts.prove` leave it; it is bound to its person, kind and uid."""
    keys, uid = encryption.data_keys(), ids.short_token()
    ciphertext = keys.encrypt(value.encode(), associated_data=f"contact|{person_id}|{kind}|{uid}")
    index = keys.blind_indexes("contact-value", kind, value)[0]
    return person_id, kind, str(State.PROVED), ciphertext, index, uid, at, at, at, "", 0


def _insert(table: str, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
    for some in sql.parts(rows):
        statement = f"INSERT INTO {table} ({columns}) VALUES {sql.values(len(some), len(some[0]))}"
        sql.execute(statement, [value for row in some for value in row])
