"""What a person may see of the messages that were sent to them: when they left and arrived, the contact masked."""

from __future__ import annotations

from datetime import datetime, timedelta

from massar.domain.delivery import api as delivery
from massar.domain.people import api as people

SHOWN, SHOWN_FOR = 10, timedelta(days=30)


def of_person(*, person: people.PersonFacts, now: datetime) -> list[delivery.metrics.ToPerson]:
    """The person's own, newest first."""
    return delivery.metrics.read_messages_to(person.id, since=now - SHOWN_FOR, most=SHOWN)
