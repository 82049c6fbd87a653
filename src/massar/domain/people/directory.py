"""Finding people. Sign-in is a hot path: plain SQL beside the model that owns the table.

An account is active, frozen or disabled. Frozen and disabled stand in columns of their own: who is enabled again is
still frozen if that came before, or meanwhile.

active --"this was not me"--> frozen --a completed recovery, or an operator--> active
active, frozen --disable--> disabled --enable--> what it would be otherwise"""

from datetime import datetime
from typing import NamedTuple

from massar.core import sql
from massar.domain.people.models import Establishment, Person

OPERATOR = "operator"  # the role of those who watch over the installation
# In the order and by the names of the fields of PersonFacts.
COLUMNS = """p.id, p.login, p.first_name_ar AS first_ar, p.last_name_ar AS last_ar, p.first_name_latin AS first_latin,
p.last_name_latin AS last_latin, p.language, p.state = 'active' AS enabled, p.contacts_frozen_until AS frozen_until,
COALESCE(e.name_ar, '') AS establishment_ar, COALESCE(e.name_latin, '') AS establishment_latin, p.role,
p.frozen_at"""
TABLE, WITH_SCHOOL = "people_person p", "LEFT JOIN people_establishment e ON e.id = p.establishment_id"


class PersonFacts(NamedTuple):
    """A person as journeys see one. Names and establishment are in two scripts; '' where unknown. enabled: not
    disabled. frozen_at: since when nothing but a recovery opens the account. frozen_until: that of the contacts."""

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

    @property
    def active(self) -> bool:
        """Whether anything but a recovery may open the account: neither disabled nor frozen."""
        return self.enabled and self.frozen_at is None

    def name(self, language: str) -> str:
        """Return the name in the script of the language, else in the other one, else the login."""
        arabic = f"{self.first_ar} {self.last_ar}".strip()
        latin = f"{self.first_latin} {self.last_latin}".strip()
        return (arabic or latin if language == "ar" else latin or arabic) or self.login

    def establishment(self, language: str) -> str:
        arabic, latin = self.establishment_ar, self.establishment_latin
        return (arabic or latin) if language == "ar" else (latin or arabic)

    @property
    def operates(self) -> bool:
        return self.role == OPERATOR

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(n for n in (self.first_ar, self.last_ar, self.first_latin, self.last_latin) if n)


def by_login(typed: str | None) -> PersonFacts | None:
    """Find the person whose login is `typed` (canonical form), or whose local part it is where only one has it. One
    statement whatever was typed, so that known and unknown cost the same."""
    typed = typed or ""
    column = "login" if "@" in typed else "local"
    statement = f"SELECT {COLUMNS} FROM {TABLE} {WITH_SCHOOL} WHERE p.{column} = %s LIMIT 2"
    found = sql.select(PersonFacts, statement, (typed,))
    return found[0] if len(found) == 1 else None


def by_id(person_id: int) -> PersonFacts | None:
    return sql.select_one(PersonFacts, f"SELECT {COLUMNS} FROM {TABLE} {WITH_SCHOOL} WHERE p.id = %s", (person_id,))


def has_namesake(person: PersonFacts) -> bool:
    """Whether somebody else has the same name in another domain."""
    statement = "SELECT 1 FROM people_person WHERE local = %s AND id <> %s LIMIT 1"
    return bool(sql.rows(statement, (person.login.partition("@")[0], person.id)))


def set_language(person_id: int, language: str) -> None:
    """Keep the language a person chose; messages follow it."""
    statement = "UPDATE people_person SET language = %s WHERE id = %s AND language <> %s"
    sql.execute(statement, (language, person_id, language))


def create(
    *, login: str, now: datetime, names_ar: tuple[str, str] = ("", ""), names_latin: tuple[str, str] = ("", ""),
    language: str = "ar", role: str = "staff", establishment: tuple[str, str, str] | None = None,
) -> int:  # fmt: skip
    """Add a person and return the id. Names are (first, family); establishment is (code, Arabic name, Latin name)."""
    school = None
    if establishment:
        code, *names = establishment
        values = dict(zip(("name_ar", "name_latin"), names, strict=True))
        school, _ = Establishment.objects.update_or_create(code=code, defaults=values)
    return Person.objects.create(
        login=login, local=login.partition("@")[0], first_name_ar=names_ar[0], last_name_ar=names_ar[1],
        first_name_latin=names_latin[0], last_name_latin=names_latin[1], language=language, establishment=school,
        role=role, created_at=now,
    ).pk  # fmt: skip


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
