"""Budgets: reserved whole or not at all, given back, refilled with time, and never owed for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from massar.domain.limits import api as limits
from massar.domain.limits.models import Budget

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)
THREE = limits.Limit("three", 3, timedelta(minutes=10))
ONE = limits.Limit("one", 1, timedelta(minutes=1))


def take(*draws, now=NOW):
    return limits.take(list(draws), now=now)


def test_a_burst_and_then_one_at_a_time():
    draw = limits.draw(THREE, "a")
    assert [take(draw) for _ in range(3)] == [None] * 3
    refused = take(draw)
    assert refused.limit == "three" and refused.until == NOW + timedelta(minutes=10)
    assert take(draw, now=NOW + timedelta(minutes=10) - timedelta(microseconds=1)) is not None
    assert take(draw, now=NOW + timedelta(minutes=10)) is None
    assert take(draw, now=NOW + timedelta(minutes=10)) is not None


def test_all_or_none():
    a, b = limits.draw(THREE, "a"), limits.draw(ONE, "b")
    assert take(a, b) is None
    assert take(a, b).limit == "one"
    assert limits.left(a, now=NOW) == 2, "what was reserved came back"
    assert [take(a), take(a)] == [None, None] and take(a) is not None


def test_given_back_and_forgotten():
    draw = limits.draw(THREE, "a")
    take(draw)
    limits.give_back([draw])
    assert limits.left(draw, now=NOW) == 3
    for _ in range(3):
        take(draw)
    limits.forget([draw])
    assert limits.left(draw, now=NOW) == 3
    limits.give_back([])
    limits.forget([])


def test_what_is_left_grows_with_time_and_not_beyond_the_burst():
    draw = limits.draw(THREE, "a")
    for _ in range(3):
        take(draw)
    assert [limits.left(draw, now=NOW + timedelta(minutes=m)) for m in (0, 9, 10, 20, 30, 900)] == [
        0,
        0,
        1,
        2,
        3,
        3,
    ]


def test_a_rest_saves_up_nothing():
    draw = limits.draw(THREE, "a")
    take(draw)
    later = NOW + timedelta(days=30)
    assert [take(draw, now=later) for _ in range(3)] == [None] * 3 and take(draw, now=later) is not None


def test_owners_and_limits_are_kept_apart():
    assert take(limits.draw(ONE, "a")) is None
    assert take(limits.draw(ONE, "b")) is None
    assert take(limits.draw(ONE, "a", "b")) is None
    assert take(limits.draw(limits.Limit("uno", 1, ONE.refill), "a")) is None


def test_a_limit_that_is_changed_in_the_table_counts_at_once():
    draw = limits.draw(THREE, "a")
    for _ in range(3):
        take(draw)
    wider = limits.Limit("three", 5, THREE.refill)
    assert take(limits.draw(wider, "a")) is None


def test_the_table_tells_nothing_of_what_was_typed():
    take(limits.draw(ONE, "jamal.jalal@taalim.ma"))
    row = Budget.objects.get()
    assert "jamal" not in row.key and len(row.key) == 64


def test_full_budgets_are_swept_and_owing_ones_stay():
    take(limits.draw(ONE, "a"))
    take(limits.draw(THREE, "b"))
    assert limits.sweep(now=NOW) == 0
    assert limits.sweep(now=NOW + timedelta(minutes=2)) == 1
    assert limits.sweep(now=NOW + timedelta(hours=1)) == 1


def test_every_lane_comes_back_some_day():
    """A row that never came back could never be swept."""
    lanes = [v for v in vars(limits.rate_limits).values() if isinstance(v, limits.Limit)]
    assert len(lanes) > 10 and len({lane.name for lane in lanes}) == len(lanes)
    for lane in lanes:
        assert timedelta(0) < lane.refill * lane.burst <= timedelta(days=101), lane.name


def test_a_clock_that_jumps_back_gives_nothing_away():
    draw = limits.draw(THREE, "a")
    for _ in range(3):
        take(draw)
    assert take(draw, now=NOW - timedelta(hours=1)) is not None


def test_the_hourly_number_is_a_setting():
    five = limits.rate_limits.hourly(limits.rate_limits.SEND_HOUR, 5)
    draw = limits.draw(five, "x")
    assert [take(draw) for _ in range(5)] == [None] * 5
    assert take(draw).until == NOW + timedelta(minutes=12)


def test_several_units_are_taken_and_given_back_together():
    two = limits.draw(THREE, "a", units=2)
    assert take(two) is None and limits.left(two, now=NOW) == 1
    refused = take(two)
    assert refused.until == NOW + timedelta(minutes=10), "when both are there"
    assert take(limits.draw(THREE, "a")) is None, "one is still there for who needs no more"
    limits.give_back([two])
    assert limits.left(two, now=NOW) == 2


def test_a_budget_that_is_drawn_upon_twice_gives_both_or_none():
    """One person saves an e-mail address and a phone: two codes of one account."""
    one, other = limits.draw(THREE, "a"), limits.draw(ONE, "b")
    assert take(one, other, one) is None and limits.left(one, now=NOW) == 1
    assert take(one, one).limit == "three" and limits.left(one, now=NOW) == 1
    limits.give_back([one, one])
    assert limits.left(one, now=NOW) == 3


def test_more_than_a_budget_ever_holds_counts_as_all_of_it():
    """An operator's small number must not keep a message of two segments for ever."""
    assert take(limits.draw(ONE, "a", units=2)) is None
    assert take(limits.draw(ONE, "a", units=2)).until == NOW + timedelta(minutes=1)
    assert take(limits.draw(ONE, "a", units=2), now=NOW + timedelta(minutes=1)) is None
