"""What others may use from the room `delivery`."""

from massar.domain.delivery import outbox, requests, wording
from massar.domain.delivery.carriers.base import (
    Accepted,
    Carrier,
    CarrierOptions,
    CarrierSettingError,
    NotSent,
    Outgoing,
    Refused,
    SiteCarrier,
    SoapCarrier,
    Unsure,
    carrier_from_url,
)
from massar.domain.delivery.outbox import Letter, State
from massar.domain.delivery.requests import Asked

__all__ = [
    "Accepted",
    "Asked",
    "Carrier",
    "CarrierOptions",
    "CarrierSettingError",
    "Letter",
    "NotSent",
    "Outgoing",
    "Refused",
    "SiteCarrier",
    "SoapCarrier",
    "State",
    "Unsure",
    "carrier_from_url",
    "outbox",
    "requests",
    "wording",
]
