"""The audit log: written with the step, genuine on every database, never changed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from massar.core import sql
from massar.core.audit import api as audit_log
from massar.core.audit.api import AuditEvent
from massar.core.browser import Browser

NOW = datetime(2026, 2, 15, 1, 55, 30, 123456, tzinfo=UTC)


@pytest.mark.django_db
def test_a_row_comes_back_as_it_was_written():
    here = Browser(network="203.0.113.0/24", label="Chrome · Android")
    more = {"kind": "هاتف", "left": 3}
    audit_log.record_event("sign_in", now=NOW, person_id=7, session_id=9, outcome="password", browser=here, **more)
    written = AuditEvent("sign_in", NOW, "password", 7, 9, here.network, here.label, more)
    assert audit_log.of_person(7) == [replace(written, uid=audit_log.of_person(7)[0].uid)]


@pytest.mark.django_db
def test_newest_first_limited_and_of_one_person():
    for number in range(5):
        audit_log.record_event(f"e{number}", now=NOW + timedelta(seconds=number), person_id=1)
    audit_log.record_event("other", now=NOW, person_id=2)
    assert [r.event for r in audit_log.of_person(1, limit=2)] == ["e4", "e3"]
    assert [r.event for r in audit_log.all_events()][-1] == "other"
    assert len(list(audit_log.all_events(after=0))) == 6


@pytest.mark.django_db
def test_a_step_that_fails_leaves_no_row():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        audit_log.record_event("half", now=NOW, person_id=1)
        raise ZeroDivisionError
    assert audit_log.of_person(1) == []


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["event", "outcome", "network", "detail", "uid"])
def test_a_changed_column_does_not_fit_its_signature(column):
    """As somebody with the database's own rights would do it: the guards switched off."""
    audit_log.record_event("sign_in", now=NOW, person_id=1)
    postgres = connection.vendor == "postgresql"
    sql.execute("ALTER TABLE audit_event DISABLE TRIGGER USER" if postgres else "DROP TRIGGER audit_no_update")
    sql.execute(f"UPDATE audit_event SET {column} = %s", ('{"a": 1}' if column == "detail" else "x",))
    if postgres:
        sql.execute("ALTER TABLE audit_event ENABLE TRIGGER USER")
    (row,) = audit_log.all_events()
    assert not row.genuine
