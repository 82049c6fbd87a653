"""The numbers behind what operators see: the same on both databases, bounded, and without a destination."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from massar.core import sql
from massar.domain.delivery import api as delivery
from tests.support.outbox import attempt, message, part, request
from tests.support.plans import reads

pytestmark = pytest.mark.django_db
metrics = delivery.metrics
NOW = datetime(2026, 2, 15, 1, 57, tzinfo=UTC)
AGO = NOW - timedelta(minutes=20)


def hour():
    return metrics.tally_by_provider(now=NOW, window=metrics.HOUR)


def test_a_quiet_hour_has_no_metrics():
    assert hour() == {} and metrics.read_queue() == [] and metrics.read_errors() == []
    assert metrics.read_liveness(now=NOW) == metrics.Liveness(None, False, None)


def test_messages_are_counted_by_channel_and_provider():
    message(AGO, waited=1, arrived=5, used=60)
    message(AGO, waited=1, arrived=5, segments=2, cost=500)
    message(AGO, waited=2, provider="sms-b", purpose="notice")
    message(AGO, waited=2, provider="mail", channel="email", state="failed")
    message(NOW - timedelta(hours=2), waited=1)
    found = hour()
    assert list(found) == [("email", "mail"), ("sms", "sms-a"), ("sms", "sms-b")]
    a = found["sms", "sms-a"]
    assert (a.sent, a.delivered, a.late, a.segments, a.cost) == (2, 2, 0, 3, 750)
    assert (a.secrets, a.used, a.conversion) == (2, 1, 0.5)
    assert found["sms", "sms-b"].conversion is None and found["email", "mail"].failed == 1
    assert metrics.tally_by_provider(now=NOW, window=metrics.DAY)["sms", "sms-a"].sent == 3


@pytest.mark.parametrize(("late", "at", "row"), [
    (False, AGO, {"arrived": 45}),
    (True, AGO, {"arrived": 46}),
    (False, AGO, {}),  # the provider tells nothing
    (True, AGO, {"final_at": AGO + timedelta(minutes=10)}),  # it should have told, and did not
    (True, AGO, {"state": "awaiting_receipt", "final_at": None}),  # it has not told yet
    (False, NOW - timedelta(seconds=40), {"state": "awaiting_receipt", "final_at": None}),  # just handed over
    (True, AGO, {"delivered_at": AGO + timedelta(minutes=12)}),  # it told after the end
    (False, AGO, {"state": "failed", "final_at": AGO + timedelta(minutes=5)}),  # failed is not late
])  # fmt: skip
def test_late_is_what_did_not_arrive_in_time_where_receipts_come(late, at, row):
    message(at, waited=0, **row)
    assert hour()["sms", "sms-a"].late == int(late)


def test_waits_are_the_values_at_the_nearest_rank():
    for seconds in range(1, 101):
        message(AGO, waited=seconds)
    assert hour()["sms", "sms-a"].waits == pytest.approx((50, 95, 99), abs=0.01)
    message(AGO, waited=7, provider="sms-b")
    assert hour()["sms", "sms-b"].waits == pytest.approx((7, 7, 7), abs=0.01)


def hours():
    return metrics.tally_over_time(now=NOW, window=metrics.DAY, step=metrics.HOUR)


@pytest.mark.parametrize("look", [hour, hours])
def test_a_first_message_that_leaves_while_we_count_waits_for_the_next_look(monkeypatch, look):
    before, read, left = look(), sql.rows, []

    def read_before_it_left(*statement):
        found = read(*statement)
        if not left:
            left.append(message(NOW - timedelta(seconds=9), waited=7, provider="sms-b"))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(sql, "rows", read_before_it_left)
        assert look() == before
    assert look() != before


def test_what_no_provider_took_counts_for_the_last_that_was_tried():
    attempt(message(AGO, state="failed", attempts=1), AGO, "rejected")
    message(AGO, state="expired")
    message(AGO, state="cancelled")
    found = hour()
    assert found["sms", "sms-a"].failed == 1 and found["sms", "sms-a"].waits is None
    assert found["sms", ""].expired == 1 and set(found) == {("sms", "sms-a"), ("sms", "")}


def test_over_time_every_step_is_there_and_sites_are_not():
    message(NOW - timedelta(minutes=58), waited=30)
    message(NOW - timedelta(minutes=1), waited=1, arrived=2, used=9)
    message(NOW - timedelta(minutes=1), waited=1, channel="site", provider="sites")
    message(NOW - timedelta(minutes=61), waited=1)
    steps = metrics.tally_over_time(now=NOW, window=metrics.HOUR, step=timedelta(minutes=5))
    assert len(steps) == 12 and steps[-1][0] == datetime(2026, 2, 15, 1, 55, tzinfo=UTC)
    assert [b - a for (a, _), (b, _) in pairwise(steps)] == [timedelta(minutes=5)] * 11
    newest = steps[-1][1]
    assert (newest.sent, newest.delivered, newest.conversion) == (1, 1, 1.0)
    assert newest.waits == pytest.approx((1, 1, 1), abs=0.01)
    assert metrics.add_up(tally for _, tally in steps).sent == 1, "what was put in before the first step is left out"


def test_the_queue_is_told_by_state_and_purpose_with_its_oldest():
    message(AGO)
    message(AGO + timedelta(minutes=1))
    message(AGO, purpose="notice", state="sending")
    message(AGO, waited=0, state="awaiting_receipt")
    message(AGO, waited=0)
    request(AGO)
    request(AGO, "done")
    assert {(one.state, one.purpose, one.count, one.oldest) for one in metrics.read_queue()} == {
        ("queued", "temporary_password", 2, AGO),
        ("sending", "notice", 1, AGO),
        ("awaiting_receipt", "temporary_password", 1, AGO),
        ("waiting", "recovery", 1, AGO),
    }


def test_errors_are_the_newest_and_name_no_destination():
    one = message(AGO, waited=0)
    attempt(one, AGO, "rejected", code="550 <amina@example.org> unknown", number=1)
    attempt(one, AGO + timedelta(seconds=2), "outcome_unknown", code="no word about +212661000222", number=2)
    attempt(one, AGO + timedelta(seconds=4), "accepted", number=3)
    part(one, AGO, 9, state="failed", code="UNDELIV")
    told = metrics.read_errors()
    assert [e.outcome for e in told] == ["undelivered", "outcome_unknown", "rejected"]
    assert {(e.provider, e.channel) for e in told} == {("sms-a", "sms")}
    assert [e.code for e in told] == ["UNDELIV", "no word about …", "550 … unknown"]
    assert len(metrics.read_errors(most=1)) == 1


def test_the_pulse_knows_what_is_due_held_and_done():
    message(AGO, not_before=NOW + timedelta(seconds=9))
    assert metrics.read_liveness(now=NOW).due_since is None
    message(AGO)
    request(AGO - timedelta(seconds=5), "claimed", lease_until=NOW + timedelta(seconds=5))
    request(AGO, "done", done_at=AGO + timedelta(seconds=1))
    assert metrics.read_liveness(now=NOW) == metrics.Liveness(AGO, True, AGO + timedelta(seconds=1))
    attempt(message(AGO, state="sending", lease_until=NOW), NOW)
    later = NOW + timedelta(minutes=1)
    assert metrics.read_liveness(now=later) == metrics.Liveness(AGO, False, NOW)


def test_a_person_is_told_of_own_messages_only():
    mine = message(AGO, waited=1, arrived=3, masked="+212 6•• •• •2 22")
    message(AGO, waited=1, person_id=2)
    message(AGO, channel="site", provider="sites", purpose="logout", waited=1)
    message(AGO - timedelta(days=31), waited=1)
    (told,) = metrics.read_messages_to(1, since=NOW - timedelta(days=30), most=10)
    assert (told.masked, told.state, told.submitted_at, told.delivered_at) == (
        mine.masked, "delivered", mine.submitted_at, mine.delivered_at)  # fmt: skip


def test_no_look_reads_a_whole_table(vendor):
    """A million old messages must not make the newest hour slow. SQLite tells how it would go about each statement."""
    if vendor != "sqlite":
        pytest.skip("PostgreSQL reads small tables whole; how it reads large ones: docs/operate/messages.md")
    with reads() as found:
        delivery.alarms.find_active(metrics.MetricsSnapshot(NOW))
        metrics.tally_by_provider(now=NOW, window=metrics.DAY)
        metrics.tally_over_time(now=NOW, window=metrics.DAY, step=timedelta(minutes=5))
        metrics.read_errors()
        metrics.read_messages_to(1, since=AGO, most=10)
    assert len(found.asked) > 10 and found.whole == {}
