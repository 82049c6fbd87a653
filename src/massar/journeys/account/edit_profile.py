"""The personal e-mail and phone: typed on the profile, each proved by a code sent to it (decisions 10–13).

What does not count yet can be taken back, also by the link of a notice."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from massar.core import ids, phone, text
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.journeys.account import guardians, notices, sign_in
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.messages import sms_budget
from massar.journeys.outcomes import (
    ContactsFrozen,
    Done,
    FactorNotFresh,
    Gone,
    Overloaded,
    Problem,
    Problems,
    TooManyAttempts,
)

RESEND_AFTER = timedelta(minutes=1)


class Saved(NamedTuple):
    """The contacts a code was sent to, masked. Empty: nothing was new."""

    sent_to: tuple[str, ...]


def save(
    *, signed_in: SignedIn, email: str, phone_number: str, password: str, browser: Browser, now: datetime
) -> Saved | Problems | ContactsFrozen | TooManyAttempts | Overloaded | FactorNotFresh:
    """Propose what is new and send each its code, after the proof. An empty field leaves that contact as it is."""
    person = signed_in.person
    if person.frozen_until and person.frozen_until > now:
        return ContactsFrozen(person.frozen_until)
    typed: dict[str, str] = {}
    problems: dict[str, list[Problem]] = {}
    for kind, value in (("email", email), ("phone", phone_number)):
        read = read_contact(kind, value) if value.strip() else ""
        if isinstance(read, str) and read and serves_too_many(kind, read, person.id, now):
            read = Problem("phone_too_many", {"count": settings.MASSAR.accounts_per_phone})
        if isinstance(read, Problem):
            problems[kind] = [read]
        elif read:
            typed[kind] = read
    if problems:
        return Problems(problems)
    refused = sign_in.prove_again(signed_in=signed_in, password=password, browser=browser, now=now)
    if refused:
        return refused
    with transaction.atomic():
        new, sent = _only_new(person, typed, now), []
        wait = may_send(person.id, new, browser, now)
        if wait:
            return wait
        for kind, value in new.items():
            contact = people.contacts.propose(person.id, kind, value, now=now, session_id=signed_in.session.id)
            send_code(person, contact, browser, now)
            sent.append(contact.masked)
        return Saved(tuple(sent))


def read_contact(kind: str, typed: str) -> str | Problem:
    """Return a typed contact as contacts are stored, or what is wrong with it."""
    if kind == "email":
        address = text.email(typed)
        if address is None:
            return Problem("email_shape")
        domain = address.rpartition("@")[2]  # the institution's mailbox opens with the very password that would be lost
        own = any(domain == d or domain.endswith("." + d) for d in settings.MASSAR.institution_domains)
        return Problem("email_institution") if own else address
    try:
        return phone.mobile(typed, settings.MASSAR.phone_countries, settings.MASSAR.mobile_ranges)
    except phone.BadPhone as bad:
        return Problem(bad.reason)


def serves_too_many(kind: str, value: str, person_id: int, now: datetime) -> bool:
    """Tell whether a phone already serves as many other accounts as allowed (decision 12)."""
    most = settings.MASSAR.accounts_per_phone
    return kind == "phone" and people.contacts.accounts_with(kind, value, besides=person_id, now=now) >= most


def _only_new(person: people.PersonFacts, typed: dict[str, str], now: datetime) -> dict[str, str]:
    """Leave out what is held already. What is too old to be shown any more, came back, or was not proved
    for a year may be proved again."""
    held = {
        (c.kind, c.value)
        for c in people.contacts.of_person(person.id, now)
        if c.ends_at is None and ((c.proved and not (c.bounced_at or c.old(now))) or (not c.proved and _fresh(c, now)))
    }
    return {kind: value for kind, value in typed.items() if (kind, value) not in held}


def may_send(person_id: int, codes: dict[str, str], browser: Browser, now: datetime) -> TooManyAttempts | None:
    """Consume what the codes of one save need: all or none, in one statement, for two could wait for each other. The
    person's lock comes before the country's budgets, as everywhere. A phone that has to wait is always told the same,
    so that nobody learns why: its own budget, what others in its block have asked for, or the country's."""
    number = codes.get("phone")
    instead = "email" if number else ""
    until = delivery.conversion.stopped(number, now=now) if number else None
    if until:
        return TooManyAttempts(until, instead)
    people.contacts.lock(person_id)
    rates, buckets = limits.rate_limits, list[limits.Bucket]()
    for kind, value in codes.items():
        buckets += [rates.CODE_GAP.bucket(person_id, kind, value), rates.CODE_ACCOUNT.bucket(person_id)]
        buckets += [rates.CODE_DESTINATION.bucket(kind, value), rates.CODE_NETWORK.bucket(browser.network)]
        if kind == "phone":
            block = delivery.outbox.block_hmac(value)
            buckets += [rates.CODE_BLOCK.bucket(block), rates.CODE_BLOCK_DAY.bucket(block), *sms_budget.buckets()]
    refused = limits.consume(buckets, now=now) if buckets else None
    return TooManyAttempts(refused.until, instead) if refused else None


