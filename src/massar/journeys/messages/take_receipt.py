"""What providers tell after they have accepted: delivered, or not; and then another provider while there is time."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from massar.domain.delivery import api as delivery
from massar.journeys.messages import leased_delivery

receipts = delivery.receipts
TIME_FOR_ANOTHER = timedelta(minutes=3)  # less is not enough to be sent, read and typed


@transaction.atomic
def take(told: Sequence[tuple[delivery.Receipt, str]], *, now: datetime) -> None:
    """Stores (receipt, uid of the message or ''). Committed when this returns: only then the provider may hear so. What
    will not arrive is looked after by the worker's next sweep, which knows the other providers."""
    _deliver(receipts.store(told, now=now), now)


@transaction.atomic
def sweep(*, router: delivery.Router, now: datetime) -> None:
    """Receipts that came before their answer, or instead of it; what will not arrive; what ended without a word. What
    will not arrive goes to a provider that has not had it, while time is left."""
    _deliver(receipts.match_unmatched(now=now) + receipts.reconcile(price=router.registry.price, now=now), now)
    for one in receipts.undelivered():
        in_time = (one.expires_at or one.deadline) - now >= TIME_FOR_ANOTHER
        another = in_time and router.others_left(one.channel, receipts.providers_tried(one.message_id))
        if not (another and receipts.try_again(one, now=now)) and receipts.fail(one, now=now):
            leased_delivery.record([one], "failed", now)
    receipts.end_silent(now=now)


def _deliver(news: list[delivery.MessageStatus], now: datetime) -> None:
    delivered = [one for one in news if one.state == delivery.DELIVERED]
    receipts.deliver(delivered, now=now)
    leased_delivery.record(delivered, "delivered", now)
    delivery.counters.add(delivery.counters.count_receipts((one.channel, one.provider, one.state) for one in news))
