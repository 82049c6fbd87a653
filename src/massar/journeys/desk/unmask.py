"""An agent sees one whole contact of a person, for a reason. The person is told: in the history, and by mail."""

from datetime import datetime

from django.db import transaction

from massar.core.browser import Browser
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.journeys.account import notices
from massar.journeys.desk import agents
from massar.journeys.desk.agents import Agent, Found
from massar.journeys.outcomes import Gone, TooManyAttempts

REASONS = ("asked", "bounced", "file")  # the person asked which; messages come back; compared with a file on paper


@transaction.atomic
def unmask(
    agent: Agent, found: Found, contact_id: int, *, reason: str, now: datetime
) -> people.Contact | TooManyAttempts | Gone:
    """The contact with its value. reason: one of REASONS. Gone: the person has no such contact any more."""
    held = [one for one in people.contacts.of_person(found.person.id, now) if one.id == contact_id]
    if not held:
        return Gone()
    spent = agents.charge(agent, limits.rate_limits.DESK_UNMASK, now=now)
    if spent:
        return spent
    [contact] = held
    told = {"reason": reason, "contact": contact.masked}
    agents.record("desk_unmasked", agent, found.person, found.permission, now=now, **told)
    notices.tell(found.person, "desk_unmasked", now=now, browser=Browser(), about=contact)
    return contact
