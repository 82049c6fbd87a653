"""Recovery: asking is one insert; the worker looks up, compares, issues and puts the message into the outbox.

Asking changes nothing for the owner (promise iv): the password in use stays valid until the new one is saved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from massar.core import phone, text
from massar.core.audit import api as trail
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.journeys import sms_budget
from massar.journeys.outcomes import Done, Wait

lanes = limits.lanes
QUEUE_LONGEST = timedelta(minutes=45)  # after that the person has gone: nothing is issued or sent
POSTPONED = timedelta(minutes=2)  # at least, while the country's SMS are spent: a long queue must not turn in place


def ask(
    *, typed_login: str, channel: str, typed_contact: str, ask_id: str, browser: Browser, now: datetime
) -> Done | Wait:
    """Stores what was typed, sealed. The same work and the same answer whatever it was; nothing is looked up.

    Wait only speaks of the network's own budget, which knows nothing of accounts.
    """
    refused = limits.take([limits.draw(lanes.ASK_NETWORK, browser.network)], now=now)
    if refused:
        return Wait(refused.until)
    login = text.login(typed_login) or ""
    contact = canonical_contact(channel, typed_contact) or ""
    typed = (login or typed_login, channel, contact or typed_contact)
    spent = limits.take(
        [limits.draw(lanes.ASK_GAP, *typed), limits.draw(_hourly(lanes.ASK_TYPED), *typed)], now=now
    )
    delivery.requests.put(
        ask_id,
        delivery.Asked(
            login=login,
            channel=channel,
            contact=contact,
            language=browser.language,
            network=browser.network,
            browser=browser.label,
            devices=browser.devices,
            asked=browser.asked,
            spent=spent is not None,
        ),
        now=now,
    )
    return Done()


def _hourly(limit: limits.Limit) -> limits.Limit:
    return lanes.hourly(limit, settings.MASSAR.recoveries_per_hour)


def canonical_contact(channel: str, typed: str) -> str | None:
    """The typed contact as stored contacts are, or None if it can't be one."""
    if channel == "email":
        return text.email(typed)
    try:
        return phone.mobile(typed, settings.MASSAR.phone_countries, settings.MASSAR.mobile_ranges)
    except phone.BadPhone:
        return None


@dataclass(frozen=True)
class _Judged:
    """What a request leads to. `contact` only when a message is to be sent."""

    person: people.PersonFacts | None
    outcome: str
    contact: people.ContactFacts | None = None


class _Spent(Exception):
    """The country's SMS are spent until then. All that was written and reserved for this answer goes back."""

    def __init__(self, person: people.PersonFacts, until: datetime):
        super().__init__()
        self.person, self.until = person, until


def answer(claimed, *, now: datetime) -> str:
    """Answers one claimed request, in one transaction. Returns what was done, for the worker's log: no person, no contact.

    Where the country's SMS are spent, it waits while there is time.
    """
    try:
        return _answer(claimed, now)
    except _Spent as spent:
        again = max(spent.until, now + POSTPONED)
        if again - claimed.created_at > QUEUE_LONGEST:
            return _end_over_budget(claimed, spent.person, now)
        delivery.requests.postpone(claimed, until=again)
        return "postponed"


@transaction.atomic
def _answer(claimed, now: datetime) -> str:
    if not delivery.requests.finish(claimed, now=now):
        return "lost"
    asked = claimed.asked
    if asked is None:
        trail.record("recovery_asked", now=now, outcome="unreadable")
        return "unreadable"
    judged = _judge(asked, claimed.created_at, now)
    _tell(asked, judged, now)
    if judged.contact:
        _issue(judged.person, judged.contact, asked, now)
    return judged.outcome


@transaction.atomic
def _end_over_budget(claimed, person: people.PersonFacts, now: datetime) -> str:
    if not delivery.requests.finish(claimed, now=now):
        return "lost"
    judged = _Judged(person, "over_budget")
    _tell(claimed.asked, judged, now)
    return judged.outcome


def _tell(asked, judged: _Judged, now: datetime) -> None:
    browser = Browser(
        network=asked.network,
        label=asked.browser,
        devices=asked.devices,
        asked=asked.asked,
        language=asked.language,
    )
    trail.record(
        "recovery_asked",
        now=now,
        person_id=judged.person and judged.person.id,
        outcome=judged.outcome,
        browser=browser,
        channel=asked.channel,
    )


def _judge(asked, asked_at: datetime, now: datetime) -> _Judged:
    person = people.directory.by_login(asked.login)
    if person is None:
        return _Judged(None, "unknown")
    if asked.spent:
        return _Judged(person, "too_often")
    if now - asked_at > QUEUE_LONGEST:
        return _Judged(person, "too_late")
    if not person.active:
        return _Judged(person, "disabled")
    kind = "email" if asked.channel == "email" else "phone"
    if not _may_guess(person, asked, now):
        return _Judged(person, "guesses_spent")
    contact = people.contacts.matching(person.id, kind, asked.contact, now)
    if contact is None:
        return _Judged(person, "no_match")
    limits.give_back([_guess_draw(person, asked, now)])
    owner = (person.id, kind, asked.contact)
    sends = [limits.draw(_hourly(lanes.SEND_HOUR), *owner), limits.draw(lanes.SEND_DAY, *owner)]
    if limits.take(sends, now=now):
        return _Judged(person, "too_often")
    return _Judged(person, "sent", contact)


def _may_guess(person, asked, now) -> bool:
    """Each comparison is paid for before it is made; a match is given back. Known devices have a share of their own."""
    return limits.take([_guess_draw(person, asked, now)], now=now) is None


def _guess_draw(person, asked, now) -> limits.Draw:
    since = credentials.passwords.stored(person.id).devices_since
    device = sessions.devices.known(asked.devices, person.id, now=now, not_before=since)
    return (
        limits.draw(lanes.GUESS_DEVICE, person.id, device.nonce)
        if device
        else limits.draw(lanes.GUESS, person.id)
    )


def _lifetime(channel: str) -> timedelta:
    return settings.MASSAR.temporary_sms if channel == "sms" else settings.MASSAR.temporary_email


def longest(channel: str) -> timedelta:
    """From asking until nothing of it can be of use: the wait, the hand-over, the life of the secret. channel: 'email', 'sms'."""
    return QUEUE_LONGEST + 2 * _lifetime(channel)


def _issue(person, contact, asked, now) -> None:
    """The secret, its message and the trail row: one commit with the end of the request. Raises _Spent."""
    people.contacts.lock(person.id)  # requests answered side by side still leave two secrets alive at most
    channel = "sms" if contact.kind == "phone" else "email"
    temporary_id, secret = credentials.temporary.issue(
        person.id, channel=channel, contact_id=contact.id, asked=asked.asked, now=now
    )
    lifetime = _lifetime(channel)
    delivery.outbox.put(
        purpose="temporary_password",
        channel=channel,
        language=person.spoken(asked.language),
        person_id=person.id,
        to=contact.value,
        temporary_id=temporary_id,
        lifetime=lifetime,
        now=now,
        within=QUEUE_LONGEST + lifetime,
        priority=1,
        # An SMS binds the secret to the host (a phone offers it to no other site); a mail says what to type.
        values={
            "secret": secret,
            "host": settings.MASSAR.host if channel == "sms" else settings.MASSAR.address,
            "help": settings.MASSAR.help_contact,
        },
    )
    refused = sms_budget.take_for_recovery(now=now) if channel == "sms" else None
    if refused:
        raise _Spent(person, refused.until)
