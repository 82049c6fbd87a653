"""Messages that left and what providers tell about them, for the tests of receipts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Message
from massar.domain.delivery.outbox import Acceptance
from massar.journeys.messages import take_receipt
from tests.support.fakes import BehavingProvider

outbox = delivery.outbox
NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)
NUMBER = "+212661123456"
LONGEST = timedelta(seconds=12)


def sent(*references: str, to: str = NUMBER, now=NOW, provider="iam", receipt=True) -> Message:
    """A message that the provider has accepted."""
    letter = begun(to=to, now=now, provider=provider)
    outbox.accept([Acceptance(letter, provider, references, receipt, max(1, len(references)), 0)], now=now)
    return Message.objects.get(pk=letter.id)


def begun(to: str = NUMBER, now=NOW, provider="iam") -> delivery.QueuedMessage:
    """A message that left, and nobody knows yet what became of it."""
    outbox.put(purpose="contact_code", channel="sms", language="ar", person_id=7, to=to, values={"code": "1"},
               now=now, within=timedelta(minutes=10), expires_at=now + timedelta(minutes=10))  # fmt: skip
    letter = outbox.claim(1, now=now)[0]
    outbox.begin_attempts([letter], provider, longest=LONGEST, now=now)
    return letter


def tell(*receipts: delivery.Receipt, uid: str = "", now=NOW) -> None:
    take_receipt.take([(one, uid) for one in receipts], now=now)


def receipt(reference: str, state="delivered", **changed) -> delivery.Receipt:
    return delivery.Receipt(**{"provider": "iam", "reference": reference, "state": state, **changed})


def router(*names: str) -> delivery.Router:
    providers = [BehavingProvider("sms") for _ in names]
    for provider, name in zip(providers, names, strict=True):
        provider.name = name
    return delivery.Router(delivery.ProviderRegistry({"sms": providers}))


def again(message: Message) -> Message:
    message.refresh_from_db()
    return message
