"""The audit log: written with the step, genuine on every database, never changed; floods are counted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import Error, transaction

from massar.core import sql
from massar.core.audit import api as audit_log
from massar.core.audit.api import AuditEvent
from massar.core.browser import Browser
from tests.support.trail import all_events, tamper

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 2, 15, 1, 55, 30, 123456, tzinfo=UTC)
HERE = Browser(network="203.0.113.0/24", label="Chrome · Android")


def test_a_row_comes_back_as_it_was_written():
    more = {"kind": "هاتف", "left": 3}
    audit_log.record_event("sign_in", now=NOW, person_id=7, session_id=9, outcome="password", browser=HERE, **more)
    written = AuditEvent("sign_in", NOW, "password", 7, 9, HERE.network, HERE.label, more)
    assert audit_log.of_person(7) == [replace(written, uid=audit_log.of_person(7)[0].uid)]


def test_newest_first_limited_and_of_one_person():
    for number in range(5):
        audit_log.record_event(f"e{number}", now=NOW + timedelta(seconds=number), person_id=1)
    audit_log.record_event("other", now=NOW, person_id=2)
    assert [r.event for r in audit_log.of_person(1, limit=2)] == ["e4", "e3"]
    assert [r.event for r in all_events()][-1] == "other"


def test_page_by_page():
    for number in range(7):
        audit_log.record_event(f"e{number}", now=NOW + timedelta(days=40 * number), person_id=1)
    seen, before = [], None
    while page := audit_log.of_person(1, limit=3, before=before):
        assert len(page) <= 3
        seen += [one.event for one in page]
        before = page[-1].id
    assert seen == [f"e{n}" for n in reversed(range(7))]


def test_a_step_that_fails_leaves_no_row():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        audit_log.record_event("half", now=NOW, person_id=1)
        audit_log.record_event("sign_in_refused", now=NOW, person_id=1, outcome="wait")
        raise ZeroDivisionError
    assert audit_log.of_person(1) == []


@pytest.mark.parametrize("column", ["event", "outcome", "network", "detail", "uid"])
def test_a_changed_column_does_not_fit_its_signature(column):
    audit_log.record_event("sign_in", now=NOW, person_id=1)
    value = '{"a": 1}' if column == "detail" else "x"
    tamper(f"UPDATE audit_event SET {column} = '{value}'")
    (row,) = all_events()
    assert not row.genuine


# --- append-only


CHANGES = [
    f"{words} {table}{rest}"
    for table, column in (("audit_event", "outcome"), ("audit_seal", "segment"), ("audit_retired", "line"))
    for words, rest in (("UPDATE", f" SET {column} = 'x'"), ("DELETE FROM", ""), ("TRUNCATE", ""))
]


@pytest.mark.parametrize("statement", CHANGES)
def test_atk_142_the_database_refuses_to_change_the_log(statement, trail, vendor):
    """ATK-142. TRUNCATE too, which fires no trigger of a row."""
    if statement.startswith("TRUNCATE") and vendor == "sqlite":
        pytest.skip("SQLite knows no TRUNCATE")
    audit_log.record_event("proof_refused", now=NOW - timedelta(days=40), person_id=1)
    audit_log.record_event("proof_refused", now=NOW, person_id=1)
    trail.turn(NOW)
    sql.execute(
        "INSERT INTO audit_retired (segment, count, line, at) VALUES ('refused-2026-01', 1, '', %s)", (sql.at(NOW),)
    )
    before = sql.rows("SELECT id, outcome FROM audit_event ORDER BY id"), sql.rows("SELECT first_seq FROM audit_seal")
    with pytest.raises(Error, match=r"append-only|only an old segment"), transaction.atomic():
        sql.execute(statement)
    assert before == (
        sql.rows("SELECT id, outcome FROM audit_event ORDER BY id"),
        sql.rows("SELECT first_seq FROM audit_seal"),
    )


def test_atk_142_a_partition_refuses_truncate_by_its_own_name(vendor):
    if vendor == "sqlite":
        pytest.skip("SQLite has no partitions")
    audit_log.retention.make_partitions(now=NOW)
    audit_log.record_event("sign_in", now=NOW, person_id=1)
    for statement in ("TRUNCATE audit_event_kept_2026_02", "DELETE FROM audit_event_kept_2026_02"):
        with pytest.raises(Error, match="append-only"), transaction.atomic():
            sql.execute(statement)
    assert len(all_events()) == 1


# --- floods


def refused(now: datetime, network: str = "203.0.113.0/24", person: int | None = 7, outcome: str = "wait") -> None:
    here = Browser(network=network, label="Chrome · Android")
    audit_log.record_event("sign_in_refused", now=now, person_id=person, outcome=outcome, browser=here)


def test_what_a_stranger_repeats_is_one_row_a_minute():
    begin = NOW.replace(second=0)
    for second in range(0, 90, 3):
        refused(begin + timedelta(seconds=second))
    refused(begin, network="198.51.100.0/24")
    refused(begin, person=None, outcome="wrong")
    assert sql.rows("SELECT COUNT(*) FROM audit_event") == [(0,)]
    counted = [one.detail.get("count", 1) for one in audit_log.of_person(7)]
    assert counted == [10, 1, 20], "the person sees it while it is counted"
    assert audit_log.flush(now=begin + timedelta(seconds=100)) == 3, "this minute still goes on"
    assert (
        audit_log.flush(now=begin + timedelta(minutes=2)) == 1 and audit_log.flush(now=begin + timedelta(days=1)) == 0
    )
    rows = [(one.network, one.person_id, one.detail.get("count", 1)) for one in all_events()]
    assert sorted(rows, key=str) == [
        ("198.51.100.0/24", 7, 1), ("203.0.113.0/24", 7, 10), ("203.0.113.0/24", 7, 20), ("203.0.113.0/24", None, 1),
    ]  # fmt: skip
    assert all(one.genuine for one in all_events()) and sql.rows("SELECT COUNT(*) FROM audit_tally") == [(0,)]


def test_what_a_limit_pays_for_stays_a_row_each_but_a_wrong_password_is_counted_like_an_unknown_name():
    for _ in range(3):
        refused(NOW, outcome="wrong")
        audit_log.record_event("recovery_asked", now=NOW, person_id=7, outcome="no_match")
    own = audit_log.of_person(7)
    assert [one.event for one in own if one.id] == ["recovery_asked"] * 3
    assert [(one.event, one.detail) for one in own if not one.id] == [("sign_in_refused", {"count": 3})]


def test_many_of_one_kind_in_one_call_are_one_tally():
    audit_log.record_events([AuditEvent("sign_in_refused", NOW, "wait", 7)] * 3 + [AuditEvent("sign_in", NOW, "", 7)])
    assert sorted((one.event, one.detail.get("count")) for one in audit_log.of_person(7)) == [
        ("sign_in", None), ("sign_in_refused", 3),
    ]  # fmt: skip


def unknown(login: str, *, second: int = 0) -> None:
    moment = NOW.replace(second=second)
    audit_log.record_event("sign_in_refused", now=moment, outcome="wrong", browser=HERE, typed_login=login)


def test_names_that_nobody_has_are_counted_apart_and_written_as_one():
    """As accounts are: nobody waits for who types another name."""
    for second, login in enumerate(("a@taalim.ma", "b@taalim.ma", "a@taalim.ma", "c@taalim.ma")):
        unknown(login, second=second)
    places = sql.rows("SELECT person_id, count FROM audit_tally ORDER BY id")
    assert [count for _, count in places] == [2, 1, 1] and len(dict(places)) == 3
    assert all(-4096 <= place < 0 for place, _ in places)
    assert {one.person_id for one in all_events()} == {None}
    refused(NOW, outcome="wrong")
    assert audit_log.flush(now=NOW + timedelta(minutes=1)) == 2
    assert sorted((one.person_id or 0, one.detail.get("count", 1), one.genuine) for one in all_events()) == [
        (0, 4, True), (7, 1, True),
    ]  # fmt: skip


def test_a_minute_of_nobodys_names_is_not_the_next_one():
    unknown("a@taalim.ma")
    audit_log.record_event(
        "sign_in_refused", now=NOW + timedelta(minutes=1), outcome="wrong", browser=HERE, typed_login="b@taalim.ma"
    )
    assert audit_log.flush(now=NOW + timedelta(minutes=5)) == 2


def test_segments():
    asked = [AuditEvent("recovery_asked", NOW, outcome).segment for outcome in ("sent", "sent_again", "no_match")]
    assert asked == ["kept-2026-02", "kept-2026-02", "refused-2026-02"]
    assert AuditEvent("site_refused", NOW, "role").segment == "refused-2026-02"
    assert AuditEvent("sign_in", NOW).segment == "kept-2026-02"