def send_code(
    person: people.PersonFacts, contact: people.Contact, browser: Browser, now: datetime, outcome: str = ""
) -> None:
    """Send a proposed contact its code; `may_send` was asked before."""
    code, life, sms = ids.contact_code(), settings.MASSAR.contact_code, contact.kind == "phone"
    people.contacts.give_code(contact.id, code, now=now, valid_for=life)
    delivery.outbox.put(
        purpose="contact_code", channel="sms" if sms else "email", language=browser.language or person.language,
        person_id=person.id, to=contact.value, now=now, within=life, expires_at=now + life, priority=2,
        values={"code": code, "host": settings.MASSAR.host if sms else settings.MASSAR.address},
    )  # fmt: skip
    _record("contact_proposed", person, contact, browser, now, outcome)


def _record(
    event: str, person: people.PersonFacts, contact: people.Contact, browser: Browser, now: datetime, outcome: str = ""
) -> str:
    return audit_log.record_event(
        event, now=now, person_id=person.id, outcome=outcome, browser=browser, kind=contact.kind, contact=contact.masked
    )


@transaction.atomic
def resend(
    *, person: people.PersonFacts, contact_id: int, browser: Browser, now: datetime
) -> Done | TooManyAttempts | Gone:
    """Send a new code to the proposed contact; the older code no longer fits."""
    contact = people.contacts.by_id(contact_id, person.id)
    if contact is None or contact.state != "proposed":
        return Gone()
    refused = may_send(person.id, {contact.kind: contact.value}, browser, now)
    if refused:
        return refused
    send_code(person, contact, browser, now, "again")
    return Done(masked=contact.masked)


@transaction.atomic
def prove(
    *, person: people.PersonFacts, contact_id: int, code: str, browser: Browser, now: datetime,
    cancel_url: Callable[[str], str], session_id: int | None = None,
) -> Done | Problems | ContactsFrozen | Gone:  # fmt: skip
    """Judge the code typed on the page. Right: the contact counts, now or after the wait. What can't be a code costs no
    try. session_id: the session in which it is typed. cancel_url: see `notices.tell`."""
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
    if serves_too_many(contact.kind, contact.value, person.id, now):
        # Several people may have typed the number while it was still free for one more.
        return _refuse("phone_too_many", count=settings.MASSAR.accounts_per_phone)
    wait = settings.MASSAR.contact_wait
    proved = people.contacts.prove(contact_id, person.id, now=now, wait=wait, session_id=session_id)
    if proved is None or proved.counts_from is None:
        return Gone()
    again = proved.id != contact_id  # one whose messages came back was proved anew: nothing changed, nobody is told
    later = proved.counts_from if proved.counts_from > now else None
    outcome = "again" if again else "waits" if later else "counts"
    entry = _record("contact_proved", person, proved, browser, now, outcome)
    if again:
        return Done(masked=proved.masked)
    notices.tell(
        person, "contact_change_waiting" if later else "contact_added", now=now, browser=browser,
        besides=proved.id, about=proved, counts_from=later, cancel_url=cancel_url, entry=entry,
    )  # fmt: skip
    guardians.tell(person, "child_contact", entry=entry, browser=browser, now=now)
    return Done(from_when=later, masked=proved.masked)


def _refuse(problem: str, **args: int) -> Problems:
    return Problems({"code": [Problem(problem, args)]})


@transaction.atomic
def cancel(*, person: people.PersonFacts, contact_id: int, browser: Browser, now: datetime) -> Done | Gone:
    """Take back a proposal, a change that does not count yet, or a removal that has not come about."""
    contact = people.contacts.by_id(contact_id, person.id)
    if contact is None or not people.contacts.cancel(contact_id, person.id, now=now):
        return Gone()
    entry = _record("contact_cancelled", person, contact, browser, now)
    if contact.proved:
        notices.tell(
            person, "contact_change_cancelled", now=now, browser=browser, besides=contact.id, about=contact, entry=entry
        )
    return Done(masked=contact.masked)


