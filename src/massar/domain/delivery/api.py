"""What others may use from the room `delivery`."""

from massar.domain.delivery import outbox, receipts, receipts_address, requests, wording
from massar.domain.delivery.carriers.base import (
    Accepted,
    Carrier,
    CarrierOptions,
    CarrierSettingError,
    HttpCarrier,
    NotSent,
    Outgoing,
    Receipt,
    ReceiptForm,
    Refused,
    SiteCarrier,
    Unsure,
    carrier_from_url,
    from_table,
    receipt_form,
)
from massar.domain.delivery.outbox import Letter, State
from massar.domain.delivery.requests import Asked

__all__ = [
    "Accepted",
    "Asked",
    "Carrier",
    "CarrierOptions",
    "CarrierSettingError",
    "HttpCarrier",
    "Letter",
    "NotSent",
    "Outgoing",
    "Receipt",
    "ReceiptForm",
    "Refused",
    "SiteCarrier",
    "State",
    "Unsure",
    "carrier_from_url",
    "from_table",
    "outbox",
    "receipt_form",
    "receipts",
    "receipts_address",
    "requests",
    "wording",
]
