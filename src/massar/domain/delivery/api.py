"""What others may use from the room `delivery`."""

from massar.domain.delivery import (
    alarms,
    breaker,
    counters,
    doorbell,
    figures,
    outbox,
    receipts,
    requests,
    wording,
)
from massar.domain.delivery.carriers.base import (
    DELIVERED,
    FAILED,
    Accepted,
    Carrier,
    CarrierOptions,
    CarrierSettingError,
    NotSent,
    Outgoing,
    Pipelined,
    Receipt,
    Refused,
    Result,
    SiteCarrier,
    Unsure,
    carrier_from_url,
)
from massar.domain.delivery.outbox import Letter, State
from massar.domain.delivery.receipts import Told
from massar.domain.delivery.requests import Asked
from massar.domain.delivery.routing import Roster, Router
from massar.domain.delivery.sms_text import measure

__all__ = [
    "DELIVERED",
    "FAILED",
    "Accepted",
    "Asked",
    "Carrier",
    "CarrierOptions",
    "CarrierSettingError",
    "Letter",
    "NotSent",
    "Outgoing",
    "Pipelined",
    "Receipt",
    "Refused",
    "Result",
    "Roster",
    "Router",
    "SiteCarrier",
    "State",
    "Told",
    "Unsure",
    "alarms",
    "breaker",
    "carrier_from_url",
    "counters",
    "doorbell",
    "figures",
    "measure",
    "outbox",
    "receipts",
    "requests",
    "wording",
]
