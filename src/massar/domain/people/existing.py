"""What the accounts of a list's people hold already: a few statements for each batch, whatever is in it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from massar.core import sql
from massar.domain.people.belonging import Kind
from massar.domain.people.models import Contact


class Names(NamedTuple):
    first_ar: str
    last_ar: str
    first_latin: str
    last_latin: str


class _Person(NamedTuple):
    id: int
    login: str
    first_ar: str
    last_ar: str
    first_latin: str
    last_latin: str
    role: str


@dataclass
class Existing:
    """One account. units: where it belongs on that day or will, by kind. other: its other names, (before the
    @, domain) or (payroll number, ''). contacts: the kinds of which it has one, proved or proposed."""

    id: int
    login: str
    names: Names
    role: str
    units: dict[Kind, set[int]] = field(default_factory=dict)
    other: set[tuple[str, str]] = field(default_factory=set)
    contacts: set[str] = field(default_factory=set)

    @property
    def kind(self) -> Kind:
        """As what this account belongs, where nothing else is said."""
        return Kind.__members__.get(self.role.upper(), Kind.STAFF)


def by_logins(logins: Collection[str], *, on: date) -> dict[str, Existing]:
    """The accounts with these logins, by login, as they stand on a day."""
    found: dict[str, Existing] = {}
    for some in sql.parts(sorted(logins)):
        statement = f"""SELECT p.id, p.login, p.first_name_ar AS first_ar, p.last_name_ar AS last_ar,
            p.first_name_latin AS first_latin, p.last_name_latin AS last_latin, p.role
            FROM people_person p WHERE p.login IN ({sql.placeholders(len(some))})"""
        for p in sql.select(_Person, statement, some):
            names = Names(p.first_ar, p.last_ar, p.first_latin, p.last_latin)
            found[p.login] = Existing(p.id, p.login, names, p.role)
    accounts = {one.id: one for one in found.values()}
    for some_ids in sql.parts(sorted(accounts)):
        _fill(some_ids, accounts, on)
    return found


def _fill(ids: Sequence[int], accounts: dict[int, Existing], on: date) -> None:
    wanted = f"person_id IN ({sql.placeholders(len(ids))})"
    statement = (
        f"SELECT person_id, kind, unit_id FROM people_belonging WHERE {wanted} AND (until IS NULL OR until >= %s)"
    )
    for person_id, kind, unit_id in sql.rows(statement, (*ids, sql.day(on))):
        accounts[person_id].units.setdefault(Kind(kind), set()).add(unit_id)
    for person_id, name, domain in sql.rows(f"SELECT person_id, name, domain FROM people_alias WHERE {wanted}", ids):
        accounts[person_id].other.add((name, domain))
    held = f"SELECT person_id, kind FROM people_contact WHERE {wanted} AND state <> %s"
    for person_id, kind in sql.rows(held, (*ids, str(Contact.State.CANCELLED))):
        accounts[person_id].contacts.add(kind)
