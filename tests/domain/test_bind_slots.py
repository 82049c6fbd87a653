"""Bind slots: two workers never hold the same one, and a dead worker's is free again."""

from __future__ import annotations

import os
import signal

import pytest
from django.db import connection

from massar.domain.delivery import bind_slots

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def slots(settings, tmp_path):
    """Makes the slots of one more worker."""
    return lambda: (
        bind_slots.of_provider("iam") if connection.vendor == "postgresql" else bind_slots.FileSlots(tmp_path, "iam")
    )


def taken(slots) -> list[int]:
    return [n for n in range(2) if slots.try_take(n)]


def test_each_slot_has_one_holder(slots):
    first, second = slots(), slots()
    assert first.try_take(0) and not second.try_take(0) and second.try_take(1)
    assert first.try_take(0), "what it holds it may use again"
    assert taken(slots()) == []
    first.release(0)
    assert second.try_take(0)


def test_another_provider_has_slots_of_its_own(slots, tmp_path):
    assert slots().try_take(0)
    other = (
        bind_slots.DatabaseSlots("orange")
        if connection.vendor == "postgresql"
        else bind_slots.FileSlots(tmp_path, "orange")
    )
    assert other.try_take(0)


def test_a_dead_workers_slots_are_free(slots):
    """kill -9: nobody says goodbye."""
    told, tells = os.pipe()
    child = os.fork()
    if child == 0:
        mine = slots()
        os.write(tells, bytes([len(taken(mine))]))
        signal.pause()
        os._exit(0)
    try:
        assert os.read(told, 1) == bytes([2])
        assert taken(slots()) == []
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    mine, tries = slots(), 0
    while len(taken(mine)) < 2 and tries < 2000:  # the database notices the closed connection within moments
        tries += 1
    assert taken(mine) == [0, 1]


def test_what_is_lost_is_held_no_more(slots):
    """The database's connection breaks, or the file is closed."""
    first, second = slots(), slots()
    assert first.try_take(0)
    if connection.vendor == "postgresql":
        first._line.close()
    else:
        first._held.pop(0).close()
    assert second.try_take(0)
    assert not first.try_take(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what others can't open")
def test_slots_that_root_asked_for_first_are_the_workers_all_the_same(tmp_path):
    var = tmp_path / "var"
    var.mkdir()
    os.chown(var, 65534, 65534)
    assert bind_slots.FileSlots(var / "binds", "iam").try_take(0)
    assert {path.stat().st_uid for path in (var / "binds", *(var / "binds").iterdir())} == {65534}
