"""Budgets: reserved whole or not at all, given back, refilled with time, and never owed for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from massar.domain.limits import api as limits
from massar.domain.limits.models import BucketState

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)
THREE = limits.RateLimit("three", 3, timedelta(minutes=10))
ONE = limits.RateLimit("one", 1, timedelta(minutes=1))


def take(*buckets, now=NOW):
    return limits.consume(list(buckets), now=now)


def test_a_burst_and_then_one_at_a_time():
    bucket = THREE.bucket("a")
    assert [take(bucket) for _ in range(3)] == [None] * 3
    refused = take(bucket)
    assert refused.limit == "three" and refused.until == NOW + timedelta(minutes=10)
    assert take(bucket, now=NOW + timedelta(minutes=10) - timedelta(microseconds=1)) is not None
    assert take(bucket, now=NOW + timedelta(minutes=10)) is None
    assert take(bucket, now=NOW + timedelta(minutes=10)) is not None


def test_all_or_none():
    a, b = THREE.bucket("a"), ONE.bucket("b")
    assert take(a, b) is None
    assert take(a, b).limit == "one"
    assert limits.remaining(a, now=NOW) == 2, "what was reserved came back"
    assert [take(a), take(a)] == [None, None] and take(a) is not None


def test_given_back_and_forgotten():
    bucket = THREE.bucket("a")
    take(bucket)
    limits.refund([bucket])
    assert limits.remaining(bucket, now=NOW) == 3
    for _ in range(3):
        take(bucket)
    limits.reset([bucket])
    assert limits.remaining(bucket, now=NOW) == 3
    limits.refund([])
    limits.reset([])


def test_what_is_left_grows_with_time_and_not_beyond_the_burst():
    bucket = THREE.bucket("a")
    for _ in range(3):
        take(bucket)
    assert [limits.remaining(bucket, now=NOW + timedelta(minutes=m)) for m in (0, 9, 10, 20, 30, 900)] == [
        0,
        0,
        1,
        2,
        3,
        3,
    ]


def test_a_rest_saves_up_nothing():
    bucket = THREE.bucket("a")
    take(bucket)
    later = NOW + timedelta(days=30)
    assert [take(bucket, now=later) for _ in range(3)] == [None] * 3 and take(bucket, now=later) is not None


def test_owners_and_limits_are_kept_apart():
    assert take(ONE.bucket("a")) is None
    assert take(ONE.bucket("b")) is None
    assert take(ONE.bucket("a", "b")) is None
    assert take(limits.RateLimit("uno", 1, ONE.refill).bucket("a")) is None


def test_a_limit_that_is_changed_in_the_table_counts_at_once():
    bucket = THREE.bucket("a")
    for _ in range(3):
        take(bucket)
    wider = limits.RateLimit("three", 5, THREE.refill)
    assert take(wider.bucket("a")) is None


def test_the_table_tells_nothing_of_what_was_typed():
    take(ONE.bucket("jamal.jalal@taalim.ma"))
    row = BucketState.objects.get()
    assert "jamal" not in row.key and len(row.key) == 64


def test_full_budgets_are_swept_and_owing_ones_stay():
    take(ONE.bucket("a"))
    take(THREE.bucket("b"))
    assert limits.sweep(now=NOW) == 0
    assert limits.sweep(now=NOW + timedelta(minutes=2)) == 1
    assert limits.sweep(now=NOW + timedelta(hours=1)) == 1


def test_every_bucket_fills_again_some_day():
    """A row that never came back could never be swept."""
    known = [v for v in vars(limits.rate_limits).values() if isinstance(v, limits.RateLimit)]
    assert len(known) > 10 and len({limit.name for limit in known}) == len(known)
    for limit in known:
        assert timedelta(0) < limit.refill * limit.burst <= timedelta(days=101), limit.name


def test_a_clock_that_jumps_back_gives_nothing_away():
    bucket = THREE.bucket("a")
    for _ in range(3):
        take(bucket)
    assert take(bucket, now=NOW - timedelta(hours=1)) is not None


def test_the_hourly_number_is_a_setting():
    five = limits.rate_limits.hourly(limits.rate_limits.SEND_HOUR, 5)
    bucket = five.bucket("x")
    assert [take(bucket) for _ in range(5)] == [None] * 5
    assert take(bucket).until == NOW + timedelta(minutes=12)


def test_several_units_are_taken_and_given_back_together():
    two = THREE.bucket("a", units=2)
    assert take(two) is None and limits.remaining(two, now=NOW) == 1
    refused = take(two)
    assert refused.until == NOW + timedelta(minutes=10), "when both are there"
    assert take(THREE.bucket("a")) is None, "one is still there for who needs no more"
    limits.refund([two])
    assert limits.remaining(two, now=NOW) == 2


def test_a_budget_that_is_drawn_upon_twice_gives_both_or_none():
    """One person saves an e-mail address and a phone: two codes of one account."""
    one, other = THREE.bucket("a"), ONE.bucket("b")
    assert take(one, other, one) is None and limits.remaining(one, now=NOW) == 1
    assert take(one, one).limit == "three" and limits.remaining(one, now=NOW) == 1
    limits.refund([one, one])
    assert limits.remaining(one, now=NOW) == 3


def test_more_than_a_budget_ever_holds_counts_as_all_of_it():
    """An operator's small number must not keep a message of two segments for ever."""
    assert take(ONE.bucket("a", units=2)) is None
    assert take(ONE.bucket("a", units=2)).until == NOW + timedelta(minutes=1)
    assert take(ONE.bucket("a", units=2), now=NOW + timedelta(minutes=1)) is None
