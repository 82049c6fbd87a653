"""Rate limits: consumed whole or not at all, refunded, refilled with time, and never owed for longer than they hold."""

from datetime import UTC, datetime, timedelta

import pytest

from massar.domain.limits import api as limits
from massar.domain.limits.models import BucketState
from massar.journeys import retention
from tests.support.post_office import worker_with

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
KNOWN = [v for v in vars(limits.rate_limits).values() if isinstance(v, limits.RateLimit)]
THREE = limits.RateLimit("three", 3, 10 * MINUTE)
ONE = limits.RateLimit("one", 1, MINUTE)


def consume(*buckets, now=NOW):
    return limits.consume(buckets, now=now)


def empty(bucket, now=NOW):
    while consume(bucket, now=now) is None:
        pass
    return bucket


def remaining(bucket, *minutes: int) -> list[int]:
    return [limits.remaining(bucket, now=NOW + m * MINUTE) for m in minutes or (0,)]


def test_a_burst_and_then_one_at_a_time():
    bucket, soon = THREE.bucket("a"), NOW + 10 * MINUTE
    assert [consume(bucket) for _ in range(3)] == [None] * 3
    assert consume(bucket) == limits.RateLimited("three", soon, frozenset({"three"}))
    assert consume(bucket, now=soon - timedelta(microseconds=1)) is not None
    assert consume(bucket, now=soon) is None and consume(bucket, now=soon) is not None


def test_all_or_none():
    a, b = THREE.bucket("a"), ONE.bucket("b")
    assert consume(a, b) is None and consume(a, b).limit == "one"
    assert remaining(a) == [2], "what was consumed came back"


def test_refund_and_reset():
    bucket = THREE.bucket("a")
    consume(bucket)
    limits.refund([bucket])
    assert remaining(bucket) == [3]
    limits.refund([], reset=[empty(bucket)])
    assert remaining(bucket) == [3]
    limits.refund([])


def test_what_remains_grows_with_time_and_not_beyond_the_burst():
    assert remaining(empty(THREE.bucket("a")), 0, 9, 10, 20, 30, 900) == [0, 0, 1, 2, 3, 3]
    later = NOW + 30 * DAY
    assert [consume(THREE.bucket("a"), now=later) is None for _ in range(4)] == [True] * 3 + [False]


def test_owners_and_limits_are_kept_apart():
    others = [ONE.bucket("b"), ONE.bucket("a", "b"), limits.RateLimit("uno", 1, ONE.refill).bucket("a")]
    empty(ONE.bucket("a"))
    assert [consume(one) for one in others] == [None] * 3


def test_the_hourly_number_is_a_setting_and_a_limit_that_is_changed_counts_at_once():
    empty(THREE.bucket("a"))
    assert consume(limits.RateLimit("three", 5, THREE.refill).bucket("a")) is None
    bucket = limits.rate_limits.hourly(limits.rate_limits.SEND_HOUR, 5).bucket("x")
    assert [consume(bucket) for _ in range(5)] == [None] * 5
    assert consume(bucket).until == NOW + 12 * MINUTE


def test_the_table_tells_nothing_of_what_was_typed_and_full_buckets_are_swept():
    consume(ONE.bucket("jamal.jalal@taalim.ma"))
    row = BucketState.objects.get()
    assert "jamal" not in row.key and len(row.key) == 64
    consume(THREE.bucket("b"))
    assert [limits.sweep(now=NOW + m * MINUTE) for m in (0, 2, 60)] == [0, 1, 1], "owing ones stay"


def test_every_bucket_fills_again_some_day():
    """A row that never came back could never be swept."""
    assert len(KNOWN) > 10 and len({limit.name for limit in KNOWN}) == len(KNOWN)
    for limit in KNOWN:
        assert timedelta(0) < limit.refill * limit.burst <= timedelta(days=101), limit.name


def test_only_wrong_tries_and_the_desk_are_remembered_for_more_than_a_day():
    """As the page of one's own data says."""
    desk = ("desk-", "replace-", "loss-", "link-", "unlink-", "guardian-", "approve-", "decline-", "confirm-")
    longer = [limit.name for limit in KNOWN if limit.refill * limit.burst > DAY]
    assert [name for name in longer if not name.endswith("-consecutive") and not name.startswith(desk)] == []


def test_several_units_are_consumed_and_refunded_together():
    two = THREE.bucket("a", units=2)
    assert consume(two) is None and remaining(two) == [1]
    assert consume(two).until == NOW + 10 * MINUTE, "when both are there"
    assert consume(THREE.bucket("a")) is None, "one is still there for who needs no more"
    limits.refund([two])
    assert remaining(two) == [2]


