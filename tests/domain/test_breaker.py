"""Breakers: what opens, what closes, and that one worker alone may probe."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from massar.domain.delivery import breaker
from massar.domain.delivery.breaker import FAULTS, FIRST_PAUSE, LONGEST_PAUSE, PROBE_ENDS

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)
FIRST = timedelta(seconds=FIRST_PAUSE)


def state(carrier: str = "iam") -> str:
    return breaker.all_states()[carrier].state


def open_it(now=NOW) -> None:
    assert [breaker.fault("iam", "no answer", now=now) for _ in range(FAULTS)] == [False] * (FAULTS - 1) + [True]


def test_faults_in_a_row_open_it_and_a_success_between_does_not():
    for _ in range(FAULTS - 1):
        breaker.fault("iam", "no answer", now=NOW)
    breaker.success("iam", now=NOW)
    assert state() == "closed"
    open_it()
    assert state() == "open" and breaker.all_states()["iam"].reason == "no answer"


def test_what_is_our_own_fault_opens_it_at_once():
    assert breaker.fault("iam", "wrong password", now=NOW, at_once=True) and state() == "open"


def test_one_probe_after_the_pause_and_none_before():
    open_it()
    assert not breaker.claim_probe("iam", now=NOW + FIRST - timedelta(milliseconds=1))
    assert breaker.claim_probe("iam", now=NOW + FIRST) and state() == "half-open"
    assert not breaker.claim_probe("iam", now=NOW + FIRST), "another worker has it"


def test_a_good_probe_closes_it_and_a_bad_one_doubles_the_pause():
    open_it()
    now, pauses = NOW, []
    for _ in range(9):
        now = breaker.all_states()["iam"].until
        assert breaker.claim_probe("iam", now=now)
        assert breaker.fault("iam", "still nothing", now=now)
        pauses.append((breaker.all_states()["iam"].until - now).total_seconds())
    assert pauses == [10, 20, 40, 80, 160, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    now = breaker.all_states()["iam"].until
    assert breaker.claim_probe("iam", now=now) and breaker.success("iam", now=now)
    facts = breaker.all_states()["iam"]
    assert (facts.state, facts.faults, facts.until) == ("closed", 0, None)
    open_it(now), "and it has all its patience again"


def test_a_probe_of_a_dead_worker_is_taken_over():
    open_it()
    probe = NOW + FIRST
    assert breaker.claim_probe("iam", now=probe)
    assert not breaker.claim_probe("iam", now=probe + PROBE_ENDS - timedelta(seconds=1))
    assert breaker.claim_probe("iam", now=probe + PROBE_ENDS)


def test_a_late_success_does_not_open_a_door_that_was_shut_since():
    open_it()
    assert not breaker.success("iam", now=NOW) and state() == "open"


def test_what_nothing_has_tried_for_a_day_is_forgotten(clock):
    """A carrier that is no longer configured must not stand as shut for ever."""
    for _ in range(breaker.FAULTS):
        breaker.fault("gone", "no answer", now=clock())
    breaker.fault("well", "once", now=clock())
    assert breaker.sweep(now=clock.advance(hours=23)) == 0
    assert breaker.sweep(now=clock.advance(hours=2)) == 1
    assert set(breaker.all_states()) == {"well"}


def test_a_throttled_probe_has_found_it_well(clock):
    open_it(clock())
    assert not breaker.alive("iam", now=clock()), "no probe yet"
    assert breaker.claim_probe("iam", now=clock.advance(seconds=6))
    assert breaker.alive("iam", now=clock()) and state() == "closed"
    breaker.fault("iam", "no answer", now=clock())
    assert not breaker.alive("iam", now=clock()) and breaker.all_states()["iam"].faults == 1, "faults that are counted stay"
