"""Writers of one process wait for each other, not for SQLite. (On files of their own, whatever the run is on.)"""

import gc
import sqlite3
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import ConnectionHandler, OperationalError, transaction

from massar.core import sql, timeouts

PATIENT, HASTY = 20, 0.02  # seconds
THREADS, TIMES = 8, 25


@pytest.fixture
def connections(tmp_path, monkeypatch, django_db_blocker):
    """As in the product, but SQLite itself waits for nobody: without the lock a second writer is refused at once."""
    init = "PRAGMA journal_mode=WAL; PRAGMA busy_timeout=0"
    options = {"transaction_mode": "IMMEDIATE", "timeout": PATIENT, "init_command": init}
    own = {"ENGINE": "massar.core.sqlite", "NAME": str(tmp_path / "one.sqlite3"), "OPTIONS": options}
    handler = ConnectionHandler({"default": own})
    monkeypatch.setattr("django.db.transaction.connections", handler)
    with django_db_blocker.unblock():
        run(handler, "CREATE TABLE number (value INTEGER)")
        run(handler, "INSERT INTO number VALUES (0)")
        yield handler
        handler["default"].close()


@pytest.fixture
def elsewhere(connections):
    """Runs something in a thread that closes its connection in the end; gives its result or raises its error."""

    def result(job):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(closing, connections, job).result()

    return result


def run(connections, statement: str, parameters: tuple = ()) -> list:
    with connections["default"].cursor() as cursor:
        return cursor.execute(statement, parameters).fetchall()


def closing(connections, job):
    try:
        return job()
    finally:
        connections["default"].close()


def add_one(connections) -> None:
    """Reads before it writes, as journeys do."""
    with transaction.atomic():
        [(value,)] = run(connections, "SELECT value FROM number")
        run(connections, "UPDATE number SET value = %s", (value + 1,))


@pytest.mark.parametrize("statement", [
    None,
    "UPDATE number SET value = value + 1",
    "  update number SET value = value + 1",
    "WITH one AS (SELECT 1 AS more) UPDATE number SET value = value + (SELECT more FROM one)",
])  # fmt: skip
def test_nobody_is_refused_and_nothing_is_lost(connections, statement):
    """A statement outside a transaction waits for the lock too."""

    def many():
        for turn in range(TIMES):
            run(connections, statement) if statement and turn % 2 else add_one(connections)

    with ThreadPoolExecutor(THREADS) as pool:
        for one in [pool.submit(closing, connections, many) for _ in range(THREADS)]:
            one.result()
    assert run(connections, "SELECT value FROM number") == [(THREADS * TIMES,)]


def test_reading_waits_for_nobody_and_a_part_of_a_transaction_takes_no_second_lock(connections, elsewhere):
    with transaction.atomic():
        with transaction.atomic():
            run(connections, "UPDATE number SET value = 7")
        assert elsewhere(lambda: run(connections, "SELECT value FROM number")) == [(0,)]
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            run(connections, "UPDATE number SET value = 1 / 0")
            raise ZeroDivisionError
    elsewhere(lambda: add_one(connections))
    assert run(connections, "SELECT value FROM number") == [(8,)]


def test_what_is_undone_or_fails_gives_the_lock_back(connections, elsewhere):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        run(connections, "UPDATE number SET value = 7")
        raise ZeroDivisionError
    elsewhere(lambda: add_one(connections))
    with pytest.raises(OperationalError, match="no such table"):
        run(connections, "UPDATE no_such SET value = 7")
    elsewhere(lambda: add_one(connections))
    assert run(connections, "SELECT value FROM number") == [(2,)]


def test_another_process_is_met_as_before_and_the_lock_is_given_back(connections, elsewhere, tmp_path):
    other = sqlite3.connect(tmp_path / "one.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for job in (add_one, lambda all_: run(all_, "UPDATE number SET value = 7")):
        with pytest.raises(OperationalError, match="locked"):
            job(connections)
    other.execute("COMMIT")
    other.close()
    elsewhere(lambda: add_one(connections))


def begin_and_leave(connections) -> None:
    connections["default"].set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)


