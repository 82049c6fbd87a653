"""Proving, cancelling and removing contacts. What does not count yet can be taken back (decision 10)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import transaction

from massar.core import ids, text
from massar.core.browser import Browser
from massar.domain.delivery import api as delivery
from massar.domain.people import api as people
from massar.journeys.account import edit_profile, notices, sign_in
from massar.journeys.outcomes import ContactsFrozen, Done, Gone, Overloaded, Problem, Problems, TooManyAttempts


@transaction.atomic
def prove(
    *,
    person: people.PersonFacts,
    contact_id: int,
    code: str,
    browser: Browser,
    now: datetime,
    cancel_url: Callable[[str], str],
    session_id: int | None = None,
) -> Done | Problems | ContactsFrozen | Gone:
    """Judge the code typed on the page. Right: the contact counts, now or after the wait.

    What can't be a code costs no try. session_id: the session in which it is typed. cancel_url: see `notices.tell`.
    """
    if person.frozen_until and person.frozen_until > now:
        return ContactsFrozen(person.frozen_until)
    typed = text.code(code)
    if not ids.is_contact_code(typed):
        return _refuse("code_shape")
    people.contacts.lock(person.id)
    answer = people.contacts.try_code(contact_id, person.id, typed, now=now)
    contact = people.contacts.by_id(contact_id, person.id)
    if answer == "gone" or contact is None:
        return Gone()
    if answer != "right":
        left = max(0, people.CODE_TRIES - contact.code_tries)
        return _refuse(f"code_{answer}" if left or answer != "wrong" else "code_spent", left=left)
    delivery.outbox.used(person.id, "contact_code", to=contact.value, now=now)
    if edit_profile.serves_too_many(contact.kind, contact.value, person.id, now):
        # Several people may have typed the number while it was still free for one more.
        return _refuse("phone_too_many", count=settings.MASSAR.accounts_per_phone)
    wait = settings.MASSAR.contact_wait
    proved = people.contacts.prove(contact_id, person.id, now=now, wait=wait, session_id=session_id)
    if proved is None or proved.counts_from is None:
        return Gone()
    again = proved.id != contact_id  # one whose messages came back was proved anew: nothing changed, nobody is told
    later = proved.counts_from if proved.counts_from > now else None
    outcome = "again" if again else "waits" if later else "counts"
    edit_profile.record("contact_proved", person, proved, browser, now, outcome)
    if again:
        return Done(masked=proved.masked)
    notices.tell(
        person, "contact_change_waiting" if later else "contact_added", now=now, browser=browser,
        besides=proved.id, about=proved, counts_from=later, cancel_url=cancel_url,
    )  # fmt: skip
    return Done(from_when=later, masked=proved.masked)


def _refuse(problem: str, **args: int) -> Problems:
    return Problems({"code": [Problem(problem, args)]})


@transaction.atomic
def cancel(*, person: people.PersonFacts, contact_id: int, browser: Browser, now: datetime) -> Done | Gone:
    """Take back a proposal, a change that does not count yet, or a removal that has not come about."""
    contact = people.contacts.by_id(contact_id, person.id)
    if contact is None or not people.contacts.cancel(contact_id, person.id, now=now):
        return Gone()
    edit_profile.record("contact_cancelled", person, contact, browser, now)
    if contact.proved:
        notices.tell(person, "contact_change_cancelled", now=now, browser=browser, besides=contact.id, about=contact)
    return Done(masked=contact.masked)


def remove(
    *,
    person: people.PersonFacts,
    contact_id: int,
    password: str,
    browser: Browser,
    now: datetime,
    cancel_url: Callable[[str], str],
) -> Done | Problems | ContactsFrozen | TooManyAttempts | Overloaded | Gone:
    """End a counting contact after the wait; the password is asked again. cancel_url: see `notices.tell`."""
    if person.frozen_until and person.frozen_until > now:
        return ContactsFrozen(person.frozen_until)
    refused = sign_in.prove_again(person=person, password=password, browser=browser, now=now)
    return refused or _remove(person, contact_id, browser, now, cancel_url)


@transaction.atomic
def _remove(
    person: people.PersonFacts, contact_id: int, browser: Browser, now: datetime, cancel_url: Callable[[str], str]
) -> Done | Gone:
    ends_at = people.contacts.remove(contact_id, person.id, now=now, wait=settings.MASSAR.contact_wait)
    contact = people.contacts.by_id(contact_id, person.id) if ends_at else None
    if contact is None:
        return Gone()
    edit_profile.record("contact_removed", person, contact, browser, now)
    notices.tell(
        person, "contact_removed", now=now, browser=browser, about=contact, counts_from=ends_at, cancel_url=cancel_url
    )
    return Done(from_when=ends_at, masked=contact.masked)


@transaction.atomic
def cancel_by_link(*, token: str, browser: Browser, now: datetime) -> Done | Gone:
    """Take back by the link of a notice. It opens nothing (ATK-034: looking at the page changes nothing)."""
    contact_id, person_id = notices.read_cancel_token(token, now=now) or (0, 0)
    person = people.directory.by_id(person_id) if person_id else None
    return cancel(person=person, contact_id=contact_id, browser=browser, now=now) if person else Gone()


def link_is_live(*, token: str, now: datetime) -> bool:
    """Tell whether pressing the button of that page would take something back."""
    found = notices.read_cancel_token(token, now=now)
    contact = people.contacts.by_id(*found) if found else None
    return contact is not None and contact.proved and (contact.waits(now) or contact.ends_at is not None)
