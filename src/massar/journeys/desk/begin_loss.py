"""A lost second factor at the desk: an agent begins the wait, and nothing else.

It is the wait of the person's own journey (`lose_factors`): everybody is told at once, each mail with a link that stops
it. After it the right password removes the factors; or, for who has lost that too, a password that two agents let a
browser choose (`open_case.go_on`, ADR 85). Nothing is removed by an agent, and any other recovery still asks for the
factor."""

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import transaction

from massar.core.browser import Browser
from massar.domain.desk import api as desk
from massar.domain.factors import api as factors
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.journeys.account import lose_factors, notices
from massar.journeys.desk import agents, open_case
from massar.journeys.desk.agents import Agent
from massar.journeys.outcomes import Gone, TooManyAttempts


def begin(
    *, agent: Agent, person: people.PersonFacts, permission: rights.Permission, reason: str, browser: Browser,
    now: datetime, cancel_url: Callable[[str], str],
) -> str | TooManyAttempts | Gone:  # fmt: skip
    """Begin the wait from the person's page; the number of the act. permission: for the right FACTOR. Gone: there is
    no factor, or a wait goes on, or the agent was shut out. cancel_url: makes the address of the page that stops it,
    from the token for it."""
    with transaction.atomic():
        if not agents.hold(agent, person.id, now=now) or not can_begin(person):
            return Gone()
        spent = agents.charge(agent, limits.rate_limits.LOSS_AGENT, now=now)
        if spent:
            agents.refuse(agent, person.id, rights.Right.FACTOR, "cap", now)
            return spent
        machine = open_case.machine(browser, now)
        proposal = agents.proposal_of(agent, person, permission, desk.cases.Kind.FACTOR, machine, reason, now)
        number = desk.cases.record_act(proposal, now=now)
        shown = desk.numbers.shown(number)
        if not start(agent, person, permission, reason=reason, case=shown, now=now, cancel_url=cancel_url):
            transaction.set_rollback(True)
            return Gone()
        return number


def can_begin(person: people.PersonFacts) -> bool:
    """Whether there is a factor, and no wait for it."""
    return bool(factors.held.of_person(person.id)) and factors.losses.waiting(person.id) is None


def start(
    agent: Agent, person: people.PersonFacts, permission: rights.Permission, *, reason: str, case: str, now: datetime,
    cancel_url: Callable[[str], str],
) -> bool:  # fmt: skip
    """Begin the wait, and tell everybody; whether it has begun. case: its number, as it is shown. Inside the caller's
    transaction, under the person's lock."""
    if not can_begin(person):
        return False
    loss = factors.losses.begin_wait(person.id, now=now, wait=settings.MASSAR.second_factor_lost)
    if loss is None:
        return False
    entry = agents.record("desk_factors_lost", agent, person, permission, now=now, reason=reason, case=case)
    notices.tell(
        person, "desk_factors_lost", now=now, browser=Browser(), counts_from=loss.ends_at, entry=entry,
        link=cancel_url(lose_factors.cancel_token(loss)),
    )  # fmt: skip
    return True
