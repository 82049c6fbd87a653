"""The audit log's keeper dies at any step with the database, or works beside another: nothing is lost or sealed twice,
and what was begun is ended by the next one."""

import itertools
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from massar.core import sql
from massar.core.audit import api as audit_log
from massar.core.audit.api import sealing
from massar.core.browser import Browser
from massar.domain.delivery import api as delivery
from massar.interfaces.commands.audit_keeper import AuditKeeper
from tests.support.faults import Death, at_once
from tests.support.trail import Trail, all_events

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)
HERE = Browser(network="203.0.113.0/24", label="Chrome · Android")


@pytest.fixture(autouse=True)
def trail(transactional_db, settings, tmp_path) -> Iterator[Trail]:
    made = Trail(settings, tmp_path / "checkpoints")
    yield made
    drop_partitions()


def drop_partitions() -> None:
    """Those of the tests' own months."""
    if connection.vendor == "postgresql":
        found = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND relname ~ '_2026_0[1-5]$'"
        for (name,) in sql.rows(found):
            sql.execute(f"DROP TABLE {name}")


def write(count: int, now: datetime, event: str = "sign_in", outcome: str = "password") -> None:
    for number in range(count):
        audit_log.record_event(event, now=now, person_id=number % 3, outcome=outcome, browser=HERE)


def deaths(work) -> Iterator[int]:
    """The work is begun again and again, and dies one step later each time, until it comes to its end."""
    for step in itertools.count():
        with Death(step) as death:
            work()
        yield step
        if not death.came:
            assert step > 3, "it has steps"
            return


class Untiring(AuditKeeper):
    """Its faults end it, as a kill does."""

    def _try(self, name, work, now) -> None:
        work(now=now)


def test_a_keeper_that_dies_anywhere_loses_nothing(trail):
    """Rows come all the time; each death is followed by another keeper, which dies later."""
    written, now, moments = 0, NOW, itertools.count()
    for step in deaths(lambda: Untiring().turn(now=NOW + timedelta(minutes=next(moments)))):
        now = NOW + timedelta(minutes=step + 1)
        write(3, now)
        write(2, now, "sign_in_refused", "wait")
        written += 5
        if step % 4 == 0:
            report = trail.verify(keys=True)
            assert report.problems == [], f"died at step {step}"
    now += timedelta(minutes=2)
    trail.turn(now)
    report = trail.verify(keys=True)
    assert (report.problems, report.unsealed) == ([], 0)
    assert sum(one.detail.get("count", 1) for one in all_events()) == written, "each is told once"


@pytest.mark.parametrize("stored", ["rows", "partitions"])
def test_retention_that_dies_anywhere_is_taken_up_again(trail, stored, vendor):
    """Of two months one has to go; in the end it has, once, and a signed line says so."""
    if stored == "partitions":
        if vendor == "sqlite":
            pytest.skip("SQLite has no partitions")
        audit_log.retention.make_partitions(now=datetime(2026, 1, 10, tzinfo=UTC))
    for month in (datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 2, 10, tzinfo=UTC)):
        write(30, month, "proof_refused")
        write(5, month)
        trail.turn(month)
    later = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(days=91)
    for step in deaths(lambda: audit_log.retention.retire_old(now=later)):
        report = trail.verify(keys=True)
        assert report.problems == [], f"died at step {step}: {report.problems}"
    assert not sql.rows("SELECT 1 FROM audit_event WHERE segment = 'refused-2026-01'")
    assert not sql.rows("SELECT 1 FROM audit_seal WHERE segment = 'refused-2026-01'")
    assert len([one for one in all_events() if one.event == "audit_retired"]) == 1
    trail.turn(later)
    report = trail.verify(keys=True)
    assert report.problems == [] and "30 rows up to seq" in report.notes[0]


