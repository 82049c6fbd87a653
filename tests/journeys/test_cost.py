"""Segments and cost of a message are those of every attempt that a provider accepted, however it ended."""

from datetime import timedelta

import pytest

from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Attempt, Message
from massar.interfaces.commands.worker import Worker
from massar.journeys.messages import take_receipt
from massar.journeys.messages.leased_delivery import ProviderAnswer
from tests.support.fakes import BehavingProvider
from tests.support.outbox import NUMBER, put
from tests.support.post_office import AtOnce

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
PRICES = {"first": 180, "second": 250}


class Telling(BehavingProvider):
    """A provider that names each segment and tells later what became of it."""

    def send(self, message: delivery.OutboundMessage, *, valid_for: timedelta) -> delivery.Result:
        result = super().send(message, valid_for=valid_for)
        if not isinstance(result, delivery.Accepted):
            return result
        parts = [f"{self.name}-{len(self.received)}-{n}" for n in range(delivery.measure(message.text).segments)]
        return delivery.Accepted(parts[0], parts=tuple(parts) if len(parts) > 1 else (), receipt=True)


@pytest.fixture
def office(clock):
    """A worker with two providers for SMS, the first one preferred, at 0.180 and 0.250 a segment."""
    providers = {"sms": [Telling("sms", name=name) for name in PRICES]}
    return Worker(delivery.ProviderRegistry(providers, prices=PRICES), tick=clock, pool=AtOnce())


def hand_over(office, clock) -> ProviderAnswer:
    """By a worker that does not come to write down the answer."""
    (ready,) = office.messages.take(1, channel="sms", now=clock())
    return office.messages.hand_over(ready, tick=clock)


def bill() -> tuple[int, int]:
    return Message.objects.values_list("segments", "cost").get()


def told(office, clock, reference: str, state: str, to: str = "") -> None:
    take_receipt.take([(delivery.Receipt(reference.split("-")[0], reference, state, to=to), "")], now=clock())
    clock.advance(seconds=1)
    office.turn()


def counted(metric: str, provider: str) -> int:
    return delivery.counters.read().get(delivery.counters.Series(metric, ("sms", provider)), 0)


def test_each_segment_of_a_long_message_costs(office, clock):
    about = {"event": "password_recovered", "device": "Firefox · Linux", "help": "0537 00"}
    values = {**about, "when": clock().isoformat()}
    put(clock(), purpose="notice", language="ar", values=values)
    office.turn()
    assert bill() == (2, 360)
    assert counted("massar_message_segments_total", "first") == 2
    assert counted("massar_message_cost_thousandths_total", "first") == 360


def test_a_refused_attempt_costs_nothing(office, clock):
    office.registry.providers["sms"][0].mood = "not_now"
    put(clock())
    office.turn()
    office.turn()
    assert bill() == (1, 250) and counted("massar_message_cost_thousandths_total", "first") == 0


def test_a_message_that_a_second_provider_had_to_bring_costs_both(office, clock):
    put(clock())
    office.turn()
    assert bill() == (1, 180)
    told(office, clock, "first-1-0", delivery.FAILED)
    office.turn()
    assert Message.objects.get().provider == "second" and bill() == (2, 430)
    told(office, clock, "second-1-0", delivery.DELIVERED)
    assert Message.objects.get().state == "delivered" and bill() == (2, 430)


def test_a_reconciled_attempt_costs_once(office, clock):
    """The worker died between hand-over and answer; the receipt says that it arrived. A late answer changes nothing."""
    put(clock())
    late = hand_over(office, clock)
    clock.advance(minutes=2)
    told(office, clock, "first-1-0", delivery.DELIVERED, to=NUMBER)
    assert Attempt.objects.get().outcome == "reconciled" and Message.objects.get().state == "delivered"
    assert bill() == (1, 180)
    assert counted("massar_message_segments_total", "first") == 1
    assert counted("massar_message_cost_thousandths_total", "first") == 180
    office.messages.settle([late], now=clock())
    assert bill() == (1, 180)


def test_a_message_that_left_twice_costs_twice(office, clock):
    """A worker slept through its lease with the message handed over; another one sent it again."""
    put(clock())
    asleep = hand_over(office, clock)
    clock.advance(minutes=3)
    office.turn()
    assert bill() == (1, 250), "the other provider"
    office.messages.settle([asleep], now=clock())
    assert bill() == (2, 430)
    assert list(Attempt.objects.order_by("number").values_list("outcome", flat=True)) == ["accepted", "accepted"]
