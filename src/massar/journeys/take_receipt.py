"""A carrier tells what became of messages. Who calls was proved by the address that was called."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from massar.domain.delivery import api as delivery


@transaction.atomic
def take(receipts: Sequence[delivery.Receipt], *, uid: str = "", now: datetime) -> None:
    """Stores them, all or none; a repeat changes nothing.

    `uid`: the message that the called address was made for. A gateway may tell of several messages in one call; then
    only their references say which is which.
    """
    for receipt in receipts:
        delivery.receipts.store(receipt, uid=uid if len(receipts) == 1 else "", now=now)