def test_partitions_that_die_half_made_are_made(vendor):
    if vendor == "sqlite":
        pytest.skip("SQLite has no partitions")
    for _ in deaths(lambda: audit_log.retention.make_partitions(now=NOW)):
        pass
    write(1, NOW)
    assert sql.rows("SELECT COUNT(*) FROM audit_event_kept_2026_02") == [(1,)]


def test_many_keepers_and_writers_at_once(trail):
    """Places are given once, in one row without a gap, whoever gives them."""
    done = threading.Event()

    def work(number: int) -> None:
        if number < 4:
            for _ in range(40):
                write(1, NOW)
        else:
            while not done.is_set():
                Untiring().seal(now=NOW)
        if number == 0:
            done.set()

    at_once(7, work)
    trail.turn(NOW)
    report = trail.verify(keys=True)
    assert (report.rows, report.unsealed, report.problems) == (160, 0, [])
    assert [one.seq for one in audit_log.export.rows()] == list(range(1, 161))


def test_a_transaction_that_commits_late_gets_its_place(trail, vendor):
    """It has an id before the others commit, and commits after they were sealed."""
    if vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    has_written, may_commit = threading.Event(), threading.Event()

    def late(number: int) -> None:
        if number == 0:
            with transaction.atomic():
                write(2, NOW)
                has_written.set()
                assert may_commit.wait(30)
        else:
            assert has_written.wait(30)
            write(3, NOW)
            assert sealing.seal(now=NOW) == 3
            for minutes in range(3, 9, 3):  # it runs on for longer than gaps are remembered without it
                sealing.seal(now=NOW + timedelta(minutes=minutes))
            may_commit.set()

    at_once(2, late)
    assert sealing.seal(now=NOW + timedelta(minutes=10)) == 2
    trail.turn(NOW + timedelta(minutes=10))
    order = [one.row.id for one in audit_log.export.rows()]
    assert len(order) == 5 and order[-2:] == sorted(order)[:2], "the first ids have the last places"
    assert trail.verify(keys=True).problems == []


def test_who_types_an_unknown_name_waits_for_no_other(trail, vendor):
    """Under a flood of names that nobody has, from one network, one of them takes no longer than an account."""
    if vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    has_written, done = threading.Event(), threading.Event()

    def refuse(login: str) -> None:
        audit_log.record_event("sign_in_refused", now=NOW, outcome="wrong", browser=HERE, typed_login=login)

    def work(number: int) -> None:
        if number == 0:
            with transaction.atomic():
                refuse("a@taalim.ma")
                has_written.set()
                assert done.wait(30)
        else:
            assert has_written.wait(30)
            try:
                with transaction.atomic():
                    sql.execute("SET LOCAL lock_timeout = '1s'")
                    refuse("b@taalim.ma")
            finally:
                done.set()

    at_once(2, work)
    assert [one.detail.get("count", 1) for one in all_events()] == [1, 1]


def test_a_flood_is_written_in_one_turn_and_one_that_waits_is_an_alarm(trail):
    """Of many networks, within a minute: more than one transaction writes."""
    begin = NOW.replace(second=0)
    audit_log.record_events([
        audit_log.AuditEvent("sign_in_refused", begin, "unknown", person, network=f"2001:db8:{person:x}::/56")
        for person in range(1, 2 * audit_log.MOST_FLUSHED + 101)
    ])  # fmt: skip
    assert sealing.lag().unsealed == begin, "what is only counted waits too"
    trail.turn(begin + timedelta(minutes=2))
    assert sql.rows("SELECT COUNT(*) FROM audit_tally") == [(0,)]
    assert sealing.lag().unsealed is None and trail.verify().rows == 2 * audit_log.MOST_FLUSHED + 100


def test_a_sweep_that_failed_waits_for_its_hour(trail, monkeypatch):
    """It waits for locks, and whoever signs in waits behind it: not every two seconds."""
    tried = []

    def refuse(*, now: datetime) -> list[str]:
        tried.append(now)
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(audit_log.retention, "retire_old", refuse)
    keeper = AuditKeeper()
    for seconds in (0, 2, 4, 3600):
        keeper.turn(now=NOW + timedelta(seconds=seconds))
    assert tried == [NOW, NOW + timedelta(hours=1)]


