"""Many people at once: a few statements for each thousand, by the same tables and rules of storing as one by one."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from massar.core import encryption, ids, sql
from massar.domain.people import belonging, contacts

_PERSON = (
    "login, local, first_name_ar, last_name_ar, first_name_latin, last_name_latin, language, role, state, created_at"
)
_ALIAS = "person_id, name, domain"
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
    """Of accounts that stand, by their ids: new names (the four of NewRow), another unit from a day on, another
    name that leads to it (as in NewRow), a contact that whoever adds it vouches for."""

    names: Sequence[tuple[int, tuple[str, str, str, str]]] = ()
    units: Sequence[tuple[int, int, int, date]] = ()
    other: Sequence[tuple[int, str, str]] = ()
    contacts: Sequence[tuple[int, str, str]] = ()


def change(changes: Changes, *, now: datetime) -> None:
    """Make them all. Inside the caller's transaction. All these people are locked first, in the order of their ids:
    another list, or a journey, that has one of them and asks for the next is not met in a circle."""
    renamed = (
        "UPDATE people_person SET first_name_ar = %s, last_name_ar = %s, first_name_latin = %s, last_name_latin = %s "
        "WHERE id = %s"
    )
    if touched := {one[0] for part in changes for one in part}:
        contacts.lock(*touched)
    for person_id, names in changes.names:
        sql.execute(renamed, (*names, person_id))
    for person_id, unit, kind, since in changes.units:
        belonging.transfer(person_id, unit, kind, on=since)
    sql.insert("people_alias", _ALIAS, changes.other)
    sql.insert("people_contact", _CONTACT, _contacts(changes.contacts, encryption.data_keys(), sql.at(now)))


def enter(people: Sequence[NewRow], *, now: datetime) -> dict[str, int]:
    """Add them all; return the id of each login. Inside the caller's transaction; a login or a name that somebody has
    is the database's refusal (IntegrityError)."""
    found = dict(zip((p.login for p in people), sql.draw_ids("people_person", len(people)), strict=True))
    sql.insert_each(_rows(people, found, encryption.data_keys(), sql.at(now)))
    return found


def _rows(
    people: Sequence[NewRow], found: Mapping[str, int], keys: encryption.Keyring, at: object
) -> Iterator[tuple[str, str, Sequence[tuple[object, ...]]]]:
    """By table, what makes these people. Contacts, which take longest to make, come where the server has most to do."""
    rows = [(found[p.login], p.login, p.login.partition("@")[0], *p[1:7], "active", at) for p in people]
    yield "people_person", f"id, {_PERSON}", rows
    added = [(found[p.login], *one) for p in people for one in p.contacts]
    yield "people_contact", _CONTACT, _contacts(added, keys, at)
    yield "people_alias", _ALIAS, [(found[p.login], *name) for p in people for name in p.names]
    days = {since: sql.day(since) for since in {since for p in people for _, _, since in p.belongs}}
    belongings = [(found[p.login], unit, days[since], int(kind)) for p in people for unit, kind, since in p.belongs]
    yield "people_belonging", "person_id, unit_id, since, kind", belongings


def _contacts(rows: Sequence[tuple[int, str, str]], keys: encryption.Keyring, at: object) -> list[tuple[object, ...]]:
    """Rows as `contacts.propose` and `contacts.prove` leave them, each bound to its person, kind and uid."""
    proved, made = str(contacts.State.PROVED), list[tuple[object, ...]]()
    for person_id, kind, value in rows:
        uid = ids.short_token()
        ciphertext = keys.encrypt(value.encode(), associated_data=f"contact|{person_id}|{kind}|{uid}")
        index = keys.blind_index("contact-value", kind, value)
        made.append((person_id, kind, proved, ciphertext, index, uid, at, at, at, "", 0))
    return made
