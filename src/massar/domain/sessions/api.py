"""What others may use from the room `sessions`."""

from massar.core.keyring.api import Ending
from massar.domain.sessions import changing, devices, pending, signed_in
from massar.domain.sessions.changing import ChangeFacts
from massar.domain.sessions.devices import TrustedDevice
from massar.domain.sessions.pending import PendingFacts
from massar.domain.sessions.signed_in import SessionFacts

__all__ = [
    "ENDING", "ChangeFacts", "PendingFacts", "SessionFacts", "TrustedDevice", "changing", "devices", "pending",
    "signed_in",
]  # fmt: skip
ENDING = tuple(
    Ending(what, table, since, "ended_at IS NULL", until="expires_at")
    for what, table, since in (
        ("sessions", "sessions_session", "signed_in_at"),
        ("half-done changes", "sessions_changesession", "opened_at"),
        ("half-done sign-ins", "sessions_pendingsignin", "opened_at"),
    )
)
