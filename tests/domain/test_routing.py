"""Which provider a message takes: the list, the breakers, what it has tried, and lateness beside a better one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from massar.domain.delivery import api as delivery
from massar.domain.delivery import breaker, routing
from massar.domain.delivery.models import Message, Part
from tests.support.fakes import BehavingProvider

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)


def router(*names: str, channel: str = "sms") -> delivery.Router:
    providers = []
    for name in names:
        providers.append(BehavingProvider(channel))
        providers[-1].name = name
    return delivery.Router(delivery.ProviderRegistry({channel: providers}))


def letter(number: int = 1, *tried: str) -> delivery.QueuedMessage:
    return delivery.QueuedMessage(
        number,
        "u",
        "contact_code",
        "sms",
        "ar",
        7,
        None,
        "+212661123456",
        {},
        None,
        # Fmt: skip.
        NOW + timedelta(minutes=10),
        NOW + timedelta(minutes=10),
        1 + len(tried),
        NOW,
        "l",
        tried,
    )


def chosen(of: delivery.Router, one: delivery.QueuedMessage, now=NOW) -> str:
    of.look(now)
    provider = of.choose(one, now)
    return provider.name if provider else ""


def shares(of: delivery.Router, now=NOW) -> dict[str, int]:
    """Of a hundred messages."""
    found = [chosen(of, letter(n), now) for n in range(100)]
    return {name: found.count(name) for name in sorted(set(found))}


def history(provider: str, *, late: int = 0, prompt: int = 0, now=NOW) -> None:
    """Messages of some minutes ago whose receipts came in time, or have not come."""
    message, _ = Message.objects.get_or_create(
        uid="history", defaults={"purpose": "notice", "channel": "sms", "language": "ar", "person_id": 7,
                                 "not_before": now, "deadline": now, "created_at": now, "state": "submitted"},
    )  # fmt: skip
    sent_at = now - timedelta(minutes=2)
    for number in range(late + prompt):
        told = {"told_at": sent_at + timedelta(seconds=5), "state": "delivered"} if number < prompt else {}
        Part.objects.create(
            provider=provider, reference=f"{number}", message=message, number=1, sent_at=sent_at, **told
        )


def open_breaker(name: str) -> None:
    breaker.fault(name, "gone", now=NOW, at_once=True)


def test_the_first_of_the_list_gets_everything():
    assert shares(router("a", "b")) == {"a": 100}


def test_a_message_goes_to_one_that_has_not_had_it_then_to_the_one_that_had_it_longest_ago():
    of = router("a", "b", "c")
    assert [chosen(of, letter(1, *tried)) for tried in (("a",), ("a", "b"), ("a", "b", "c"), ("a", "b", "c", "a"))] == [
        "b", "c", "a", "b",
    ]  # fmt: skip


def test_an_open_breaker_is_passed_over_and_probed_with_one_message_when_its_pause_is_over():
    open_breaker("a")
    of = router("a", "b")
    assert shares(of) == {"b": 100}
    later = NOW + timedelta(seconds=breaker.FIRST_PAUSE)
    assert [chosen(of, letter(n), later) for n in range(4)] == ["a", "b", "b", "b"]


def test_all_shut_is_nobody_until_the_next_probe():
    open_breaker("a")
    of = router("a")
    assert chosen(of, letter()) == ""
    of.look(NOW)
    assert of.next_probe("sms", NOW) == timedelta(seconds=breaker.FIRST_PAUSE)
    assert not of.others_left("sms", set())


def test_a_late_provider_is_compared_before_it_is_left():
    history("a", late=routing.ENOUGH)
    assert shares(router("a", "b")) == {"a": 80, "b": 20}, "the other is on trial"
    history("b", prompt=routing.FEW)
    assert shares(router("a", "b")) == {"a": 20, "b": 80}, "the late one keeps a share, or it could never come back"


def test_when_all_are_late_nobody_is_left():
    history("a", late=20)
    history("b", late=20)
    assert shares(router("a", "b")) == {"a": 100}


def test_some_lateness_is_the_trade():
    history("a", late=9, prompt=10)
    history("b", prompt=20)
    assert shares(router("a", "b")) == {"a": 100}


def test_what_had_no_time_to_arrive_is_not_late():
    history("a", late=20, now=NOW + timedelta(minutes=2) - routing.LATE_AFTER + timedelta(seconds=1))
    assert routing.punctuality(now=NOW) == {}
    assert routing.punctuality(now=NOW + timedelta(seconds=1))["a"].late == 20


def test_a_receipt_that_came_too_late_is_late():
    history("a", prompt=3)
    Part.objects.filter(reference="0").update(told_at=NOW)
    assert routing.punctuality(now=NOW) == {"a": routing.Punctuality(3, 1)}


def test_under_way_is_no_arrival():
    """A gateway that says "taken over by the network" and nothing more swallows."""
    history("a", prompt=3)
    Part.objects.filter(reference="0").update(state="underway")
    assert routing.punctuality(now=NOW) == {"a": routing.Punctuality(3, 1)}


def codes(provider: str, sent: int, used: int, *, delivered: int = 0, at=NOW - timedelta(minutes=20)) -> None:
    """Codes that prove phones; the first `used` of them were typed in, the first `delivered` have arrived as it
    says."""
    Message.objects.bulk_create(
        Message(
            uid=f"{provider}-{at:%H%M}-{n}", purpose="contact_code", channel="sms", language="ar", person_id=n,
            not_before=at, deadline=at, created_at=at, submitted_at=at, state="submitted", provider=provider,
            used_at=at if n < used else None, delivered_at=at if n < delivered else None,
        )
        for n in range(sent)
    )  # fmt: skip


def test_a_provider_whose_codes_nobody_types_is_passed_over_until_an_hour_after_its_last():
    codes("a", 20, 1)
    codes("b", 20, 12)
    of = router("a", "b")
    assert shares(of) == {"b": 100}
    open_breaker("b")
    assert shares(of) == {"a": 100}, "better than nothing"
    breaker.Breaker.objects.all().delete()
    assert shares(router("a", "b"), NOW + timedelta(minutes=39)) == {"b": 100}
    assert shares(router("a", "b"), NOW + timedelta(minutes=41)) == {"a": 100}


def test_when_all_are_low_none_is_stopped():
    codes("a", 40, 2)
    codes("b", 40, 3)
    assert shares(router("a", "b")) == {"a": 100}


def test_a_low_provider_is_compared_before_it_is_left():
    codes("a", 20, 1)
    assert shares(router("a", "b")) == {"a": 80, "b": 20}
    assert shares(router("a")) == {"a": 100}


def test_a_provider_that_delivers_is_not_to_blame_for_codes_that_nobody_types():
    codes("a", 20, 1, delivered=12)
    assert shares(router("a", "b")) == {"a": 100}


class Standing(BehavingProvider):
    """Its binds are all held by other workers."""

    def __init__(self, name: str):
        super().__init__("sms")
        self.name = name

    def standby(self) -> bool:
        return True


def test_one_that_stands_by_is_passed_over_and_never_probed():
    open_breaker("a")
    of = router("a", "b")
    of.registry = delivery.ProviderRegistry({"sms": [Standing("a"), Standing("c"), *of.registry.of("sms")[1:]]})
    later = NOW + timedelta(minutes=1)
    assert shares(of, later) == {"b": 100} and of.patience("sms") == routing.STANDBY_PATIENCE
    assert breaker.all_states()["a"].state == "open"
    of.registry = delivery.ProviderRegistry({"sms": [*of.registry.of("sms")[2:], Standing("c")]})
    assert of.patience("sms") == timedelta(0) and not of.others_left("sms", {"b"})
