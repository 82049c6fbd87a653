"""The soak of `make soak` in small: an hour of strangers at one account, and its owner in it."""

from datetime import timedelta

import pytest

from bench.soak import ACTS, MOST, Load, Soak

pytestmark = pytest.mark.django_db


def test_atk_001_003_004_036_every_try_of_the_owner_ends_within_two_minutes(clock):
    """A fiftieth of the numbers, in steps of 15 seconds: enough to spend every budget that strangers share."""
    soak = Soak(clock, Load().scaled(0.02), step=timedelta(seconds=15))
    soak.run(1, tell=lambda line: None)
    assert [len(soak.waits[act]) for act in ACTS] == [1, 1, 1]
    assert max(wait for waits in soak.waits.values() for wait in waits) <= MOST, soak.figures()
    assert soak.waits[ACTS[0]] == [timedelta(0)], "a known browser never waits"
    assert soak.seen["new browsers that needed a code"] == 1 and soak.seen["TooManyAttempts"] > 50, soak.figures()
