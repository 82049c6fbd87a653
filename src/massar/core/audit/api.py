"""What others may use from the audit log."""

from massar.core.audit import checkpoints, export, retention, sealing, verifier
from massar.core.audit.events import (
    MOST_FLUSHED,
    AuditEvent,
    by_uid,
    flush,
    is_genuine,
    newest,
    newest_of,
    of_person,
    outcomes_of_sessions,
    record_event,
    record_events,
)

__all__ = [
    "MOST_FLUSHED",
    "AuditEvent",
    "by_uid",
    "checkpoints",
    "export",
    "flush",
    "is_genuine",
    "newest",
    "newest_of",
    "of_person",
    "outcomes_of_sessions",
    "record_event",
    "record_events",
    "retention",
    "sealing",
    "verifier",
]
