"""What the accounts of a list's people hold already: a few statements for each batch, whatever is in it."""

from collections.abc import Collection
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
    columns = "id, login, role, first_name_ar, last_name_ar, first_name_latin, last_name_latin"
    statement = f"SELECT {columns} FROM people_person WHERE {sql.among('login')}"
    for person_id, login, role, *names in sql.rows(statement, (sql.many(logins),)):
        found[login] = Existing(person_id, login, Names(*names), role)
    if found:
        _fill({one.id: one for one in found.values()}, on)
    return found


def _fill(accounts: dict[int, Existing], on: date) -> None:
    wanted, many = sql.among("person_id"), sql.many(accounts.keys())
    statement = (
        f"SELECT person_id, kind, unit_id FROM people_belonging WHERE {wanted} AND (until IS NULL OR until >= %s)"
    )
    for person_id, kind, unit_id in sql.rows(statement, (many, sql.day(on))):
        accounts[person_id].units.setdefault(Kind(kind), set()).add(unit_id)
    for person_id, name, domain in sql.rows(
        f"SELECT person_id, name, domain FROM people_alias WHERE {wanted}", (many,)
    ):
        accounts[person_id].other.add((name, domain))
    held = f"SELECT person_id, kind FROM people_contact WHERE {wanted} AND state <> %s"
    for person_id, kind in sql.rows(held, (many, str(Contact.State.CANCELLED))):
        accounts[person_id].contacts.add(kind)
