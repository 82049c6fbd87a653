"""What providers tell after they have accepted: delivered, or not; and then another provider while there is time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from massar.core.audit import api as audit_log
from massar.domain.delivery import api as delivery

receipts = delivery.receipts
TIME_FOR_ANOTHER = timedelta(minutes=3)  # less is not enough to be sent, read and typed


@transaction.atomic
def take(told: Sequence[tuple[delivery.Receipt, str]], *, now: datetime) -> None:
    """Stores (receipt, uid of the message or ''). Committed when this returns: only then the provider may hear so.

    What will not arrive is looked after by the worker's next sweep, which knows the other providers.
    """
    named = [receipt for receipt, uid in told if receipt.reference and not uid]
    others = [(receipt, uid) for receipt, uid in told if uid or not receipt.reference]
    _delivered(receipts.store_by_reference(named, now=now) + receipts.store(others, now=now), now)


@transaction.atomic
def sweep(*, router: delivery.Router, now: datetime) -> None:
    """Receipts that came before their answer, or instead of it; what will not arrive; what ended without a word."""
    _delivered(receipts.match_unmatched(now=now) + receipts.reconcile(price=router.registry.price, now=now), now)
    for one in receipts.undelivered():
        if not (_another_may(one, router, now) and receipts.try_again(one, now=now)) and receipts.fail(one, now=now):
            _tell([one], "failed", now)
    receipts.end_silent(now=now)


def _delivered(news: list[delivery.MessageStatus], now: datetime) -> None:
    delivered = [one for one in news if one.state == delivery.DELIVERED]
    receipts.deliver(delivered, now=now)
    _tell(delivered, "delivered", now)
    delivery.counters.add(delivery.counters.count_receipts((one.channel, one.provider, one.state) for one in news))


def _another_may(one: delivery.MessageStatus, router: delivery.Router, now: datetime) -> bool:
    """While time is left and a provider has not had it."""
    end = one.expires_at or one.deadline
    return end - now >= TIME_FOR_ANOTHER and router.others_left(one.channel, receipts.providers_tried(one.message_id))


def _tell(news: list[delivery.MessageStatus], outcome: str, now: datetime) -> None:
    audit_log.record_events(
        [
            audit_log.AuditEvent(
                "message", now, outcome, x.person_id, detail={"purpose": x.purpose, "channel": x.channel}
            )
            for x in news
        ]
    )
