"""An agent starts a person's own recovery, to a contact of theirs that counts, or a pupil's by a guardian's.

It is the request that the person would have made, put into the same queue: the worker answers it by the same rules and
budgets (`recover_password.answer`). So no code is made here, and nothing the agent is shown holds one (ATK-137). No
browser asked, so any browser may type the code, as one that has no cookie."""

from datetime import datetime

from django.db import transaction

from massar.core import ids
from massar.core.browser import Browser
from massar.domain.delivery import api as delivery
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.journeys.account import guardians, notices
from massar.journeys.desk import agents
from massar.journeys.desk.agents import Agent, Found
from massar.journeys.outcomes import Done, Gone, TooManyAttempts


def contacts(found: Found, *, now: datetime) -> list[people.Contact]:
    """To which it may be sent: the person's own, or a pupil's guardians'; a phone that two of them share once."""
    own = people.contacts.usable(found.person.id, now)
    of_guardians = guardians.usable_of(found.person, now=now)
    return list({(one.kind, one.value): one for one in (*reversed(of_guardians), *reversed(own))}.values())[::-1]


@transaction.atomic
def start(agent: Agent, found: Found, contact_id: int, *, now: datetime) -> Done | TooManyAttempts | Gone:
    """Ask for it. Gone: that contact does not serve, or not any more."""
    person = found.person
    contact = next((one for one in contacts(found, now=now) if one.id == contact_id), None)
    if contact is None:
        return Gone()
    spent = agents.charge(agent, limits.rate_limits.DESK_RECOVERY, now=now)
    if spent:
        return spent
    asked = delivery.TypedRecovery(
        login=person.login, channel=contact.kind, contact=contact.value,
        language=person.language, network="", browser="", trusted_devices="", recovery_browser="",
    )  # fmt: skip
    delivery.requests.put(ids.short_token(), asked, now=now)
    agents.record("desk_recovery", agent, person, found.permission, now=now, contact=contact.masked)
    notices.tell(person, "desk_recovery", now=now, browser=Browser(), besides=contact.id)
    return Done(masked=contact.masked)
