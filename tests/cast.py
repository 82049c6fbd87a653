"""The cast of the tests: the demo's people, put into the test's database by `enter`; one family of them by `family`."""

from datetime import datetime, timedelta

from massar.core import clock, local_time
from massar.domain.people import api as people
from massar.interfaces.demo.cast import FATIMA, HALIMA, ILYAS, JAMAL, KHADIJA, RIM, SALMA, STRANGER, YASSINE, YOUSSEF
from massar.journeys.outcomes import Done
from massar.journeys.people import import_people

FATIMA_PHONE = "+212661000222"
HALIMA_PHONE = "+212663000444"
KHADIJA_EMAIL = "khadija@example.org"
YOUSSEF_EMAIL = "youssef.benali@example.org"
NEW = "Tamarin&6048-oued"  # a password that anybody of them may choose


def enter(*cast: import_people.NewPerson, now: datetime) -> None:
    """Adds the given people of the cast, all of them by default."""
    for person in cast or (JAMAL, FATIMA, YOUSSEF, KHADIJA, SALMA):
        assert import_people.add(person, now=now) == Done()


def family(*, now: datetime) -> None:
    """Adds a mother, and her three children with a link to her."""
    enter(HALIMA, ILYAS, RIM, YASSINE, now=now)
    for child in (ILYAS, RIM, YASSINE):
        link(HALIMA, child, now=now)


def link(
    guardian: import_people.NewPerson, child: import_people.NewPerson, *, now: datetime, days: int = 100,
    relation: people.guardians.Relation = people.guardians.Relation.MOTHER,
) -> None:  # fmt: skip
    """Lets somebody answer for a pupil from today on, for so many days."""
    today = local_time.local(now).date()
    until = today + timedelta(days=days)
    people.guardians.put([people.guardians.NewLink(facts(child).id, facts(guardian).id, relation, today, until)])


def unlink(guardian: import_people.NewPerson, child: import_people.NewPerson, *, now: datetime) -> None:
    """Yesterday was the last day."""
    link(guardian, child, now=now, days=-1)


def facts(person: import_people.NewPerson) -> people.PersonFacts:
    found = people.directory.by_login(person.login, now=clock.now())
    assert found is not None
    return found


__all__ = ["FATIMA", "FATIMA_PHONE", "HALIMA", "HALIMA_PHONE", "ILYAS", "JAMAL", "KHADIJA", "KHADIJA_EMAIL", "NEW",
           "RIM", "SALMA", "STRANGER", "YASSINE", "YOUSSEF", "YOUSSEF_EMAIL", "enter", "facts", "family",
           "link", "unlink"]  # fmt: skip
