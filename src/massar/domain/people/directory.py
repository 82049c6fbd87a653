"""Finding people. Sign-in is a hot path: plain SQL beside the model that owns the table.

An account is active, frozen or disabled. Frozen and disabled stand in columns of their own: who is enabled again is
still frozen if that came before, or meanwhile.

active --"this was not me"--> frozen --a completed recovery, or an operator--> active
active, frozen --disable--> disabled --enable--> what it would be otherwise"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from massar.core import local_time, sql, text
from massar.domain.people import belonging, units
from massar.domain.people.models import Alias, Person
from massar.domain.people.roles import HELPS_BY, OPERATOR

# In the order and by the names of the fields of PersonFacts.
COLUMNS = """p.id, p.login, p.first_name_ar AS first_ar, p.last_name_ar AS last_ar, p.first_name_latin AS first_latin,
p.last_name_latin AS last_latin, p.language, p.state = 'active' AS enabled, p.contacts_frozen_until AS frozen_until,
COALESCE(e.name_ar, '') AS establishment_ar, COALESCE(e.name_latin, '') AS establishment_latin, p.role,
p.frozen_at, COALESCE(h.role, '') AS helps_as"""
TABLE = "people_person p"
# Of a day: the establishment, of a pupil in a class the one that the class is of, and the role for others. Takes what
# `today` gives.
WITH_DAY = f"""LEFT JOIN people_unit u ON u.id = ({belonging.MAIN})
LEFT JOIN people_unit e ON e.id = CASE u.kind WHEN {units.Kind.CLASS} THEN u.parent_id ELSE u.id END
LEFT JOIN people_rolegrant h ON h.id = ({HELPS_BY})"""
MOST_CANDIDATES = 2
PUPIL, GUARDIAN = "pupil", "guardian"
# The ids of all whom an address means, and a name that stands before an @ or is a number. Take the address, and what
# stands before and behind its @; the name twice.
BY_ADDRESS = """SELECT id FROM people_person WHERE login = %s
UNION SELECT person_id FROM people_alias WHERE name = %s AND domain = %s"""
BY_NAME = "SELECT id FROM people_person WHERE local = %s UNION SELECT person_id FROM people_alias WHERE name = %s"


class PersonFacts(NamedTuple):
    """A person as journeys see one. Names and establishment are in two scripts; '' where unknown. enabled: not
    disabled. frozen_at: since when nothing but a recovery opens the account. frozen_until: that of the contacts.
    helps_as: a role by which the person helps others today, 'teacher' where there is no other; '' for most."""

    id: int
    login: str
    first_ar: str
    last_ar: str
    first_latin: str
    last_latin: str
    language: str
    enabled: bool
    frozen_until: datetime | None
    establishment_ar: str
    establishment_latin: str
    role: str
    frozen_at: datetime | None
    helps_as: str = ""

    @property
    def active(self) -> bool:
        """Whether anything but a recovery may open the account: neither disabled nor frozen."""
        return self.enabled and self.frozen_at is None

    def name(self, language: str) -> str:
        """Return the name in the script of the language, else in the other one, else the login."""
        arabic = f"{self.first_ar} {self.last_ar}".strip()
        latin = f"{self.first_latin} {self.last_latin}".strip()
        return text.of_language(language, arabic, latin) or self.login

    def establishment(self, language: str) -> str:
        return text.of_language(language, self.establishment_ar, self.establishment_latin)

    @property
    def is_pupil(self) -> bool:
        return self.role == PUPIL

    @property
    def is_guardian(self) -> bool:
        """Whether the account was made for that; staff may be guardians too."""
        return self.role == GUARDIAN

    def first_name(self, language: str) -> str:
        """The first name alone, as a family says it; else what stands before the @."""
        arabic, latin = self.first_ar, self.first_latin
        return text.of_language(language, arabic, latin) or self.login.partition("@")[0]

    @property
    def by_name(self) -> tuple[str, str, str]:
        """The order of lists that people read."""
        return self.last_ar or self.last_latin, self.first_ar or self.first_latin, self.login

    @property
    def operates(self) -> bool:
        return self.role == OPERATOR

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(n for n in (self.first_ar, self.last_ar, self.first_latin, self.last_latin) if n)


def today(now: datetime) -> tuple[object, ...]:
    """What WITH_DAY takes: the day of that moment in the country."""
    return units.params(_day(now)) * 3


def candidates(typed: str | None, *, now: datetime) -> list[PersonFacts]:
    """Find whom `typed` (canonical form) may mean: an institution address, what stands before its @ (a pupil's code
    too), or a payroll number. Two people may have one name in two domains; of more than two it means nobody. One
    statement whatever was typed, so that known and unknown cost the same."""
    name, at, domain = (typed or "").partition("@")
    named, params = (BY_ADDRESS, (typed, name, domain)) if at else (BY_NAME, (name, name))
    found = sql.select(
        PersonFacts,
        f"SELECT {COLUMNS} FROM ({named} LIMIT {MOST_CANDIDATES + 1}) f JOIN {TABLE} ON p.id = f.id {WITH_DAY}",
        (*params, *today(now)),
    )
    return sorted(found) if len(found) <= MOST_CANDIDATES else []


def ids_of(found: Sequence[PersonFacts]) -> tuple[int, int]:
    """Their ids, in a statement that takes two whatever was found; 0 is nobody's."""
    first, second, *_ = (*(one.id for one in found), 0, 0)
    return first, second


