"""A printing of slips dies at any step with the database: what serves was printed, and nothing that served is lost.

The file stands for the paper: it is there whole before the slips serve, and is lost with nobody's knowledge never."""

import pytest
from django.db import transaction

from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.journeys.desk import print_slips
from massar.journeys.desk.print_slips import Holder
from tests.support.faults import every_death

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pupils(transactional_db, clock):
    return [people.directory.create(login=f"x{n}@taalim.ma", role="pupil", now=clock()) for n in range(3)]


def serves(person_id: int, code: str, now) -> bool:
    with transaction.atomic():
        found = credentials.temporary.match([person_id], code, recovery_browser="", now=now)
    return found is not None and not found.late


def test_a_printing_that_dies_leaves_the_older_slips_or_the_new_ones(pupils, clock):
    holders = [Holder(person) for person in people.directory.by_ids(pupils, now=clock()).values()]
    seen = set()

    def printed(file: list[print_slips.Slip]) -> None:
        printing = print_slips.begin(holders, unit=None, agent=None, now=clock())
        file += printing.slips
        print_slips.finish(printing, agent=None, reason="test", now=clock())

    def prepare():
        older, newer = [], []
        printed(older)
        return older, newer, lambda: printed(newer)

    for step, (older, newer, _) in every_death(clock, prepare, lambda prepared: prepared[2]()):
        now = clock()
        living = [serves(one.holder.person.id, one.code, now) for one in (*older, *newer)]
        whole = [True] * 3 + [False] * len(newer), [False] * 3 + [True] * 3
        assert living in whole, f"died at step {step}: {living}"
        seen.add((bool(newer), living[0]))
        newest = credentials.handed.batches(most=1)[0]
        assert newest.printed_at is None or newest.slips == 3 == newest.waiting, f"died at step {step}"
    assert seen == {(False, True), (True, True), (True, False)}