def remove(
    *, signed_in: SignedIn, contact_id: int, password: str, browser: Browser, now: datetime,
    cancel_url: Callable[[str], str],
) -> Done | Problems | ContactsFrozen | TooManyAttempts | Overloaded | FactorNotFresh | Gone:  # fmt: skip
    """End a counting contact after the proof and the wait. cancel_url: see `notices.tell`."""
    person = signed_in.person
    if person.frozen_until and person.frozen_until > now:
        return ContactsFrozen(person.frozen_until)
    refused = sign_in.prove_again(signed_in=signed_in, password=password, browser=browser, now=now)
    if refused:
        return refused
    with transaction.atomic():
        ends_at = people.contacts.remove(contact_id, person.id, now=now, wait=settings.MASSAR.contact_wait)
        contact = people.contacts.by_id(contact_id, person.id) if ends_at else None
        if contact is None:
            return Gone()
        entry = _record("contact_removed", person, contact, browser, now)
        notices.tell(
            person, "contact_removed", now=now, browser=browser, about=contact, counts_from=ends_at,
            cancel_url=cancel_url, entry=entry,
        )  # fmt: skip
        return Done(from_when=ends_at, masked=contact.masked)


@transaction.atomic
def cancel_by_link(*, token: str, browser: Browser, now: datetime) -> Done | Gone:
    """Take back by the link of a notice. It opens nothing (ATK-034: looking at the page changes nothing)."""
    contact_id, person_id = notices.read_cancel_token(token, now=now) or (0, 0)
    person = people.directory.by_id(person_id, now=now) if person_id else None
    return cancel(person=person, contact_id=contact_id, browser=browser, now=now) if person else Gone()


def link_is_live(*, token: str, now: datetime) -> bool:
    """Tell whether pressing the button of that page would take something back."""
    found = notices.read_cancel_token(token, now=now)
    contact = people.contacts.by_id(*found) if found else None
    return contact is not None and contact.proved and (contact.waits(now) or contact.ends_at is not None)


def would_wait(kind: str, *, person: people.PersonFacts, session_id: int, now: datetime) -> bool:
    """Whether a contact of that kind, entered and proved now, would wait before it counts."""
    wait = settings.MASSAR.contact_wait
    return people.contacts.would_wait(person.id, kind, session_id=session_id, now=now, wait=wait)


def resend_at(contact: people.Contact, *, now: datetime) -> datetime:
    """Return from when the resend button works: in a minute at most, whatever a clock did."""
    return min(contact.code_sent_at or contact.proposed_at, now) + RESEND_AFTER


class ToPutRight(NamedTuple):
    """What home asks for: a first contact, or (masked) those whose messages come back, and phones that were not proved
    for a year."""

    no_contact: bool
    came_back: tuple[str, ...]
    old: tuple[str, ...]


def to_put_right(*, person: people.PersonFacts, now: datetime) -> ToPutRight:
    held = [c for c in people.contacts.of_person(person.id, now) if c.receives(now)]
    old = tuple(c.masked for c in held if c.old(now) and not c.bounced_at)
    return ToPutRight(not held, tuple(c.masked for c in held if c.bounced_at), old)


class KindOfContact(NamedTuple):
    """Where one kind of contact stands: what counts, what waits to count, what waits for its code."""

    kind: str
    current: people.Contact | None
    waiting: people.Contact | None
    proposed: people.Contact | None


def by_kind(*, person: people.PersonFacts, now: datetime) -> list[KindOfContact]:
    """Return e-mail and phone, in this order. A proposal whose code ran out long ago is not shown any more."""
    found, contacts = [], people.contacts.of_person(person.id, now)
    for kind in ("email", "phone"):
        held = [c for c in contacts if c.kind == kind]
        current = next((c for c in held if c.counts(now)), None)
        waiting = next((c for c in held if c.waits(now)), None)
        proposed = next((c for c in reversed(held) if c.state == "proposed" and _fresh(c, now)), None)
        found.append(KindOfContact(kind, current, waiting, proposed))
    return found


class Undone(NamedTuple):
    """What the last recovery did to contacts while they can't be edited: dropped them, or took removals back."""

    dropped: tuple[people.Contact, ...] = ()
    kept: tuple[people.Contact, ...] = ()


def undone(*, person: people.PersonFacts, now: datetime) -> Undone:
    """Return what the last recovery did; nothing, once contacts are open again."""
    if not person.frozen_until or person.frozen_until <= now:
        return Undone()
    recovered_at = credentials.passwords.recovered_at(person.id)
    if recovered_at is None:
        return Undone()
    return as_undone(people.contacts.undone(person.id, since=recovered_at), recovered_at)


def as_undone(found: list[people.Contact], recovered_at: datetime) -> Undone:
    """Sort what was undone. Proposals that were forgotten long before are not spoken of."""
    dropped = (c for c in found if c.state == "cancelled" and (c.proved_at or _fresh(c, recovered_at)))
    return Undone(tuple(dropped), tuple(c for c in found if c.proved))


def _fresh(contact: people.Contact, now: datetime) -> bool:
    return now - (contact.code_sent_at or contact.proposed_at) < timedelta(hours=24)
