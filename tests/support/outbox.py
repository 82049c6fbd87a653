"""Messages of the outbox: rows as a day leaves them, and messages that leave by the api and are told about."""

from datetime import UTC, datetime, timedelta

from massar.core import ids
from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Attempt, Breaker, Message, Part, RecoveryRequest
from massar.journeys.messages import take_receipt
from tests.support.fakes import BehavingProvider

NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)
NUMBER = "+212661123456"
LONGEST = timedelta(seconds=12)


# -- rows


def message(at: datetime, **changed) -> Message:
    """A message put in at that moment. `waited`, `arrived`, `used`: seconds until handed over, from there until
    delivered and until typed in; without `waited` it has not left.
    """
    waited, arrived, used = (changed.pop(name, None) for name in ("waited", "arrived", "used"))
    handed = None if waited is None else at + timedelta(seconds=waited)
    values = {"purpose": "temporary_password", "channel": "sms", "language": "ar", "person_id": 1, "not_before": at,
              "deadline": at + timedelta(minutes=30), "created_at": at}  # fmt: skip
    if handed:
        values |= {"state": "submitted", "provider": "sms-a", "segments": 1, "cost": 250, "submitted_at": handed,
                   "final_at": handed, "attempts": 1}  # fmt: skip
    if arrived is not None:
        values |= {"state": "delivered", "delivered_at": handed + timedelta(seconds=arrived)}
    if used is not None:
        values |= {"used_at": handed + timedelta(seconds=used)}
    return Message.objects.create(uid=ids.short_token(), **{**values, **changed})


def attempt(one: Message, at: datetime, outcome: str = "accepted", **changed) -> Attempt:
    values = {"number": max(1, one.attempts), "provider": one.provider or "sms-a"}
    return Attempt.objects.create(message=one, started_at=at, outcome=outcome, **{**values, **changed})


def part(one: Message, at: datetime, arrived: float | None = None, state: str = "delivered", code: str = "") -> Part:
    """A segment that was handed over then and, if `arrived` is given, told about so many seconds later."""
    told = None if arrived is None else at + timedelta(seconds=arrived)
    values = {"provider": one.provider, "reference": ids.short_token(), "number": 1, "code": code}
    return Part.objects.create(message=one, sent_at=at, told_at=told, state=state if told else "", **values)


def request(at: datetime, state: str = "waiting", **changed) -> RecoveryRequest:
    return RecoveryRequest.objects.create(ask_id=ids.token(), state=state, created_at=at, **changed)


def shut(provider: str, since: datetime, *, reason: str = "no answer", state: str = "open") -> Breaker:
    until = since + timedelta(seconds=5)
    return Breaker.objects.create(
        provider=provider, state=state, faults=5, pause=5, until=until, reason=reason, changed_at=since
    )


def again(one: Message) -> Message:
    one.refresh_from_db()
    return one


# -- by the api


def put(now: datetime, **changed) -> str:
    """A code by SMS, unless told otherwise; gives its uid."""
    values = {"purpose": "contact_code", "channel": "sms", "language": "fr", "person_id": 1, "to": NUMBER, "now": now,
              "values": {"code": "123456", "host": "x"}, "within": timedelta(hours=1)}  # fmt: skip
    return delivery.outbox.put(**{**values, **changed})


def begun(now: datetime = NOW, provider: str = "iam", **changed) -> delivery.QueuedMessage:
    """A message that left, and nobody knows yet what became of it."""
    ten = timedelta(minutes=10)
    uid = put(now, **{"within": ten, "expires_at": now + ten, **changed})
    letter = next(one for one in delivery.outbox.claim(50, channel="sms", now=now) if one.uid == uid)
    delivery.outbox.begin_attempts([letter], provider, longest=LONGEST, now=now)
    return letter


def accept(letter: delivery.QueuedMessage, *references: str, receipt=True, segments=0, now=NOW, provider="iam") -> bool:
    """The provider has it under these names. False: the lease was another's."""
    segments = segments or max(1, len(references))
    taken = delivery.outbox.Acceptance(letter, provider, references, receipt, segments, 0)
    return bool(delivery.outbox.accept([taken], now=now))


def sent(*references: str, now: datetime = NOW, provider: str = "iam", receipt: bool = True, **changed) -> Message:
    """A message that the provider has accepted."""
    letter = begun(now, provider, **changed)
    accept(letter, *references, receipt=receipt, now=now, provider=provider)
    return Message.objects.get(pk=letter.id)


def receipt(reference: str, state: str = "delivered", **changed) -> delivery.Receipt:
    return delivery.Receipt(**{"provider": "iam", "reference": reference, "state": state, **changed})


def tell(*receipts: delivery.Receipt, uid: str = "", now: datetime = NOW) -> None:
    take_receipt.take([(one, uid) for one in receipts], now=now)


def sweep(*others: str, seconds: float = 0) -> None:
    """The worker's look at what was told, so long after NOW, with these providers beside `iam`."""
    take_receipt.sweep(router=router("iam", *others), now=NOW + timedelta(seconds=seconds))


def router(*names: str) -> delivery.Router:
    return delivery.Router(delivery.ProviderRegistry({"sms": [BehavingProvider("sms", name=name) for name in names]}))
