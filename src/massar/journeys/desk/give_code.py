"""A teacher tells a pupil of the own class a code that serves once, within twenty minutes."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.journeys.account import notices
from massar.journeys.desk import agents
from massar.journeys.desk.agents import Agent, Found
from massar.journeys.outcomes import AccountFrozen, Gone, TooManyAttempts

LIFE = timedelta(minutes=20)


class GivenCode(NamedTuple):
    """The code, this once, and its end."""

    code: str
    until: datetime

    def __repr__(self) -> str:
        return f"GivenCode(until={self.until})"


@transaction.atomic
def give(agent: Agent, found: Found, *, now: datetime) -> GivenCode | TooManyAttempts | AccountFrozen | Gone:
    """Give that pupil a code; an older one ends. The password in use stays until a new one is chosen. Gone: the account
    was disabled meanwhile. AccountFrozen: whoever stopped it is not overruled by who gives the next code."""
    rates, pupil = limits.rate_limits, found.person
    people.contacts.lock(pupil.id)
    person = people.directory.by_id(pupil.id, now=now)
    if person is None or not person.enabled:
        return Gone()
    if person.frozen_at:
        return AccountFrozen()
    spent = limits.consume(
        [rates.CLASS_CODES_DAY.bucket(agent.person.id), rates.CLASS_CODE_PUPIL.bucket(pupil.id)], now=now
    )
    if spent:
        return TooManyAttempts(spent.until)
    code = credentials.handed.give_class_code(person.id, until=now + LIFE, now=now)
    entry = agents.record("class_code_given", agent, person, found.permission, now=now)
    notices.tell(person, "class_code_given", now=now, browser=Browser(), entry=entry)
    return GivenCode(code, now + LIFE)
