"""The personal e-mail and phone: typed on the profile, each proved by a code sent to it (decisions 10–13)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from massar.core import ids, phone, text
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.journeys.account import sign_in
from massar.journeys.messages import sms_budget
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

RESEND_AFTER = timedelta(minutes=1)


@dataclass(frozen=True)
class Saved:
    """The contacts a code was sent to, masked. Empty: nothing was new."""

    sent_to: tuple[str, ...]


def save(
    *,
    person: people.PersonFacts,
    email: str,
    phone_number: str,
    password: str,
    browser: Browser,
    now: datetime,
    session_id: int | None = None,
) -> Saved | Problems | ContactsFrozen | TooManyAttempts | Overloaded:
    """Proposes what is new and sends each its code. An empty field leaves that contact as it is.

    session_id: the session in which it is typed.
    """
    if person.frozen_until and person.frozen_until > now:
        return ContactsFrozen(person.frozen_until)
    typed, problems = _read(person, email, phone_number, now)
    if problems:
        return Problems(problems)
    refused = sign_in.prove_again(person=person, password=password, browser=browser, now=now)
    if isinstance(refused, WrongSecret):
        return Problems({"password": [Problem("password_wrong")]})
    if refused is not None:
        return refused
    return _propose(person, session_id, _only_new(person, typed, now), browser, now)


def _read(person, email: str, phone_number: str, now) -> tuple[dict[str, str], dict[str, list[Problem]]]:
    typed, problems = {}, {}
    if email.strip():
        address = text.email(email)
        if address is None:
            problems["email"] = [Problem("email_shape")]
        elif is_institution_address(address):
            problems["email"] = [Problem("email_institution")]
        else:
            typed["email"] = address
    if phone_number.strip():
        try:
            typed["phone"] = phone.mobile(phone_number, settings.MASSAR.phone_countries, settings.MASSAR.mobile_ranges)
        except phone.BadPhone as bad:
            problems["phone"] = [Problem(bad.reason)]
    number = typed.get("phone")
    if number and _is_full(number, person.id, now):
        problems["phone"] = [Problem("phone_too_many", {"count": settings.MASSAR.accounts_per_phone})]
    return typed, problems


def serves_too_many(contact: people.ContactFacts, now: datetime) -> bool:
    """Whether a phone already serves as many other accounts as allowed (decision 12)."""
    return contact.kind == "phone" and _is_full(contact.value, contact.person_id, now)


def _is_full(number: str, person_id: int, now: datetime) -> bool:
    others = people.contacts.accounts_with("phone", number, besides=person_id, now=now)
    return others >= settings.MASSAR.accounts_per_phone


def is_institution_address(address: str) -> bool:
    """Whether the mailbox opens with the very password that would be lost (decision 11)."""
    domain = address.rpartition("@")[2]
    return any(domain == d or domain.endswith("." + d) for d in settings.MASSAR.institution_domains)


def _only_new(person, typed: dict[str, str], now) -> dict[str, str]:
    """What is not held already. A proposal too old to be shown any more, and what came back, may be proved again."""
    held = {
        (c.kind, c.value)
        for c in people.contacts.of_person(person.id, now)
        if c.ends_at is None and ((c.proved and not c.bounced_at) or (not c.proved and _fresh(c, now)))
    }
    return {kind: value for kind, value in typed.items() if (kind, value) not in held}


@transaction.atomic
def _propose(person, session_id: int | None, new: dict[str, str], browser, now) -> Saved | TooManyAttempts:
    refused = _may_send(person.id, new, browser, now)
    if refused:
        return refused
    sent = []
    for kind, value in new.items():
        contact = people.contacts.propose(person.id, kind, value, now=now, session_id=session_id)
        _send_code(contact, person.preferred_language(browser.language), now)
        audit_log.record_event(
            "contact_proposed",
            now=now,
            person_id=person.id,
            browser=browser,
            kind=kind,
            contact=contact.masked,
        )
        sent.append(contact.masked)
    return Saved(tuple(sent))


def _may_send(person_id: int, codes: dict[str, str], browser, now: datetime) -> TooManyAttempts | None:
    """Reserves what the codes of one save need: all or none, in one statement, for two could wait for each other.
    The person's lock comes before the country's budgets, as everywhere.

    A phone that has to wait is always told the same, so that nobody learns why: its own budget, what others in its
    block have asked for, or the country's.
    """
    number = codes.get("phone")
    instead = "email" if number else ""
    until = delivery.conversion.stopped(number, now=now) if number else None
    if until:
        return TooManyAttempts(until, instead)
    people.contacts.lock(person_id)
    buckets = [one for kind, value in codes.items() for one in _code_buckets(person_id, kind, value, browser)]
    refused = limits.consume(buckets, now=now) if buckets else None
    return TooManyAttempts(refused.until, instead) if refused else None


def _code_buckets(person_id: int, kind: str, value: str, browser) -> list[limits.Bucket]:
    buckets = [
        limits.rate_limits.CODE_GAP.bucket(person_id, kind, value),
        limits.rate_limits.CODE_ACCOUNT.bucket(person_id),
        limits.rate_limits.CODE_DESTINATION.bucket(kind, value),
        limits.rate_limits.CODE_NETWORK.bucket(browser.network),
    ]
    if kind == "phone":
        block = delivery.outbox.block_hmac(value)
        buckets += [
            limits.rate_limits.CODE_BLOCK.bucket(block),
            limits.rate_limits.CODE_BLOCK_DAY.bucket(block),
            *sms_budget.shared(),
        ]
    return buckets


def _send_code(contact: people.ContactFacts, language: str, now: datetime) -> None:
    code = ids.contact_code()
    life = settings.MASSAR.contact_code
    people.contacts.give_code(contact.id, code, now=now, valid_for=life)
    delivery.outbox.put(
        purpose="contact_code",
        channel="sms" if contact.kind == "phone" else "email",
        language=language,
        person_id=contact.person_id,
        to=contact.value,
        values={
            "code": code,
            "host": settings.MASSAR.host if contact.kind == "phone" else settings.MASSAR.address,
        },
        now=now,
        within=life,
        expires_at=now + life,
        priority=2,
    )


@transaction.atomic
def resend(
    *, person: people.PersonFacts, contact_id: int, browser: Browser, now: datetime
) -> Done | TooManyAttempts | Gone:
    """A new code to the proposed contact; the older code no longer fits."""
    contact = people.contacts.by_id(contact_id, person.id)
    if contact is None or contact.state != "proposed":
        return Gone()
    refused = _may_send(person.id, {contact.kind: contact.value}, browser, now)
    if refused:
        return refused
    _send_code(contact, person.preferred_language(browser.language), now)
    audit_log.record_event(
        "contact_proposed",
        now=now,
        person_id=person.id,
        outcome="again",
        browser=browser,
        kind=contact.kind,
        contact=contact.masked,
    )
    return Done(masked=contact.masked)


def joins_the_first(kind: str, *, person: people.PersonFacts, session_id: int, now: datetime) -> bool:
    """Whether a contact of that kind, entered and proved now, would count at once beside the one that does."""
    wait = settings.MASSAR.contact_wait
    return people.contacts.would_join(person.id, kind, session_id=session_id, now=now, wait=wait)


def resend_at(contact: people.ContactFacts, *, now: datetime) -> datetime:
    """From when the resend button works: a minute from now at most, whatever a clock did when the code was sent."""
    return min(contact.code_sent_at or contact.proposed_at, now) + RESEND_AFTER


@dataclass(frozen=True)
class ToPutRight:
    """What home asks for: a first contact, or (masked) those whose messages come back."""

    no_contact: bool
    came_back: tuple[str, ...]


def to_put_right(*, person: people.PersonFacts, now: datetime) -> ToPutRight:
    """What the banner says, until it is put right."""
    held = [c for c in people.contacts.of_person(person.id, now) if c.receives(now)]
    return ToPutRight(not held, tuple(c.masked for c in held if c.bounced_at))


@dataclass(frozen=True)
class KindOfContact:
    """Where one kind of contact stands: what counts, what waits to count, what waits for its code."""

    kind: str
    current: people.ContactFacts | None
    waiting: people.ContactFacts | None
    proposed: people.ContactFacts | None


def standing(*, person: people.PersonFacts, now: datetime) -> list[KindOfContact]:
    """E-mail and phone, in this order. A proposal whose code ran out long ago is not shown any more."""
    held = people.contacts.of_person(person.id, now)
    return [_standing(kind, [c for c in held if c.kind == kind], now) for kind in ("email", "phone")]


def _standing(kind: str, held: list[people.ContactFacts], now: datetime) -> KindOfContact:
    return KindOfContact(
        kind,
        current=next((c for c in held if c.counts(now)), None),
        waiting=next((c for c in held if c.waits(now)), None),
        proposed=next((c for c in reversed(held) if c.state == "proposed" and _fresh(c, now)), None),
    )


@dataclass(frozen=True)
class Undone:
    """What the last recovery did to contacts while they can't be edited: dropped ones, and removals that it took back."""

    dropped: tuple[people.ContactFacts, ...] = ()
    kept: tuple[people.ContactFacts, ...] = ()


def undone(*, person: people.PersonFacts, now: datetime) -> Undone:
    """Nothing, once contacts are open again."""
    recovered_at = credentials.passwords.recovered_at(person.id)
    if recovered_at is None or not person.frozen_until or person.frozen_until <= now:
        return Undone()
    return as_undone(people.contacts.undone(person.id, since=recovered_at), recovered_at)


def as_undone(found: list[people.ContactFacts], recovered_at: datetime) -> Undone:
    """Proposals that were forgotten long before are not spoken of."""
    dropped = (c for c in found if c.state == "cancelled" and (c.proved_at or _fresh(c, recovered_at)))
    return Undone(tuple(dropped), tuple(c for c in found if c.proved))


def _fresh(contact: people.ContactFacts, now: datetime) -> bool:
    return now - (contact.code_sent_at or contact.proposed_at) < timedelta(hours=24)
