"""The cast enters the database."""

from massar.core import clock
from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.interfaces.demo.cast import PEOPLE
from massar.journeys.outcomes import Problems
from massar.journeys.people import import_people


def seed() -> list[str]:
    """Adds who is missing; one line for each person. A password that was changed since is not shown."""
    return [_line(person, note) for person, note in PEOPLE]


def _line(person, note: str) -> str:
    known = people.directory.by_login(person.login) or _add(person)
    fits = credentials.passwords.is_right(person.password, credentials.passwords.stored(known.id), known=True)
    return f"    {person.login:<32} {person.password if fits else '(changed by you)':<20}  {note}"


def _add(person) -> people.PersonFacts:
    outcome = import_people.add(person, now=clock.now())
    if isinstance(outcome, Problems):
        raise ValueError(f"the cast breaks the rules: {outcome.of}")
    return people.directory.by_login(person.login)
