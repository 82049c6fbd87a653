"""What others may use from the audit log."""

from massar.core.audit import checkpoints, export, retention, sealing, verifier
from massar.core.audit.events import KINDS, AuditEvent, flush, is_genuine, of_person, record_event, record_events

__all__ = [
    "KINDS",
    "AuditEvent",
    "checkpoints",
    "export",
    "flush",
    "is_genuine",
    "of_person",
    "record_event",
    "record_events",
    "retention",
    "sealing",
    "verifier",
]
