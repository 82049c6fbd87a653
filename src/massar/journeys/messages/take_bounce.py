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
        note.warning("a report was dropped: not to a return path of ours")
        return None
    sent = delivery.outbox.find_submitted(returned.uid)
    if sent is None or now - sent.created_at > REPORTED_WITHIN:
        note.warning("a report was dropped: message %s is unknown or too old", returned.uid)
        return None
    report = delivery.bounces.read(content)
    if report is None:
        note.warning("a report was dropped: message %s: no report that can be read", returned.uid)
        return None
    contacts = _contacts(sent.person_id, returned, now)
    to = contacts[0].value if contacts else ""
    receipt = delivery.Receipt(sent.provider, sent.reference, report.state, report.code, to=to)
    take_receipt.take([(receipt, returned.uid)], now=now)
    _record(sent, report, _judge_contacts(contacts, report, sent, now), now)
    if report.configuration_error:
        note.warning("message %s: refused by a policy (%s); it is about us", returned.uid, report.code)
    return receipt


def _contacts(person_id: int, returned: delivery.return_path.Returned, now: datetime) -> list[people.ContactFacts]:
    """The contacts with the address it was sent to: none for the institution mailbox, two while one is proved anew."""
    held = people.contacts.of_person(person_id, now)
    return [c for c in held if c.kind == "email" and returned.was_to(c.value)]


def _judge_contacts(
    contacts: list[people.ContactFacts],
    report: delivery.bounces.Report,
    sent: delivery.outbox.SubmittedMessage,
    now: datetime,
) -> str:
    """Flag or clear the contacts. Return what changed: `flagged`, `cleared` or nothing."""
    if report.address_fault:
        changed = [people.contacts.came_back(c.id, sent_at=sent.created_at, now=now) for c in contacts]
        return "flagged" if any(changed) else ""
    if report.state == delivery.DELIVERED:
        changed = [people.contacts.arrived(c.id, sent_at=sent.created_at) for c in contacts]
        return "cleared" if any(changed) else ""
    return ""


def _record(
    sent: delivery.outbox.SubmittedMessage, report: delivery.bounces.Report, contact: str, now: datetime
) -> None:
    detail = {"purpose": sent.purpose, "channel": sent.channel, "code": report.code}
    detail |= {"contact": contact} if contact else {}
    audit_log.record_events([audit_log.AuditEvent("message_report", now, report.state, sent.person_id, detail=detail)])
