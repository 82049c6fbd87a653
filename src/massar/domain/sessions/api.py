"""What others may use from the room `sessions`."""

from massar.domain.sessions import changing, devices, signed_in
from massar.domain.sessions.changing import ChangeFacts
from massar.domain.sessions.devices import TrustedDevice
from massar.domain.sessions.signed_in import SessionFacts

__all__ = ["ChangeFacts", "SessionFacts", "TrustedDevice", "changing", "devices", "signed_in"]
