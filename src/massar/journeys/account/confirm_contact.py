"""Proving, cancelling and removing contacts. What does not count yet can be taken back (decision 10)."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction

from massar.core import ids, text
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.delivery import api as delivery
from massar.domain.people import api as people
from massar.journeys.account import edit_profile, notices, sign_in
from massar.journeys.outcomes import (
    ContactsFrozen,
    Done,
    Gone,
    Overloaded,
    Problem,
    Problems,
    TooManyAttempts,
    WrongSecret,
)


@transaction.atomic
def prove(
    *,
    person: people.PersonFacts,
    contact_id: int,
    code: str,
    browser: Browser,
    now: datetime,
    session_id: int | None = None,
) -> Done | Problems | ContactsFrozen | Gone:
    """The code typed on the page. Right: the contact counts, now or after the wait.

    What can't be a code costs no try. session_id: the session in which it is typed.
    """
    if person.frozen_until and person.frozen_until > now:
        return ContactsFrozen(person.frozen_until)
    typed = text.code(code)
    if not ids.is_contact_code(typed):
        return Problems({"code": [Problem("code_shape")]})
    people.contacts.lock(person.id)
    answer = people.contacts.try_code(contact_id, person.id, typed, now=now)
    if answer == "gone":
        return Gone()
    if answer != "right":
        contact = people.contacts.by_id(contact_id, person.id)
        left = max(0, people.CODE_TRIES - contact.code_tries)
        problem = {
            "wrong": "code_wrong" if left else "code_spent",
            "expired": "code_expired",
            "spent": "code_spent",
        }[answer]
        return Problems({"code": [Problem(problem, {"left": left})]})
    contact = people.contacts.by_id(contact_id, person.id)
    if contact is None:
        return Gone()
    delivery.outbox.used(person.id, "contact_code", to=contact.value, now=now)
    if edit_profile.serves_too_many(contact, now):
        # Several people may have typed the number while it was still free for one more.
        most = settings.MASSAR.accounts_per_phone
        return Problems({"code": [Problem("phone_too_many", {"count": most})]})
    wait = settings.MASSAR.contact_wait
    proved = people.contacts.prove(contact_id, person.id, now=now, wait=wait, session_id=session_id)
    return _proved(person, proved, proved.id != contact_id, browser, now) if proved else Gone()


def _proved(person, contact, again: bool, browser, now) -> Done:
    """`again`: a contact whose messages came back was proved anew. Nothing changed, so nobody is told."""
    waits = contact.counts_from > now
    audit_log.record_event(
        "contact_proved",
        now=now,
        person_id=person.id,
        outcome="again" if again else "waits" if waits else "counts",
        browser=browser,
        kind=contact.kind,
        contact=contact.masked,
    )
    if again:
        return Done(masked=contact.masked)
    event = "contact_change_waiting" if waits else "contact_added"
    notices.tell(
        person,
        event,
        now=now,
        browser=browser,
        besides=contact.id,
        about=contact,
        counts_from=contact.counts_from if waits else None,
    )
    return Done(from_when=contact.counts_from if waits else None, masked=contact.masked)


@transaction.atomic
def cancel(*, person: people.PersonFacts, contact_id: int, browser: Browser, now: datetime) -> Done | Gone:
    """Takes back a proposal, a change that does not count yet, or a removal that has not come about."""
    contact = people.contacts.by_id(contact_id, person.id)
    if contact is None or not people.contacts.cancel(contact_id, person.id, now=now):
        return Gone()
    audit_log.record_event(
        "contact_cancelled",
        now=now,
        person_id=person.id,
        browser=browser,
        kind=contact.kind,
        contact=contact.masked,
    )
    if contact.proved:
        notices.tell(person, "contact_change_cancelled", now=now, browser=browser, besides=contact.id, about=contact)
    return Done(masked=contact.masked)


def remove(
    *, person: people.PersonFacts, contact_id: int, password: str, browser: Browser, now: datetime
) -> Done | Problems | ContactsFrozen | TooManyAttempts | Overloaded | Gone:
    """Ends a counting contact after the wait; the password is asked again."""
    if person.frozen_until and person.frozen_until > now:
        return ContactsFrozen(person.frozen_until)
    refused = sign_in.prove_again(person=person, password=password, browser=browser, now=now)
    if isinstance(refused, WrongSecret):
        return Problems({"password": [Problem("password_wrong")]})
    return refused or _remove(person, contact_id, browser, now)


@transaction.atomic
def _remove(person, contact_id, browser, now) -> Done | Gone:
    ends_at = people.contacts.remove(contact_id, person.id, now=now, wait=settings.MASSAR.contact_wait)
    if ends_at is None:
        return Gone()
    contact = people.contacts.by_id(contact_id, person.id)
    audit_log.record_event(
        "contact_removed",
        now=now,
        person_id=person.id,
        browser=browser,
        kind=contact.kind,
        contact=contact.masked,
    )
    notices.tell(person, "contact_removed", now=now, browser=browser, about=contact, counts_from=ends_at)
    return Done(from_when=ends_at, masked=contact.masked)


@transaction.atomic
def cancel_by_link(*, token: str, browser: Browser, now: datetime) -> Done | Gone:
    """The link of a notice. It only takes back; it opens nothing (ATK-034: looking at the page changes nothing)."""
    found = notices.read_cancel_token(token, now=now)
    person = people.directory.by_id(found[1]) if found else None
    return cancel(person=person, contact_id=found[0], browser=browser, now=now) if person else Gone()


def link_is_live(*, token: str, now: datetime) -> bool:
    """Whether pressing the button of that page would take something back."""
    found = notices.read_cancel_token(token, now=now)
    contact = people.contacts.by_id(*found) if found else None
    return contact is not None and contact.proved and (contact.waits(now) or contact.ends_at is not None)