def test_a_bucket_that_stands_twice_gives_both_or_none():
    """One person saves an e-mail address and a phone: two codes of one account."""
    one, other = THREE.bucket("a"), ONE.bucket("b")
    assert consume(one, other, one) is None and remaining(one) == [1]
    assert consume(one, one).limit == "three" and remaining(one) == [1]
    limits.refund([one, one])
    assert remaining(one) == [3]


def test_more_than_a_bucket_ever_holds_counts_as_all_of_it():
    """An operator's small number must not keep a message of two segments for ever."""
    two = ONE.bucket("a", units=2)
    assert consume(two) is None
    assert consume(two).until == NOW + MINUTE
    assert consume(two, now=NOW + MINUTE) is None


# -- clocks that jump or differ (decision 18)


@pytest.mark.parametrize("limit", KNOWN, ids=lambda limit: limit.name)
@pytest.mark.parametrize("ahead", [MINUTE, DAY, 400 * DAY])
def test_no_wait_is_longer_than_one_refill_whatever_the_clock_did(limit, ahead):
    """A clock ran ahead for half a minute, and whoever tried meanwhile spent what there was."""
    few = limits.RateLimit(limit.name, min(limit.burst, 3), limit.refill)
    bucket = empty(few.bucket("a"), NOW + ahead)
    refused = consume(bucket)
    if refused:
        assert refused.until <= NOW + few.refill
        assert consume(bucket, now=refused.until) is None, "and it keeps its word"


def test_a_unit_comes_back_with_each_refill_after_the_jump():
    bucket, two = empty(THREE.bucket("a"), NOW + DAY), THREE.bucket("a", units=2)
    assert remaining(bucket) == [0] and consume(bucket).until == NOW + 10 * MINUTE
    assert consume(two).until == NOW + 20 * MINUTE, "when both are back"
    assert remaining(bucket, 0, 5, 10, 20, 30) == [0, 0, 1, 2, 3]
    assert consume(two, now=NOW + 20 * MINUTE) is None


def test_a_refusal_writes_down_what_is_owed_at_most():
    """Else whoever asks later would wait a whole refill again, each time."""
    bucket, other = empty(THREE.bucket("a"), NOW + DAY), ONE.bucket("b")
    assert consume(bucket, other).limit == "three"
    assert all(row.tat <= NOW.timestamp() * 1_000_000 + row.room for row in BucketState.objects.all())
    assert remaining(other) == [1], "what was consumed beside it came back"
    for minute in range(1, 10):
        assert consume(bucket, now=NOW + minute * MINUTE).until == NOW + 10 * MINUTE
    assert consume(bucket, now=NOW + 10 * MINUTE) is None


def test_what_was_refunded_under_a_wrong_clock_is_not_owed_later():
    """Who signed in rightly meanwhile waits for nothing."""
    bucket, whole = THREE.bucket("a"), ONE.bucket("b")
    assert consume(bucket, whole, now=NOW + DAY) is None
    limits.refund([bucket], reset=[whole], now=NOW + DAY)
    assert remaining(bucket) == [3] and remaining(whole) == [1]
    assert consume(bucket) is None


def test_two_machines_whose_clocks_differ_by_a_day_serve_the_same_person():
    """The one behind makes nobody wait for longer than a refill, and neither gives more than its burst at once."""
    bucket = THREE.bucket("a")
    ahead = [consume(bucket, now=NOW + DAY) for _ in range(4)]
    behind = [consume(bucket) for _ in range(4)]
    assert ahead.count(None) == 3 and behind.count(None) == 0
    assert {refused.until for refused in behind} == {NOW + 10 * MINUTE}


@pytest.mark.parametrize("back", [timedelta(hours=1), DAY])
def test_a_clock_that_jumps_back_gives_nothing_away(back):
    bucket = empty(THREE.bucket("a"))
    assert [consume(bucket, now=NOW - back) is None for _ in range(4)] == [False] * 4


def test_a_worker_whose_clock_ran_ahead_sweeps_on_as_soon_as_it_is_right_again(clock, monkeypatch):
    """It would have rested for a day: what has run out stayed readable, and no alarm began."""
    swept = []
    monkeypatch.setitem(retention.BY_THE_MINUTE, "expired_secrets", lambda *, now: swept.append(now))
    worker, right = worker_with({}, clock), clock()
    for moment in (DAY, timedelta(seconds=30), timedelta(seconds=45), timedelta(seconds=61)):
        clock.set(right + moment)
        worker.turn()
    assert swept == [right + moment for moment in (DAY, timedelta(seconds=30), timedelta(seconds=61))]
