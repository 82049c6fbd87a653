"""What others may use from the room `sessions`."""

from massar.domain.sessions import changing, devices, pending, signed_in
from massar.domain.sessions.changing import ChangeFacts
from massar.domain.sessions.devices import TrustedDevice
from massar.domain.sessions.pending import PendingFacts
from massar.domain.sessions.signed_in import SessionFacts

__all__ = [
    "ChangeFacts", "PendingFacts", "SessionFacts", "TrustedDevice", "changing", "devices", "pending", "signed_in",
]  # fmt: skip
