"""The cast enters the demo's database."""

from massar.core import clock
from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.interfaces.demo.cast import PEOPLE
from massar.journeys.outcomes import Problems
from massar.journeys.people import import_people


def seed() -> list[str]:
    """Adds who is missing; one line for each person. A password that was changed since is not shown."""
    lines = []
    for person, note in PEOPLE:
        if people.directory.by_login(person.login) is None:
            outcome = import_people.add(person, now=clock.now())
            if isinstance(outcome, Problems):
                raise ValueError(f"the cast breaks the rules: {outcome.of}")
        known = people.directory.by_login(person.login)
        stored = credentials.passwords.stored(known.id if known else None)
        fits = credentials.passwords.is_right(person.password, stored, known=True)
        lines.append(f"    {person.login:<32} {person.password if fits else '(changed by you)':<20}  {note}")
    return lines
