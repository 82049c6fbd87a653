"""What an agent did at the desk, and what still waits or serves, is taken back when the agent's account is frozen: a
thief may have done it.

Contacts that do not count yet, waits of lost factors that go on, guardians. What the desk has approved besides opens
nothing (`open_case.agents_stand`), slips are withdrawn (`void_slips`). Whom it concerns hears of it."""

from datetime import datetime

from massar.core import local_time
from massar.core.browser import Browser
from massar.domain.desk import api as desk
from massar.domain.factors import api as factors
from massar.domain.people import api as people
from massar.journeys.account import edit_profile, guardians, lose_factors
from massar.journeys.outcomes import Done

Kind = desk.cases.Kind


def concerned(agent_id: int, *, since: datetime) -> list[int]:
    """Whose locks `of_agent` needs, together with the agent's own."""
    return sorted({case.person_id for case in desk.cases.decided_by(agent_id, since=since) if case.person_id})


def of_agent(agent_id: int, *, since: datetime, now: datetime) -> int:
    """Take back what the agent proposed or confirmed since then; how much. Inside the caller's transaction, which holds
    the locks of the people whom it concerns."""
    return sum(_take_back(case, now) for case in desk.cases.decided_by(agent_id, since=since))


def _take_back(case: desk.CaseFacts, now: datetime) -> bool:
    person = people.directory.by_id(case.person_id or 0, now=now)
    if person is None:
        return False
    if case.kind == Kind.FACTOR:
        loss = factors.losses.waiting(person.id)
        if loss is None or loss.asked_at != case.approved_at:  # it is over, or another one
            return False
        return isinstance(lose_factors.cancel(person=person, browser=Browser(), now=now, loss_id=loss.id), Done)
    if case.kind == Kind.GUARDIAN:
        return _unlink(case, person, now)
    contact = people.contacts.by_id(case.contact_id, person.id) if case.contact_id else None
    if contact is None or not (contact.state == "proposed" or contact.waits(now)):
        return False
    return isinstance(edit_profile.cancel(person=person, contact_id=contact.id, browser=Browser(), now=now), Done)


def _unlink(case: desk.CaseFacts, pupil: people.PersonFacts, now: datetime) -> bool:
    """A link is made by the second agent's word, and begins on the day on which the case was done. Where the code was
    never typed there is none, and what this colleague has confirmed of others' on other days is not the thief's."""
    if case.state != desk.cases.State.DONE or case.ended_at is None:
        return False
    day = local_time.local(case.ended_at).date()
    made = people.guardians.made_by(case.second_id or case.agent_id or 0, pupil.id, since=day)
    return any([guardians.unlink(pupil.id, guardian_id, now=now) for guardian_id in made])
