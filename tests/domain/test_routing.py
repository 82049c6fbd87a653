"""Which provider a message takes: the list, the breakers, what it has tried, and lateness beside a better one."""

from datetime import timedelta

import pytest

from massar.domain.delivery import api as delivery
from massar.domain.delivery import breaker, routing
from massar.domain.delivery.models import Part
from tests.support.fakes import BehavingProvider
from tests.support.outbox import NOW, message, part, router

pytestmark = pytest.mark.django_db


def letter(number: int = 1, *tried: str) -> delivery.QueuedMessage:
    return delivery.QueuedMessage(
        id=number, uid="u", purpose="contact_code", channel="sms", language="ar", person_id=7, temporary_id=None,
        lifetime=None, expires_at=None, deadline=NOW + timedelta(minutes=10), attempt=1 + len(tried), created_at=NOW,
        lease="l", priority=5, turn=0, tried=tried,
    )  # fmt: skip


def chosen(of: delivery.Router, one: delivery.QueuedMessage, now=NOW) -> str:
    of.look(now)
    provider = of.choose(one, now)
    return provider.name if provider else ""


def shares(*of: str | delivery.Router, now=NOW) -> dict[str, int]:
    """Of a hundred messages."""
    among = router(*of) if isinstance(of[0], str) else of[0]
    found = [chosen(among, letter(n), now) for n in range(100)]
    return {name: found.count(name) for name in sorted(set(found))}


def history(provider: str, *, late: int = 0, prompt: int = 0, now=NOW) -> None:
    """Messages of some minutes ago whose receipts came in time, or have not come."""
    at = now - timedelta(minutes=2)
    for number in range(late + prompt):
        part(message(at, waited=0, provider=provider), at, 5 if number < prompt else None)


def open_breaker(name: str) -> None:
    breaker.fault(name, "gone", now=NOW, at_once=True)


def test_the_first_of_the_list_gets_everything():
    assert shares("a", "b") == {"a": 100}


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
    assert of.probe_in(["a", "b"], NOW) == timedelta(seconds=breaker.FIRST_PAUSE)
    assert not of.others_left("sms", set())


def test_a_late_provider_is_compared_before_it_is_left():
    history("a", late=routing.ENOUGH)
    assert shares("a", "b") == {"a": 80, "b": 20}, "the other is on trial"
    history("b", prompt=routing.FEW)
    assert shares("a", "b") == {"a": 20, "b": 80}, "the late one keeps a share, or it could never come back"


@pytest.mark.parametrize(("first", "second"), [((20, 0), (20, 0)), ((9, 10), (0, 20))])
def test_when_all_are_late_nobody_is_left_and_some_lateness_is_the_trade(first, second):
    for name, (late, prompt) in {"a": first, "b": second}.items():
        history(name, late=late, prompt=prompt)
    assert shares("a", "b") == {"a": 100}


def test_what_had_no_time_to_arrive_is_not_late():
    history("a", late=20, now=NOW + timedelta(minutes=2) - routing.LATE_AFTER + timedelta(seconds=1))
    assert routing.punctuality(now=NOW) == {}
    assert routing.punctuality(now=NOW + timedelta(seconds=1))["a"].late == 20


@pytest.mark.parametrize("changed", [{"told_at": NOW}, {"state": "underway"}], ids=["too late", "under way"])
def test_a_receipt_that_came_too_late_or_tells_of_no_arrival_is_late(changed):
    """A gateway that says "taken over by the network" and nothing more swallows."""
    history("a", prompt=3)
    Part.objects.filter(pk=Part.objects.first().pk).update(**changed)
    assert routing.punctuality(now=NOW) == {"a": routing.Punctuality(3, 1)}


def codes(provider: str, sent: int, used: int, *, delivered: int = 0) -> None:
    """Codes that prove phones; the first `used` of them were typed in, the first `delivered` arrived as it says."""
    at = NOW - timedelta(minutes=20)
    for n in range(sent):
        moments = {"used_at": at if n < used else None, "delivered_at": at if n < delivered else None}
        message(at, waited=0, purpose="contact_code", provider=provider, **moments)


def test_a_provider_whose_codes_nobody_types_is_passed_over_until_an_hour_after_its_last():
    codes("a", 20, 1)
    codes("b", 20, 12)
    of = router("a", "b")
    assert shares(of) == {"b": 100}
    open_breaker("b")
    assert shares(of) == {"a": 100}, "better than nothing"
    breaker.Breaker.objects.all().delete()
    assert shares("a", "b", now=NOW + timedelta(minutes=39)) == {"b": 100}
    assert shares("a", "b", now=NOW + timedelta(minutes=41)) == {"a": 100}


def test_a_low_provider_is_compared_before_it_is_left():
    codes("a", 20, 1)
    assert shares("a", "b") == {"a": 80, "b": 20}
    assert shares("a") == {"a": 100}


@pytest.mark.parametrize("other", [("b", 40, 3), None], ids=["all are low", "it says that they arrived"])
def test_a_provider_that_is_not_to_blame_keeps_its_place(other):
    codes("a", 40, 2, delivered=0 if other else 24)
    if other:
        codes(*other)
    assert shares("a", "b") == {"a": 100}


def test_one_that_stands_by_is_passed_over_and_never_probed(monkeypatch):
    """Its binds are all held by other workers."""
    monkeypatch.setattr(BehavingProvider, "standby", lambda one: one.name in ("a", "c"))
    open_breaker("a")
    of, later = router("a", "c", "b"), NOW + timedelta(minutes=1)
    assert shares(of, now=later) == {"b": 100} and of.patience("sms") == routing.STANDBY_PATIENCE
    assert breaker.all_states()["a"].state == "open"
    of = router("b", "c")
    assert of.patience("sms") == timedelta(0) and not of.others_left("sms", {"b"})
