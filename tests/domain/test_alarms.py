"""Alarms: each one begins at its limit, ends with its reason, and is quiet beside what is no reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings

from massar.domain.delivery import api as delivery
from massar.domain.delivery.outbox import UNREADABLE
from tests.support.outbox import attempt, message, part, request, shut

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 2, 15, 1, 57, tzinfo=UTC)


def ago(**duration) -> datetime:
    return NOW - timedelta(**duration)


def standing(now: datetime = NOW) -> dict[str, tuple[str, ...]]:
    return {one.id: one.about for one in delivery.alarms.find_active(delivery.metrics.MetricsSnapshot(now))}


def ended(at: datetime, state: str, **changed) -> None:
    """It was put in a little before it ended."""
    message(at - timedelta(minutes=2), state=state, final_at=at, **changed)


def busy(at: datetime = NOW) -> None:
    """A worker has just begun something."""
    attempt(message(at, waited=0, purpose="notice"), at)


def test_somebody_waits_for_a_secret():
    assert standing() == {}, "all is well when nothing happens"
    busy()
    message(ago(seconds=59))
    message(ago(minutes=9), purpose="notice")
    message(ago(minutes=9), waited=1, state="awaiting_receipt")
    assert "queue-growing" not in standing()
    message(ago(seconds=60), purpose="contact_code", state="sending", lease_until=NOW + timedelta(seconds=9))
    request(ago(seconds=60))
    assert standing()["queue-growing"] == ("contact_code", "recovery")


def test_nobody_takes_what_is_due():
    message(ago(seconds=29))
    assert "worker-missing" not in standing()
    message(ago(seconds=30))
    assert standing()["worker-missing"] == ("worker",)
    busy(ago(seconds=29))
    assert "worker-missing" not in standing()


def test_a_lease_that_lives_is_a_worker_that_lives():
    message(ago(seconds=40))
    message(ago(seconds=40), state="sending", lease_until=NOW + timedelta(seconds=1))
    assert "worker-missing" not in standing()
    assert "worker-missing" in standing(NOW + timedelta(seconds=31))


def test_a_provider_is_shut_for_long():
    shut("sms-a", ago(seconds=59))
    assert standing() == {}
    shut("sms-b", ago(seconds=60), state="half-open")
    shut("sms-c", ago(hours=1), state="closed")
    assert standing() == {"provider-open": ("sms-b",)}


def test_a_breaker_that_opens_again_was_never_well():
    """Its probes fail, each opening is the same trouble: it does not begin anew."""
    for _ in range(delivery.breaker.FAULTS):
        delivery.breaker.fault("sms-a", "no answer", now=ago(seconds=90))
    assert delivery.breaker.claim_probe("sms-a", now=ago(seconds=40))
    delivery.breaker.fault("sms-a", "no answer", now=ago(seconds=30))
    assert standing() == {"provider-open": ("sms-a",)}
    assert delivery.breaker.claim_probe("sms-a", now=NOW) and delivery.breaker.success("sms-a", now=NOW)
    assert standing() == {}


def test_our_own_account_is_refused():
    delivery.breaker.fault("sms-a", "401", now=NOW, at_once=True)
    shut("sms-b", NOW)
    assert standing() == {"provider-configuration-error": ("sms-a",)}
    later = NOW + timedelta(minutes=1)
    assert delivery.breaker.claim_probe("sms-a", now=later) and delivery.breaker.success("sms-a", now=later)
    assert "provider-configuration-error" not in standing(later)


@pytest.mark.parametrize(("providers", "expected"), [
    ({"sms-a": (10, None), "sms-b": (10, 4)}, {"one-late": ("sms-a",)}),
    ({"sms-a": (10, 100), "sms-b": (12, None), "mail": (10, 3)}, {"all-late": ("sms",)}),
    ({"sms-a": (9, None)}, {}),
], ids=["beside another", "all of a channel", "few messages tell nothing"])  # fmt: skip
def test_a_provider_is_late(providers, expected):
    """By provider: how many were handed over, and after how many seconds they arrived."""
    for provider, (number, arrived) in providers.items():
        channel = "email" if provider == "mail" else "sms"
        row = {"provider": provider, "channel": channel, "state": "awaiting_receipt", "purpose": "notice"}
        for _ in range(number):
            part(message(ago(minutes=5), waited=0, **row), ago(minutes=5), arrived)
    assert standing() == expected


def test_a_message_ended_without_leaving():
    ended(ago(minutes=40), "expired")
    ended(ago(minutes=40), "expired", channel="site", purpose="logout")
    ended(ago(minutes=61), "expired", channel="email")
    assert standing() == {"expired": ("sms",)}


def test_a_notice_that_waited_for_a_day_before_it_ended():
    message(ago(hours=20), state="expired", purpose="notice", final_at=ago(minutes=10))
    assert standing() == {"expired": ("sms",)}


def test_a_message_can_not_be_opened():
    ended(ago(minutes=40), "failed", reason="refused")
    ended(ago(minutes=61), "failed", reason=UNREADABLE)
    assert standing() == {}
    message(NOW, ciphertext=b"not what was ciphertext")
    assert delivery.outbox.claim(1, channel="sms", now=NOW) == []
    assert standing() == {"undecryptable": ("outbox",)}


@pytest.mark.parametrize(("minutes", "seen"), [(40, {"undecryptable": ("outbox",)}), (61, {})])
def test_a_request_can_not_be_opened(minutes, seen):
    """One that was answered is none of those."""
    at = ago(minutes=minutes)
    for reason, expected in (("", {}), (delivery.outbox.UNREADABLE, seen)):
        request(at, ciphertext=b"encrypted with a key that this worker has not")
        [claimed] = delivery.requests.claim(1, now=at)
        assert delivery.requests.finish(claimed, now=at, reason=reason) and standing() == expected


def test_a_limit_can_be_set(monkeypatch):
    ended(ago(minutes=40), "expired")
    ended(ago(minutes=40), "expired")
    limited = {"expired": 3, "no-such": 1}
    monkeypatch.setattr(settings, "MASSAR", replace(settings.MASSAR, alarm_limits=limited))
    assert standing() == {} and delivery.alarms.unknown_limits() == ["no-such"]


def test_no_two_alarms_have_one_name():
    assert len({alarm.id for alarm in delivery.alarms.TABLE}) == len(delivery.alarms.TABLE)
