"""What others may use from the room `delivery`."""

from massar.domain.delivery import bounces, outbox, requests, return_path, wording
from massar.domain.delivery.carriers.base import (
    DELIVERED,
    FAILED,
    UNDERWAY,
    Accepted,
    Carrier,
    CarrierOptions,
    CarrierSettingError,
    NotSent,
    Outgoing,
    Receipt,
    Refused,
    SiteCarrier,
    Unsure,
    carrier_from_url,
)
from massar.domain.delivery.outbox import Letter, State
from massar.domain.delivery.requests import Asked

__all__ = [
    "DELIVERED",
    "FAILED",
    "UNDERWAY",
    "Accepted",
    "Asked",
    "Carrier",
    "CarrierOptions",
    "CarrierSettingError",
    "Letter",
    "NotSent",
    "Outgoing",
    "Receipt",
    "Refused",
    "SiteCarrier",
    "State",
    "Unsure",
    "bounces",
    "carrier_from_url",
    "outbox",
    "requests",
    "return_path",
    "wording",
]
