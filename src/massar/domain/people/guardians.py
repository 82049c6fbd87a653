"""Who answers for a pupil, from a day to a day: a link of a guardian to a pupil.

A link counts on its days, and while its pupil is one: who has become staff, or is of age, answers alone. No date of
birth is kept for that: every link has an end, at most LONGEST after it was made, and a new year's list moves it."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from massar.core import encryption, local_time, sql, text
from massar.domain.people import units
from massar.domain.people.directory import PUPIL
from massar.domain.people.models import Guardianship

Relation = Guardianship.Relation
LONGEST = timedelta(days=400)  # a school year, and its summer; as for roles
SCHOOL_YEAR_ENDS = (9, 30)  # month and day: the lists of the new year are in by then
_HOLDS = f"{units.HOLDS.format('g')} AND p.role = '{PUPIL}'"
_LINKS = f"""SELECT g.pupil_id, g.guardian_id, g.relation, g.since, g.until FROM people_guardianship g
JOIN people_person p ON p.id = g.pupil_id JOIN people_person w ON w.id = g.guardian_id WHERE {_HOLDS}"""


class Link(NamedTuple):
    """One guardian of one pupil, with its first and last day."""

    pupil_id: int
    guardian_id: int
    relation: int
    since: date
    until: date


class Other(NamedTuple):
    """A link as one of its two sees it: the other's names, whether that one is the guardian, from when to when."""

    first_ar: str
    last_ar: str
    first_latin: str
    last_latin: str
    guards: bool
    relation: int
    since: date
    until: date

    def name(self, language: str) -> str:
        arabic, latin = f"{self.first_ar} {self.last_ar}".strip(), f"{self.first_latin} {self.last_latin}".strip()
        return text.of_language(language, arabic, latin)


class NamedAccount(NamedTuple):
    """What a list of guardians has to know of an account that it names."""

    id: int
    role: str


class NewLink(NamedTuple):
    """A link that is to stand. The same pupil, guardian and first day again: its other columns change."""

    pupil_id: int
    guardian_id: int
    relation: int
    since: date
    until: date
    made_by: int | None = None


def of_pupils(pupil_ids: Collection[int], *, now: datetime) -> list[Link]:
    """The links of today that lead to guardians whose accounts are neither disabled nor frozen, in a fixed order."""
    if not pupil_ids:
        return []
    wanted = (
        f"{_LINKS} AND w.state = 'active' AND w.frozen_at IS NULL "
        f"AND g.pupil_id IN ({sql.placeholders(len(pupil_ids))}) ORDER BY g.pupil_id, g.guardian_id"
    )
    return _once(sql.select(Link, wanted, (*units.params(_day(now)), *pupil_ids)))


def of_guardian(guardian_id: int, *, now: datetime) -> list[Link]:
    """The links of today to the guardian's pupils, however the guardian's own account stands."""
    wanted = f"{_LINKS} AND g.guardian_id = %s ORDER BY p.first_name_ar, p.first_name_latin, g.pupil_id"
    return _once(sql.select(Link, wanted, (*units.params(_day(now)), guardian_id)))


def all_of_pupil(pupil_id: int, *, on: date) -> list[Link]:
    """The links of that day of a pupil, however the guardians' accounts stand, oldest first."""
    wanted = f"{_LINKS} AND g.pupil_id = %s ORDER BY g.since, g.guardian_id"
    return _once(sql.select(Link, wanted, (*units.params(on), pupil_id)))


def is_family(pupil_id: int, person_ids: Collection[int]) -> bool:
    """Whether one of these people is the pupil's guardian, was, or will be."""
    statement = f"""SELECT 1 FROM people_guardianship
    WHERE pupil_id = %s AND guardian_id IN ({sql.placeholders(len(person_ids))}) LIMIT 1"""
    return bool(person_ids) and sql.row(statement, (pupil_id, *person_ids)) is not None


def school_year_ends(day: date) -> date:
    """The last day of the school year of that day, with its summer: a link's end where none is said."""
    this_year = date(day.year, *SCHOOL_YEAR_ENDS)
    return this_year if day < date(day.year, 9, 1) else date(day.year + 1, *SCHOOL_YEAR_ENDS)


def between(guardian_id: int, pupil_id: int, *, now: datetime) -> Link | None:
    """The link of today between these two, if there is one."""
    return next((one for one in of_pupils([pupil_id], now=now) if one.guardian_id == guardian_id), None)