def by_login(typed: str | None, *, now: datetime) -> PersonFacts | None:
    """Find the one person whom `typed` means (see `candidates`); None where it is nobody, or more than one."""
    found = candidates(typed, now=now)
    return found[0] if len(found) == 1 else None


def by_id(person_id: int, *, now: datetime) -> PersonFacts | None:
    statement = f"SELECT {COLUMNS} FROM {TABLE} {WITH_DAY} WHERE p.id = %s"
    return sql.select_one(PersonFacts, statement, (*today(now), person_id))


def by_ids(person_ids: Collection[int], *, now: datetime) -> dict[int, PersonFacts]:
    """These people by id, a statement for each five hundred."""
    found = dict[int, PersonFacts]()
    for some in sql.parts(sorted(person_ids)):
        statement = f"SELECT {COLUMNS} FROM {TABLE} {WITH_DAY} WHERE p.id IN ({sql.placeholders(len(some))})"
        found |= {one.id: one for one in sql.select(PersonFacts, statement, (*today(now), *some))}
    return found


def members(unit_ids: Sequence[int], kinds: Collection[int], *, now: datetime) -> list[tuple[PersonFacts, int]]:
    """Who belongs today to one of these units as one of these kinds, each once, and to which: the lowest of them."""
    of_units, as_kinds = sql.placeholders(len(unit_ids)), sql.placeholders(len(kinds))
    statement = f"""SELECT b.person_id, b.unit_id FROM people_belonging b JOIN people_unit v ON v.id = b.unit_id
    WHERE b.unit_id IN ({of_units}) AND b.kind IN ({as_kinds}) AND {units.HOLDS.format("b")} ORDER BY v.kind, v.id"""
    params = (*unit_ids, *kinds, *units.params(_day(now)))
    belong: dict[int, int] = dict(sql.rows(statement, params)) if unit_ids and kinds else {}
    facts = by_ids(belong, now=now)
    return [(facts[person_id], unit_id) for person_id, unit_id in belong.items()]


def has_namesake(person: PersonFacts) -> bool:
    """Whether the name before the @ means somebody else too."""
    name = person.login.partition("@")[0]
    statement = (
        "SELECT 1 FROM people_person WHERE local = %s AND id <> %s "
        "UNION ALL SELECT 1 FROM people_alias WHERE name = %s AND person_id <> %s LIMIT 1"
    )
    return bool(sql.rows(statement, (name, person.id) * 2))


def taken(names: Iterable[tuple[str, str]], *, free: Collection[str] = ()) -> set[tuple[str, str]]:
    """Which of these names, (before the @, domain or ''), somebody has as a login or otherwise; a payroll number also
    where a login begins with it. free: logins of which it is known that nobody has them."""
    wanted = set(names)
    logins = {f"{name}@{domain}": (name, domain) for name, domain in wanted if domain}
    numbers, asked = [name for name, domain in wanted if not domain], logins.keys() - set(free)
    held = {logins[login] for (login,) in sql.find("login", "people_person", "login", asked)} if asked else set()
    if numbers:
        held.update((local, "") for (local,) in sql.find("local", "people_person", "local", numbers))
    if wanted:
        held.update(sql.find("name, domain", "people_alias", "name", [name for name, _ in wanted]))
    return held & wanted


