"""A letter that came back: whose message it was, what the report means for it and for the address.

Nothing tells the sender of a report whether it was genuine, known or of any use.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction

from massar.core.audit import api as audit_log
from massar.domain.delivery import api as delivery
from massar.domain.people import api as people
from massar.journeys.messages import take_receipt

REPORTED_WITHIN = timedelta(days=8)  # servers give up after five days (RFC 5321 §4.5.4.1), and reports may queue too

note = logging.getLogger("massar.bounces")


@transaction.atomic
def take(recipient: str, content: bytes, *, now: datetime) -> delivery.Receipt | None:
    """Takes in one report, sent to `recipient`. None: it was dropped, and the log says why.

    Raises DatabaseError when nothing was stored; the sender must then try again.
    """
    returned = delivery.return_path.read(recipient)
    if returned is None:
        return _dropped("not to a return path of ours")
    sent = delivery.outbox.find_submitted(returned.uid)
    if sent is None or now - sent.created_at > REPORTED_WITHIN:
        return _dropped(f"message {returned.uid} is unknown or too old")
    report = delivery.bounces.read(content)
    if report is None:
        return _dropped(f"message {returned.uid}: no report that can be read")
    contacts = _contacts(sent.person_id, returned, now)
    receipt = delivery.Receipt(
        sent.provider, sent.reference, report.state, report.code, to=contacts[0].value if contacts else ""
    )
    take_receipt.take([(receipt, returned.uid)], now=now)
    _record(sent, report, _consequence(contacts, report, sent, now), now)
    if report.configuration_error:
        note.warning("message %s: refused by a policy (%s); it is about us", returned.uid, report.code)
    return receipt


def _contacts(person_id: int, returned, now: datetime) -> list[people.ContactFacts]:
    """The contacts with the address it was sent to: none for the institution mailbox, two while one is proved anew."""
    held = people.contacts.of_person(person_id, now)
    return [c for c in held if c.kind == "email" and returned.was_to(c.value)]


def _consequence(contacts, report, sent, now: datetime) -> str:
    """What changes for the address: `flagged`, `cleared` or nothing."""
    if report.address_fault:
        changed = [people.contacts.came_back(c.id, sent_at=sent.created_at, now=now) for c in contacts]
        return "flagged" if any(changed) else ""
    if report.state == delivery.DELIVERED:
        changed = [people.contacts.arrived(c.id, sent_at=sent.created_at) for c in contacts]
        return "cleared" if any(changed) else ""
    return ""


def _record(sent, report, consequence: str, now: datetime) -> None:
    audit_log.record_event(
        "message_report",
        now=now,
        person_id=sent.person_id,
        outcome=report.state,
        purpose=sent.purpose,
        channel=sent.channel,
        code=report.code,
        **({"contact": consequence} if consequence else {}),
    )


def _dropped(why: str) -> None:
    note.warning("a report was dropped: %s", why)