def all_of(person_id: int, *, now: datetime | None = None) -> list[Other]:
    """All links of a person, as a pupil and as a guardian, newest first. now: those of that day alone."""
    part = """SELECT o.first_name_ar AS first_ar, o.last_name_ar AS last_ar, o.first_name_latin AS first_latin,
    o.last_name_latin AS last_latin, {} AS guards, g.relation, g.since, g.until
    FROM people_guardianship g JOIN people_person o ON o.id = g.{} WHERE g.{} = %s"""
    both = (
        f"{part.format('TRUE', 'guardian_id', 'pupil_id')} UNION ALL {part.format('FALSE', 'pupil_id', 'guardian_id')}"
    )
    found = sql.select(Other, f"{both} ORDER BY 7 DESC, 8 DESC, 1, 3", (person_id, person_id))
    return [one for one in found if now is None or one.since <= _day(now) <= one.until]


def standing(pairs: Collection[tuple[int, int]], *, on: date) -> dict[tuple[int, int], Link]:
    """Of these (pupil, guardian) the link that holds that day or will, the one with the latest end."""
    found: dict[tuple[int, int], Link] = {}
    pupils = sorted({pupil for pupil, _ in pairs})
    for some in sql.parts(pupils):
        statement = f"""SELECT pupil_id, guardian_id, relation, since, until FROM people_guardianship
        WHERE pupil_id IN ({sql.placeholders(len(some))}) AND until >= %s ORDER BY until"""
        for link in sql.select(Link, statement, (*some, sql.day(on))):
            if (link.pupil_id, link.guardian_id) in pairs:
                found[link.pupil_id, link.guardian_id] = link
    return found


def accounts(logins: Collection[str]) -> dict[str, NamedAccount]:
    """The accounts with these logins, by login."""
    found = sql.find("login, id, role", "people_person", "login", logins)
    return {login: NamedAccount(person_id, role) for login, person_id, role in found}


def holders(phones: Collection[str], *, now: datetime) -> dict[str, list[NamedAccount]]:
    """Who has proved these numbers and still has them, by number; of a family that shares one, pupils are left out."""
    by_index = {
        index: one for one in phones for index in encryption.data_keys().blind_indexes("contact-value", "phone", one)
    }
    found: dict[str, list[NamedAccount]] = {}
    for some in sql.parts(sorted(by_index)):
        wanted = f"""SELECT DISTINCT c.value_hmac, p.id, p.role FROM people_contact c
        JOIN people_person p ON p.id = c.person_id WHERE c.value_hmac IN ({sql.placeholders(len(some))})
        AND c.state = 'proved' AND (c.ends_at IS NULL OR c.ends_at > %s) AND p.role <> '{PUPIL}'"""
        for index, person_id, role in sql.rows(wanted, (*some, sql.at(now))):
            found.setdefault(by_index[index], []).append(NamedAccount(person_id, role))
    return found


def put(links: Sequence[NewLink]) -> None:
    """Let these links stand. Inside the caller's transaction, which holds the pupils' locks."""
    columns = "pupil_id, guardian_id, relation, since, until, made_by"
    rows = [(*one[:3], sql.day(one.since), sql.day(one.until), one.made_by) for one in links]
    for some in sql.parts(rows):
        sql.execute(
            f"INSERT INTO people_guardianship ({columns}) VALUES {sql.values(len(some), 6)} "
            "ON CONFLICT (pupil_id, guardian_id, since) DO UPDATE SET relation = excluded.relation, "
            "until = excluded.until, made_by = excluded.made_by",
            [value for one in some for value in one],
        )


def made_by(agent_id: int, pupil_id: int, *, since: date) -> list[int]:
    """Whom that agent has made guardians of that pupil by links that begin that day."""
    statement = """SELECT guardian_id FROM people_guardianship
    WHERE pupil_id = %s AND made_by = %s AND since = %s ORDER BY guardian_id"""
    return [guardian_id for (guardian_id,) in sql.rows(statement, (pupil_id, agent_id, sql.day(since)))]


def end(pupil_id: int, guardian_id: int, *, last: date) -> bool:
    """Let that day be the last one of these two; whether it was to be a later one. Inside the caller's transaction,
    which holds the pupil's lock."""
    statement = "UPDATE people_guardianship SET until = %s WHERE pupil_id = %s AND guardian_id = %s AND until > %s"
    return bool(sql.execute(statement, (sql.day(last), pupil_id, guardian_id, sql.day(last))))


def _once(links: list[Link]) -> list[Link]:
    """Two links of the same two may overlap for a day: one of them is enough."""
    return list({(one.pupil_id, one.guardian_id): one for one in links}.values())


def _day(now: datetime) -> date:
    return local_time.local(now).date()