def add_names(person_id: int, names: Iterable[tuple[str, str]]) -> None:
    """Let the account be found by more names, (before the @, domain) or (payroll number, ''), which nobody has."""
    Alias.objects.bulk_create([Alias(person_id=person_id, name=name, domain=domain) for name, domain in names])


def names_of(person_id: int) -> list[tuple[str, str]]:
    """The account's other names: (before the @, domain), of a payroll number (number, '')."""
    return list(Alias.objects.filter(person_id=person_id).order_by("id").values_list("name", "domain"))


def anybody() -> bool:
    return bool(sql.rows("SELECT 1 FROM people_person LIMIT 1"))


def set_language(person_id: int, language: str) -> None:
    """Keep the language a person chose; messages follow it."""
    statement = "UPDATE people_person SET language = %s WHERE id = %s AND language <> %s"
    sql.execute(statement, (language, person_id, language))


def create(
    *, login: str, now: datetime, names_ar: tuple[str, str] = ("", ""), names_latin: tuple[str, str] = ("", ""),
    language: str = "ar", role: str = "staff", establishment: tuple[str, str, str] | None = None,
) -> int:  # fmt: skip
    """Add a person and return the id. Names are (first, family); establishment is (code, Arabic name, Latin name), to
    which the person belongs from today on."""
    person_id = Person.objects.create(
        login=login, local=login.partition("@")[0], first_name_ar=names_ar[0], last_name_ar=names_ar[1],
        first_name_latin=names_latin[0], last_name_latin=names_latin[1], language=language, role=role, created_at=now,
    ).pk  # fmt: skip
    if establishment:
        kind = _AS.get(role, belonging.Kind.STAFF)
        belonging.begin(person_id, units.named(*establishment), kind, since=_day(now))
    return person_id


_AS = {PUPIL: belonging.Kind.PUPIL, GUARDIAN: belonging.Kind.GUARDIAN}


def _day(now: datetime) -> date:
    return local_time.local(now).date()


def roles() -> set[str]:
    """Return the roles that somebody has. It reads the whole table: for commands."""
    return {role for (role,) in sql.rows("SELECT DISTINCT role FROM people_person")}


def disable(person_id: int) -> bool:
    """Disable a person; whether one was active until now. `journeys.close_account` ends what is open."""
    return Person.objects.filter(pk=person_id, state=Person.State.ACTIVE).update(state=Person.State.DISABLED) == 1


def enable(person_id: int) -> bool:
    """Enable a person; whether one was disabled until now."""
    return Person.objects.filter(pk=person_id, state=Person.State.DISABLED).update(state=Person.State.ACTIVE) == 1


def freeze(person_id: int, *, now: datetime) -> bool:
    """Freeze the account; whether it was not frozen until now. `journeys.freeze_account` ends what is open."""
    frozen = "UPDATE people_person SET frozen_at = %s WHERE id = %s AND frozen_at IS NULL"
    return sql.execute(frozen, (sql.at(now), person_id)) == 1


def reopen(person_id: int, *, now: datetime) -> bool:
    """End the freeze; whether there was one."""
    reopened = "UPDATE people_person SET frozen_at = NULL, reopened_at = %s WHERE id = %s AND frozen_at IS NOT NULL"
    return sql.execute(reopened, (sql.at(now), person_id)) == 1


def reopened_at(person_id: int) -> datetime | None:
    """When a freeze last ended. What is said of the time before is settled."""
    found = sql.row("SELECT reopened_at FROM people_person WHERE id = %s", (person_id,))
    return sql.moment(found[0]) if found else None


def facts(row: sql.Row) -> PersonFacts:
    """The person of a row of COLUMNS, which a join gave."""
    return sql.make(PersonFacts, PersonFacts._fields, row)
