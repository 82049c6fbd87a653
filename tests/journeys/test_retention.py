"""What is kept of people ends when the page says so; a job that fails or does not run is an alarm."""

import dataclasses
from datetime import timedelta

import pytest

from massar.core import sql
from massar.domain.delivery.models import Message
from massar.domain.people.models import Contact
from massar.domain.upkeep import api as upkeep
from massar.journeys import personal_data, retention
from massar.journeys.messages import watch_messages
from tests.cast import JAMAL, YOUSSEF, YOUSSEF_EMAIL
from tests.support.steps import home, save_contact
from tests.support.visitor import Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_what_is_over_goes_after_its_days_and_what_lives_stays(cast, clock, post):
    """Each kind is there a moment before its days are over and gone a moment after, by the worker's own jobs."""
    home(JAMAL), Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    secret = post.secret(YOUSSEF_EMAIL)
    Visitor().sign_in(YOUSSEF.login, secret).change(secret, "Couscous-mint-4!")
    save_contact(home(JAMAL), JAMAL.password, email="jamal@example.ma")  # a proposal that is never proved
    post.work()
    kinds = ("contacts", "temporary_passwords", "sessions", "half_done_changes", "recovery_requests", "messages")
    table = {kept.name: kept for kept in personal_data.TABLE}
    living, begun, worker = Contact.objects.filter(state="proved").count(), clock(), retention.Retention()
    clock.advance(hours=13)  # every session is over by itself
    Message.objects.exclude(state="delivered").update(state="expired", final_at=clock())
    for days in sorted({table[name].days for name in kinds}):
        ending = [table[name] for name in kinds if table[name].days == days]
        before = {kept.name: _count(kept.table) for kept in ending}
        clock.set(begun + timedelta(days=days, minutes=-1))
        worker.run(retention.by_days(), now=clock())
        assert all(before.values()) and {kept.name: _count(kept.table) for kept in ending} == before, "not too early"
        clock.set(begun + timedelta(days=days, hours=15))
        worker.run(retention.by_days(), now=clock())
        left = {kept.name: _count(kept.table) for kept in ending}
        assert left == {kept.name: living if kept.name == "contacts" else 0 for kept in ending}


def _count(table: str) -> int:
    [(count,)] = sql.rows(f"SELECT COUNT(*) FROM {table}")
    return count


def test_the_operators_setting_counts_but_not_below_what_the_product_needs(settings):
    settings.MASSAR = dataclasses.replace(
        settings.MASSAR, keep_days={"sessions": 30, "temporary_passwords": 1, "odd": 3}
    )
    days = {kept.name: kept.kept_days() for kept in personal_data.TABLE}
    assert (days["sessions"], days["temporary_passwords"], days["messages"], days["identity"]) == (30, 2, 30, 0)
    odd, short = sorted(personal_data.unknown_periods(), key=len, reverse=True)
    assert "'odd'" in odd and "sessions" in odd and "temporary_passwords=1 is less than 2" in short


def test_a_job_that_fails_is_an_alarm_and_stops_no_other(cast, clock, caplog):
    ran, worker, broken = [], retention.Retention(), [True]

    def fails(*, now):
        if broken[0]:
            raise RuntimeError("canary-5501")

    jobs = {"fails": fails, "goes_well": lambda now: ran.append(now)}
    worker.run(jobs, now=clock())
    assert ran == [clock()] and "retention fails" in caplog.text
    alarms = {alarm.id: alarm.about for alarm in watch_messages.Overview(now=clock()).alarms}
    assert alarms["retention-overdue"] == ("fails",)
    [known, _] = upkeep.job_runs.read()
    assert (known.fault, known.ran_at) == ("RuntimeError", None), "the kind alone: its words may hold what was typed"
    broken[0] = False
    worker.run(jobs, now=clock.advance(seconds=30))
    assert watch_messages.Overview(now=clock()).overdue == []
    assert watch_messages.Overview(now=clock.advance(hours=25)).overdue == ["fails", "goes_well"], "nobody runs them"


def test_a_run_is_written_once_an_hour(cast, clock, django_assert_num_queries):
    worker, jobs = retention.Retention(), {"one": lambda now: None}
    for minutes, statements in ((0, 1), (1, 0), (58, 0), (2, 1)):
        with django_assert_num_queries(statements):
            worker.run(jobs, now=clock.advance(minutes=minutes))
    assert [run.ran_at for run in upkeep.job_runs.read()] == [clock()]
