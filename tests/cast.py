"""The cast of the tests: the demo's people, put into the test's database by `enter`."""

from datetime import datetime

from massar.core import clock
from massar.domain.people import api as people
from massar.interfaces.demo.cast import FATIMA, JAMAL, KHADIJA, SALMA, STRANGER, YOUSSEF
from massar.journeys.outcomes import Done
from massar.journeys.people import import_people

FATIMA_PHONE = "+212661000222"
KHADIJA_EMAIL = "khadija@example.org"
YOUSSEF_EMAIL = "youssef.benali@example.org"
NEW = "Tamarin&6048-oued"  # a password that anybody of them may choose


def enter(*cast: import_people.NewPerson, now: datetime) -> None:
    """Adds the given people of the cast, all of them by default."""
    for person in cast or (JAMAL, FATIMA, YOUSSEF, KHADIJA, SALMA):
        assert import_people.add(person, now=now) == Done()


def facts(person: import_people.NewPerson) -> people.PersonFacts:
    found = people.directory.by_login(person.login, now=clock.now())
    assert found is not None
    return found


__all__ = ["FATIMA", "FATIMA_PHONE", "JAMAL", "KHADIJA", "KHADIJA_EMAIL", "NEW", "SALMA", "STRANGER", "YOUSSEF",
           "YOUSSEF_EMAIL", "enter", "facts"]  # fmt: skip
