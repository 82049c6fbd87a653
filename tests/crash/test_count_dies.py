"""A worker that counts figures dies, at any step: another one counts within minutes, and what was told stays whole."""

from datetime import timedelta

import pytest

from massar.domain.figures import api as figures
from massar.journeys.figures import count
from tests import cast
from tests.support.desk import plant, unit
from tests.support.faults import empty, every_death

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def branches(transactional_db, clock):
    cast.enter(now=clock())
    plant()
    yield
    empty()


def told() -> int:
    return figures.store.of_units([unit("M").id])[unit("M").id].people


def test_a_death_costs_minutes_at_every_step(branches, clock):
    def prepare():
        clock.advance(minutes=15)
        assert count.turn(tick=clock), "due again, after the death before too"
        clock.advance(minutes=15)
        return lambda: count.turn(tick=clock)

    for _ in every_death(clock, prepare):
        assert told() == 5, "the last count, or the new one"
        clock.advance(seconds=figures.store.LEASE.total_seconds())
        count.turn(tick=clock)
        assert clock() - figures.store.run().counted_at <= figures.store.LEASE + timedelta(seconds=5)
