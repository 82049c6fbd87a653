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
    for person_id, login, role, *names in sql.find(columns, "people_person", "login", logins) if logins else ():
        found[login] = Existing(person_id, login, Names(*names), role)
    if found:
        _fill({one.id: one for one in found.values()}, on)
    return found


def _fill(accounts: dict[int, Existing], on: date) -> None:
    ids = accounts.keys()
    for person_id, kind, unit_id, until in sql.find(
        "person_id, kind, unit_id, until", "people_belonging", "person_id", ids
    ):
        if until is None or sql.as_day(until) >= on:
            accounts[person_id].units.setdefault(Kind(kind), set()).add(unit_id)
    for person_id, name, domain in sql.find("person_id, name, domain", "people_alias", "person_id", ids):
        accounts[person_id].other.add((name, domain))
    for person_id, kind, state in sql.find("person_id, kind, state", "people_contact", "person_id", ids):
        if state != Contact.State.CANCELLED:
            accounts[person_id].contacts.add(kind)
