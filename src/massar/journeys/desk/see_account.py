"""How an account stands, as an agent sees it: no secret, no whole contact, nothing of what messages say."""

from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from massar.core import local_time
from massar.core.audit import api as audit_log
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.factors import api as factors
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.journeys.desk import agents
from massar.journeys.desk.agents import Agent, Found
from massar.journeys.messages import watch_messages

STATES = ("disabled", "frozen", "never", "active")


class SeenContact(NamedTuple):
    """A contact, masked. state: 'proposed', 'waits' (until `at`), 'ends' (at `at`), 'bounced', 'old' or 'counts'."""

    id: int
    kind: str
    masked: str
    state: str
    at: datetime | None


class Account(NamedTuple):
    """state: one of STATES. signed_in_at: when last, None for never. factors: kinds. factors_go_at: when the second
    factors go that were told as lost. belongs: units of today and those to come. messages: as their owner sees them.
    allowed: what the agent may do."""

    person: people.PersonFacts
    state: str
    signed_in_at: datetime | None
    contacts: list[SeenContact]
    factors: list[str]
    factors_go_at: datetime | None
    belongs: list[people.belonging.BelongingFacts]
    messages: list[delivery.metrics.ToPerson]
    allowed: frozenset[rights.Right]


@transaction.atomic
def look(agent: Agent, found: Found, *, now: datetime) -> Account:
    """See it. That somebody looked is told to the person, once a day for each agent."""
    person, today = found.person, local_time.local(now).date()
    if not agents.charge(agent, limits.rate_limits.DESK_LOOK, of=(person.id,), now=now):
        agents.record("desk_looked", agent, person, found.permission, now=now)
    signed_in = audit_log.newest(person.id, "sign_in")
    loss = factors.losses.waiting(person.id)
    return Account(
        person, _state(person), signed_in.at if signed_in else None, contacts(person, now=now),
        sorted({factor.kind for factor in factors.held.of_person(person.id)}), loss.ends_at if loss else None,
        [one for one in people.belonging.of_person(person.id) if one.until is None or one.until >= today],
        watch_messages.of_person(person=person, now=now),
        agents.allowed(agent, person, now=now),
    )  # fmt: skip


def contacts(person: people.PersonFacts, *, now: datetime) -> list[SeenContact]:
    """The person's contacts that have not ended, oldest first."""
    return [_seen(one, now) for one in people.contacts.of_person(person.id, now)]


def _seen(one: people.Contact, now: datetime) -> SeenContact:
    state, at = "counts", None
    if not one.proved:
        state = "proposed"
    elif one.bounced_at:
        state, at = "bounced", one.bounced_at
    elif one.waits(now):
        state, at = "waits", one.counts_from
    elif one.ends_at:
        state, at = "ends", one.ends_at
    elif one.old(now):
        state = "old"
    return SeenContact(one.id, one.kind, one.masked, state, at)


def _state(person: people.PersonFacts) -> str:
    if not person.enabled:
        return "disabled"
    if person.frozen_at:
        return "frozen"
    return "active" if credentials.passwords.stored(person.id).real else "never"
