"""Bind slots: two workers never hold the same one, and a dead worker's is free again."""

import os
import signal

import pytest
from django.db import connection

from massar.core import sql
from massar.domain.delivery import bind_slots

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def slots(tmp_path):
    """Makes the slots of one more worker."""

    def make(provider: str = "iam"):
        of_database = connection.vendor == "postgresql"
        return bind_slots.of_provider(provider) if of_database else bind_slots.FileSlots(tmp_path, provider)

    return make


def taken(slots) -> list[int]:
    return [n for n in range(2) if slots.try_take(n)]


def test_each_slot_has_one_holder(slots):
    first, second = slots(), slots()
    assert first.try_take(0) and not second.try_take(0) and second.try_take(1)
    assert first.try_take(0), "what it holds it may use again"
    assert taken(slots()) == [] and slots("orange").try_take(0), "another provider has slots of its own"
    first.release(0)
    assert second.try_take(0)


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


def test_what_is_lost_is_held_no_more(slots, vendor, monkeypatch):
    """The database's connection breaks."""
    if vendor != "postgresql":
        pytest.skip("a lock on a file is lost with its process alone")
    lines, opened = [], sql.dedicated_connection
    monkeypatch.setattr(sql, "dedicated_connection", lambda: lines.append(opened()) or lines[-1])
    first, second = slots(), slots()
    assert first.try_take(0)
    lines[0].close()
    assert second.try_take(0)
    assert not first.try_take(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what others can't open")
def test_slots_that_root_asked_for_first_are_the_workers_all_the_same(tmp_path):
    var = tmp_path / "var"
    var.mkdir()
    os.chown(var, 65534, 65534)
    assert bind_slots.FileSlots(var / "binds", "iam").try_take(0)
    assert {path.stat().st_uid for path in (var / "binds", *(var / "binds").iterdir())} == {65534}
