"""Finding people. Sign-in is a hot path: plain SQL beside the model that owns the table."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from massar.core import sql
from massar.domain.people.models import Establishment, Person

OPERATOR = "operator"  # the role of those who watch over the installation
# In the order and by the names of the fields of PersonFacts.
COLUMNS = """p.id, p.login, p.first_name_ar AS first_ar, p.last_name_ar AS last_ar, p.first_name_latin AS first_latin,
p.last_name_latin AS last_latin, p.language, p.state = 'active' AS active, p.contacts_frozen_until AS frozen_until,
COALESCE(e.name_ar, '') AS establishment_ar, COALESCE(e.name_latin, '') AS establishment_latin, p.role"""
TABLE, WITH_SCHOOL = "people_person p", "LEFT JOIN people_establishment e ON e.id = p.establishment_id"


@dataclass(frozen=True)
class PersonFacts:
    """A person as journeys see one. Names and establishment are in two scripts; '' where unknown."""

    id: int
    login: str
    first_ar: str
    last_ar: str
    first_latin: str
    last_latin: str
    language: str
    active: bool
    frozen_until: datetime | None
    establishment_ar: str
    establishment_latin: str
    role: str

    def name(self, language: str) -> str:
        """Return the name in the script of the language, else in the other one, else the login."""
        arabic = f"{self.first_ar} {self.last_ar}".strip()
        latin = f"{self.first_latin} {self.last_latin}".strip()
        return (arabic or latin if language == "ar" else latin or arabic) or self.login

    def preferred_language(self, chosen: str) -> str:
        """Return the language to write in: the one chosen on the browser, else the person's own."""
        return chosen or self.language

    def establishment(self, language: str) -> str:
        arabic, latin = self.establishment_ar, self.establishment_latin
        return (arabic or latin) if language == "ar" else (latin or arabic)

    @property
    def operates(self) -> bool:
        return self.role == OPERATOR

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(n for n in (self.first_ar, self.last_ar, self.first_latin, self.last_latin) if n)


_FIELDS = tuple(field.name for field in fields(PersonFacts))


def by_login(typed: str | None) -> PersonFacts | None:
    """Find the person whose login is `typed` (canonical form), or whose local part it is where only one has it.

    One statement whatever was typed, so that known and unknown cost the same.
    """
    typed = typed or ""
    column = "login" if "@" in typed else "local"
    statement = f"SELECT {COLUMNS} FROM {TABLE} {WITH_SCHOOL} WHERE p.{column} = %s LIMIT 2"
    found = sql.select(PersonFacts, statement, (typed,))
    return found[0] if len(found) == 1 else None


def by_id(person_id: int) -> PersonFacts | None:
    return sql.select_one(PersonFacts, f"SELECT {COLUMNS} FROM {TABLE} {WITH_SCHOOL} WHERE p.id = %s", (person_id,))


def set_language(person_id: int, language: str) -> None:
    """Keep the language a person chose; messages follow it."""
    sql.execute(
        "UPDATE people_person SET language = %s WHERE id = %s AND language <> %s",
        (language, person_id, language),
    )


def create(
    *,
    login: str,
    names_ar: tuple[str, str],
    names_latin: tuple[str, str],
    language: str,
    now: datetime,
    establishment: tuple[str, str, str] | None = None,
    role: str = "staff",
) -> int:
    """Add a person and return the id. Names are (first, family); establishment is (code, Arabic name, Latin name)."""
    school = None
    if establishment:
        code, name_ar, name_latin = establishment
        school, _ = Establishment.objects.update_or_create(
            code=code, defaults={"name_ar": name_ar, "name_latin": name_latin}
        )
    person = Person.objects.create(
        login=login,
        local=login.partition("@")[0],
        first_name_ar=names_ar[0],
        last_name_ar=names_ar[1],
        first_name_latin=names_latin[0],
        last_name_latin=names_latin[1],
        language=language,
        establishment=school,
        role=role,
        created_at=now,
    )
    return person.pk


def disable(person_id: int) -> bool:
    """Disable a person; whether one was active until now. `journeys.close_account` ends what is open."""
    return _move(person_id, Person.State.ACTIVE, Person.State.DISABLED)


def enable(person_id: int) -> bool:
    """Enable a person; whether one was disabled until now."""
    return _move(person_id, Person.State.DISABLED, Person.State.ACTIVE)


def _move(person_id: int, before: str, after: str) -> bool:
    return Person.objects.filter(pk=person_id, state=before).update(state=after) == 1


def facts(row: sql.Row) -> PersonFacts:
    """The person of a row of COLUMNS, which a join gave."""
    return sql.make(PersonFacts, _FIELDS, row)
