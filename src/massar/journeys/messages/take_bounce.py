"""A letter that came back: whose message it was, what the report means for it and for the address.

Nothing tells the sender of a report whether it was genuine, known or of any use."""

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
    """Takes in one report, sent to `recipient`. None: it was dropped, and the log says why. Raises DatabaseError when
    nothing was stored; the sender must then try again."""
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
    # None is the institution mailbox; there are two while one is proved anew.
    held = people.contacts.of_person(sent.person_id, now)
    contacts = [c for c in held if c.kind == "email" and returned.was_to(c.value)]
    to = contacts[0].value if contacts else ""
    receipt = delivery.Receipt(sent.provider, sent.reference, report.state, report.code, to=to)
    take_receipt.take([(receipt, returned.uid)], now=now)
    detail = {"purpose": sent.purpose, "channel": sent.channel, "code": report.code}
    for contact in contacts:
        if report.address_fault and people.contacts.came_back(contact.id, sent_at=sent.created_at, now=now):
            detail["contact"] = "flagged"
        if report.state == delivery.DELIVERED and people.contacts.arrived(contact.id, sent_at=sent.created_at):
            detail["contact"] = "cleared"
    audit_log.record_events([audit_log.AuditEvent("message_report", now, report.state, sent.person_id, detail=detail)])
    if report.configuration_error:
        note.warning("message %s: refused by a policy (%s); it is about us", returned.uid, report.code)
    return receipt
