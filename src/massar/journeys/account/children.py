"""A guardian's children: how their accounts stand, a new password for one, and an end of one that is under way.

Starting is asking for the child, by the guardian's own contact: the same road as the page of recovery, with the same
message. Nothing is shown on the page: a session alone, or a password that somebody else knows, opens no child's
account. Both acts want a proof anew."""

from datetime import date, datetime
from typing import NamedTuple

from django.db import transaction

from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.desk import api as desk
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.journeys.account import recover_password, sign_in
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.outcomes import Done, FactorNotFresh, Gone, Overloaded, Problem, Problems, TooManyAttempts

Refused = Problems | TooManyAttempts | Overloaded | FactorNotFresh | Gone


class Child(NamedTuple):
    """One child of a guardian. until: the link's last day. activated: it has a password. running: a temporary password
    is on its way, or serves."""

    person: people.PersonFacts
    until: date
    activated: bool
    running: bool


def of(guardian: people.PersonFacts, *, now: datetime) -> list[Child]:
    """The children of today. A disabled account is no child's any more."""
    links = people.guardians.of_guardian(guardian.id, now=now)
    ids = [one.pupil_id for one in links]
    activated, running = credentials.passwords.activated(ids), credentials.temporary.running(ids, now=now)
    children = people.directory.by_ids(ids, now=now)
    return [
        Child(one, link.until, one.id in activated, one.id in running)
        for link in links
        if (one := children.get(link.pupil_id)) and one.enabled
    ]


def ways(guardian: people.PersonFacts, *, now: datetime) -> list[people.Contact]:
    """Where the message may go, phones first: in most families that is what is at hand."""
    return sorted(people.contacts.usable(guardian.id, now), key=lambda contact: contact.kind, reverse=True)


def start(
    *, signed_in: SignedIn, child_id: int, contact_id: int, password: str, ask_id: str, browser: Browser, now: datetime
) -> Done | Refused:
    """Ask for a temporary password of that child, to that contact of the guardian."""
    child = _child_of(signed_in.person, child_id, now)
    way = next((one for one in ways(signed_in.person, now=now) if one.id == contact_id), None)
    if child is None:
        return Gone()
    if way is None:
        return Problems({"contact": [Problem("choice")]})
    refused = sign_in.prove_again(signed_in=signed_in, password=password, browser=browser, now=now)
    if refused:
        return refused
    channel = "email" if way.kind == "email" else "phone"
    asked = recover_password.typed(child.login, channel, way.value, browser)
    device = limits.rate_limits.ASK_DEVICE.bucket(signed_in.person.id)
    return recover_password.put(ask_id, asked, [device], now=now) or Done(masked=way.masked)


@transaction.atomic
def _stop(guardian: people.PersonFacts, child_id: int, browser: Browser, now: datetime) -> Done | Gone:
    people.contacts.lock(guardian.id, child_id)
    if _child_of(guardian, child_id, now) is None:
        return Gone()
    credentials.temporary.end_all(child_id, now=now, why="stopped")
    sessions.changing.end_all(child_id, now=now)
    sessions.pending.end_all(child_id, now=now)
    stopped = desk.cases.end_of_person(child_id, now=now)  # or its browser would go on once more
    people.contacts.withdraw(stopped, now=now)
    audit_log.record_event("recovery_stopped", now=now, person_id=child_id, browser=browser, by=guardian.id)
    return Done()


def stop(*, signed_in: SignedIn, child_id: int, password: str, browser: Browser, now: datetime) -> Done | Refused:
    """End every temporary password of that child, what one of them has opened (the change that was not saved), and what
    the help desk has approved."""
    if _child_of(signed_in.person, child_id, now) is None:
        return Gone()
    refused = sign_in.prove_again(signed_in=signed_in, password=password, browser=browser, now=now)
    return refused or _stop(signed_in.person, child_id, browser, now)


def _child_of(guardian: people.PersonFacts, child_id: int, now: datetime) -> people.PersonFacts | None:
    link = people.guardians.between(guardian.id, child_id, now=now)
    child = people.directory.by_id(child_id, now=now) if link else None
    return child if child and child.enabled else None
