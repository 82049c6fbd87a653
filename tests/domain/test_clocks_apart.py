"""Clocks that jump or differ: no budget is ever owed more than it holds (decision 18), and workers go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from massar.domain.credentials import api as credentials
from massar.domain.limits import api as limits
from massar.domain.limits.models import BucketState
from tests.support.post_office import worker_with

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)
DAY = timedelta(days=1)
KNOWN = [v for v in vars(limits.rate_limits).values() if isinstance(v, limits.RateLimit)]
THREE = limits.RateLimit("three", 3, timedelta(minutes=10))
ONE = limits.RateLimit("one", 1, timedelta(minutes=1))


def take(*buckets, now=NOW):
    return limits.consume(list(buckets), now=now)


def spend(bucket, now) -> None:
    while take(bucket, now=now) is None:
        pass


@pytest.mark.parametrize("limit", KNOWN, ids=lambda limit: limit.name)
@pytest.mark.parametrize("ahead", [timedelta(minutes=1), DAY, timedelta(days=400)])
def test_no_wait_is_longer_than_one_refill_whatever_the_clock_did(limit, ahead):
    """A clock ran ahead for half a minute, and whoever tried meanwhile spent what there was."""
    few = limits.RateLimit(limit.name, min(limit.burst, 3), limit.refill)
    bucket = few.bucket("a")
    spend(bucket, NOW + ahead)
    refused = take(bucket)
    if refused:
        assert refused.until <= NOW + few.refill
        assert take(bucket, now=refused.until) is None, "and it keeps its word"


def test_a_unit_comes_back_with_each_refill_after_the_jump():
    bucket = THREE.bucket("a")
    spend(bucket, NOW + DAY)
    assert limits.remaining(bucket, now=NOW) == 0
    assert take(bucket).until == NOW + timedelta(minutes=10)
    minutes = (0, 5, 10, 20, 30)
    assert [limits.remaining(bucket, now=NOW + timedelta(minutes=m)) for m in minutes] == [0, 0, 1, 2, 3]


def test_a_refusal_writes_down_what_is_owed_at_most():
    """Else whoever asks later would wait a whole refill again, each time."""
    bucket, other = THREE.bucket("a"), ONE.bucket("b")
    spend(bucket, NOW + DAY)
    assert take(bucket, other).limit == "three"
    assert all(row.tat <= NOW.timestamp() * 1_000_000 + row.room for row in BucketState.objects.all())
    assert limits.remaining(other, now=NOW) == 1, "what was reserved beside it came back"
    for minute in range(1, 10):
        assert take(bucket, now=NOW + timedelta(minutes=minute)).until == NOW + timedelta(minutes=10)
    assert take(bucket, now=NOW + timedelta(minutes=10)) is None


def test_what_was_given_back_under_a_wrong_clock_is_not_owed_later():
    """Who signed in rightly meanwhile waits for nothing."""
    bucket, whole = THREE.bucket("a"), ONE.bucket("b")
    assert take(bucket, whole, now=NOW + DAY) is None
    limits.refund([bucket], reset=[whole], now=NOW + DAY)
    assert limits.remaining(bucket, now=NOW) == 3 and limits.remaining(whole, now=NOW) == 1
    assert take(bucket) is None


def test_two_machines_whose_clocks_differ_by_a_day_serve_the_same_person():
    """The one behind makes nobody wait for longer than a refill, and neither gives more than its burst at once."""
    bucket = THREE.bucket("a")
    ahead = [take(bucket, now=NOW + DAY) for _ in range(4)]
    behind = [take(bucket, now=NOW) for _ in range(4)]
    assert ahead.count(None) == 3 and behind.count(None) == 0
    assert {refused.until for refused in behind} == {NOW + timedelta(minutes=10)}


def test_several_units_wait_until_all_of_them_are_back():
    two = THREE.bucket("a", units=2)
    spend(THREE.bucket("a"), NOW + DAY)
    assert take(two).until == NOW + timedelta(minutes=20)
    assert take(two, now=NOW + timedelta(minutes=20)) is None


def test_a_clock_that_jumps_back_still_gives_nothing_away():
    bucket = THREE.bucket("a")
    spend(bucket, NOW)
    assert [take(bucket, now=NOW - DAY) is None for _ in range(4)] == [False] * 4


def test_a_worker_whose_clock_ran_ahead_sweeps_on_as_soon_as_it_is_right_again(clock, monkeypatch):
    """It would have rested for a day: what has run out stayed readable, and no alarm began."""
    swept = []
    monkeypatch.setattr(credentials.temporary, "sweep", lambda *, now: swept.append(now))
    worker, right = worker_with({}, clock), clock()
    for moment in (DAY, timedelta(seconds=30), timedelta(seconds=45), timedelta(seconds=61)):
        clock.set(right + moment)
        worker.turn()
    assert swept == [right + moment for moment in (DAY, timedelta(seconds=30), timedelta(seconds=61))]