def test_a_closed_connection_and_a_thread_that_dies_give_the_lock_back(connections, elsewhere):
    elsewhere(lambda: begin_and_leave(connections))
    add_one(connections)
    thread = threading.Thread(target=begin_and_leave, args=(connections,))
    thread.start()
    thread.join()
    gc.collect()
    add_one(connections)


@pytest.mark.parametrize("who", ["program", "person"])
def test_who_waits_too_long_is_told_by_sqlite(connections, elsewhere, monkeypatch, who):
    """The web server says so to a person after its own time, not after that of a worker."""
    if who == "person":
        monkeypatch.setitem(timeouts.waiting, "person", True)
        monkeypatch.setattr(timeouts, "WRITER_LOCK", HASTY)
    else:
        connections.settings["default"]["OPTIONS"]["timeout"] = HASTY
    with transaction.atomic():
        run(connections, "UPDATE number SET value = 7")
        with pytest.raises(OperationalError, match="locked") as met:
            elsewhere(lambda: add_one(connections))
    assert sql.unavailable(met.value)
    assert connections["default"].get_connection_params()["timeout"] == HASTY
    elsewhere(lambda: add_one(connections))
    assert run(connections, "SELECT value FROM number") == [(8,)]


def test_a_full_disk_is_no_fault_of_ours(connections):
    run(connections, f"PRAGMA max_page_count = {run(connections, 'PRAGMA page_count')[0][0]}")
    with pytest.raises(OperationalError, match="full") as met:
        run(connections, "CREATE TABLE another (value INTEGER)")
    assert sql.unavailable(met.value)


def test_a_new_file_is_nobody_elses_whatever_the_umask(connections, tmp_path):
    run(connections, "UPDATE number SET value = 7")
    files = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
    assert set(files) == {"one.sqlite3", "one.sqlite3-wal", "one.sqlite3-shm"} and set(files.values()) == {0o600}


@pytest.fixture
def checkpoint(connections, monkeypatch):
    """The product's helper on this file, with the timeouts that the product has."""
    monkeypatch.setattr(sql, "connection", connections["default"])
    run(connections, f"PRAGMA busy_timeout = {PATIENT * 1000}")
    return sql.checkpoint_wal


@pytest.fixture
def reader(tmp_path):
    line = sqlite3.connect(tmp_path / "one.sqlite3", isolation_level=None)
    yield line
    line.close()


def test_the_log_is_checkpointed_and_emptied(connections, checkpoint, tmp_path):
    run(connections, "UPDATE number SET value = 7")
    assert (tmp_path / "one.sqlite3-wal").stat().st_size > 0
    assert checkpoint() and (tmp_path / "one.sqlite3-wal").stat().st_size == 0
    assert run(connections, "PRAGMA busy_timeout") == [(PATIENT * 1000,)]


@pytest.mark.parametrize("written_since", [True, False], ids=["since long", "since just now"])
def test_a_long_reader_stops_no_writer(connections, checkpoint, reader, tmp_path, written_since):
    """A backup, a report: it reads as long as it likes. Before, the checkpoint held all writers for twenty seconds."""
    reader.execute("BEGIN")
    assert reader.execute("SELECT value FROM number").fetchone() == (0,)
    if written_since:
        run(connections, "UPDATE number SET value = 7")
    writes, stop, waits = threading.Event(), threading.Event(), []

    def write_on():
        line = sqlite3.connect(tmp_path / "one.sqlite3", isolation_level=None, timeout=PATIENT)
        while not stop.is_set():
            begun = time.monotonic()
            line.execute("UPDATE number SET value = value + 1")
            waits.append(time.monotonic() - begun)
            writes.set()
        line.close()

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(write_on)
        assert writes.wait(PATIENT)
        begun = time.monotonic()
        done = [checkpoint() for _ in range(3)]
        took = time.monotonic() - begun
        stop.set()
        other.result()
    assert not any(done) and took < PATIENT / 2 and max(waits) < PATIENT / 2
    assert reader.execute("SELECT value FROM number").fetchone() == (0,)
    reader.execute("COMMIT")
    assert checkpoint()
