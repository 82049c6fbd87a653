"""What others may use from the room `delivery`."""

from datetime import timedelta

from massar.core.keyring.api import Ending, Sealed
from massar.domain.delivery import (
    alarms,
    bind_slots,
    bounces,
    breaker,
    conversion,
    counters,
    metrics,
    notifier,
    outbox,
    receipts,
    receipts_address,
    requests,
    return_path,
    wording,
)
from massar.domain.delivery.outbox import QueuedMessage, State
from massar.domain.delivery.provider import (
    DELIVERED,
    FAILED,
    MESSAGE,
    RECIPIENT,
    UNDERWAY,
    Accepted,
    NotTransmitted,
    OutboundMessage,
    OutcomeUnknown,
    Pipelined,
    Provider,
    ProviderOptions,
    ProviderSettingError,
    Receipt,
    Refusal,
    Rejected,
    Result,
)
from massar.domain.delivery.receipts import MessageStatus
from massar.domain.delivery.requests import TypedRecovery
from massar.domain.delivery.routing import Breakers, ProviderRegistry, Router, name_of_site
from massar.domain.delivery.sms_text import measure

__all__ = [
    "DELIVERED", "ENDING", "FAILED", "MESSAGE", "RECIPIENT", "SEALED", "UNDERWAY", "Accepted", "Breakers",
    "MessageStatus", "NotTransmitted", "OutboundMessage", "OutcomeUnknown", "Pipelined", "Provider", "ProviderOptions",
    "ProviderRegistry", "ProviderSettingError", "QueuedMessage", "Receipt", "Refusal", "Rejected", "Result", "Router",
    "State", "TypedRecovery", "alarms", "bind_slots", "bounces", "breaker", "conversion", "counters", "measure",
    "metrics", "name_of_site", "notifier", "outbox", "receipts", "receipts_address", "requests", "return_path",
    "wording",
]  # fmt: skip

SEALED = (
    Sealed("delivery_recoveryrequest", "ciphertext", "recovery-request|{ask_id}"),
    Sealed("delivery_message", "ciphertext", "message|{uid}"),
    Sealed("delivery_message", "block_ciphertext", "message-block|{uid}"),
)
ENDING = (
    Ending("messages whose receipt is to come", "delivery_message", "created_at", "state = 'awaiting_receipt'",
           until="expires_at"),
    # A mail server tries for so long before it sends a letter back (RFC 5321 §4.5.4.1).
    Ending("letters that may come back", "delivery_message", "submitted_at",
           "channel = 'email' AND submitted_at IS NOT NULL", lives=timedelta(days=5)),
)  # fmt: skip
