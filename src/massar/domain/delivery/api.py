"""What others may use from the room `delivery`."""

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
from massar.domain.delivery.requests import RecoveryForm
from massar.domain.delivery.routing import Breakers, ProviderRegistry, Router, name_of_site
from massar.domain.delivery.sms_text import measure

__all__ = [
    "DELIVERED", "FAILED", "MESSAGE", "RECIPIENT", "UNDERWAY", "Accepted", "Breakers", "MessageStatus",
    "NotTransmitted", "OutboundMessage", "OutcomeUnknown", "Pipelined", "Provider", "ProviderOptions",
    "ProviderRegistry", "ProviderSettingError", "QueuedMessage", "Receipt", "RecoveryForm", "Refusal", "Rejected",
    "Result", "Router", "State", "alarms", "bind_slots", "bounces", "breaker", "conversion", "counters",
    "measure", "metrics", "name_of_site", "notifier", "outbox", "receipts", "receipts_address", "requests",
    "return_path", "wording",
]  # fmt: skip