def test_the_claim_of_a_clock_that_was_ahead_is_taken_over(trail):
    """The clock was put right, and the worker is another."""
    ahead = NOW + timedelta(days=365)
    assert sealing.claim_sending("one", until=ahead + timedelta(seconds=60), now=ahead)
    assert sealing.claim_sending("two", until=NOW + timedelta(seconds=60), now=NOW)
    assert not sealing.claim_sending("three", until=NOW + timedelta(seconds=70), now=NOW + timedelta(seconds=10))


def test_rows_that_nobody_seals_are_an_alarm(trail):
    """ATK-147: the sealer is away for five minutes; then the disk of the checkpoints is."""

    def standing(**since: float) -> list[str]:
        seen = delivery.metrics.MetricsSnapshot(NOW + timedelta(**since))
        return [one.id for one in delivery.alarms.find_active(seen) if one.id.startswith("audit")]

    write(2, NOW)
    assert standing(seconds=299) == [] and standing(minutes=5) == ["audit-unsealed"]
    sealing.seal(now=NOW + timedelta(minutes=6))
    assert standing(minutes=10) == [] and standing(minutes=11) == ["audit-unsigned"]
    trail.turn(NOW + timedelta(minutes=12))
    assert standing(hours=9) == [] and sealing.lag().unsent == NOW + timedelta(minutes=6), "there is no receiver"


# --- what is sent to a receiver of syslog


class Siem:
    """Keeps what it takes; away, or dying in the middle, as told."""

    def __init__(self):
        self.taken, self.away, self.takes = [], False, None

    def send(self, messages) -> None:
        if self.away:
            raise ConnectionRefusedError(111, "Connection refused")
        self.taken += messages[: self.takes]
        if self.takes is not None:
            raise BrokenPipeError(32, "Broken pipe")

    def places(self) -> list[int]:
        return [int(found[1]) for one in self.taken if (found := re.search(rb' seq="(\d+)"', one))]


def test_every_row_is_sent_in_order_over_restarts(trail, caplog):
    """The receiver is away, and dies in the middle; the worker is another each time. Some come twice, none is lost."""
    siem = Siem()
    for minute in range(6):
        write(3, NOW + timedelta(minutes=minute))
        siem.away, siem.takes = minute in (1, 2), 2 if minute == 3 else None
        keeper = AuditKeeper(siem)
        for second in (0, 2):
            keeper.turn(now=NOW + timedelta(minutes=2 * minute, seconds=second))
    assert sorted(set(siem.places())) == list(range(1, 19)) and siem.places()[-6:] == list(range(13, 19))
    told = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert told == ["the audit log: can't send: Connection refused"] * 2 + ["the audit log: can't send: Broken pipe"]
    assert sealing.lag().unsent is None and any(b" checkpoint - {" in one for one in siem.taken)


def test_of_two_keepers_one_sends(trail):
    write(5, NOW)
    siem, other = Siem(), Siem()
    first, second = AuditKeeper(siem), AuditKeeper(other)
    first.turn(now=NOW)
    write(5, NOW)
    second.turn(now=NOW + timedelta(seconds=10))
    assert other.places() == [], "the first one sends for a minute"
    second.turn(now=NOW + timedelta(seconds=61))
    first.turn(now=NOW + timedelta(seconds=62))
    assert siem.places() + other.places() == list(range(1, 11))


def test_a_sender_that_dies_anywhere_leaves_nothing_out(trail):
    siem = Siem()
    write(300, NOW)
    for _ in deaths(lambda: Untiring(siem).turn(now=NOW)):
        with connection.cursor() as cursor:  # a minute later: whoever sent is not waited for
            cursor.execute("UPDATE audit_cursor SET sender_until = NULL")
    assert sorted(set(siem.places())) == list(range(1, 301)) and sealing.lag().unsent is None
