"""What meets a fault of ours fails alone: tried again under its lease, then ended, listed and alarmed."""

from datetime import timedelta

import pytest
from django.db import DataError, Error, IntegrityError, InterfaceError, OperationalError

from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Attempt, Message, RecoveryRequest
from massar.journeys import retention
from massar.journeys.account import recover_password
from massar.journeys.messages import take_receipt, watch_messages
from massar.journeys.messages.leased_delivery import LeasedDelivery
from tests.cast import FATIMA, FATIMA_PHONE, YOUSSEF, YOUSSEF_EMAIL
from tests.support import outbox
from tests.support.steps import secrets
from tests.support.visitor import Visitor

OF_OURS = [DataError("a sign that no text may hold"), IntegrityError("twice"), KeyError("a value that is not there")]
AWAY = [OperationalError("gone"), InterfaceError("gone")]
named = pytest.mark.parametrize("trouble", OF_OURS, ids=lambda trouble: type(trouble).__name__)


def failing(trouble: Exception, work=None, when=lambda *args, **kwargs: True):
    """`work` that fails where `when` says so."""

    def fail(*args, **kwargs):
        if when(*args, **kwargs):
            raise trouble
        return work(*args, **kwargs)

    return fail


def put(clock, **changed) -> str:
    values = {"event": "password_changed", "when": clock().isoformat()}
    return outbox.put(
        clock(), **{"purpose": "notice", "channel": "email", "to": "a@example.org", "values": values, **changed}
    )


def work_for(post, clock, **duration) -> None:
    """A look every few seconds, as a worker that runs."""
    end = clock() + timedelta(**duration)
    while clock() <= end:
        post.work()
        clock.advance(seconds=5)


def is_told_of_faults(clock, *about: str) -> bool:
    seen = watch_messages.Overview(now=clock())
    alarms = {one.id: one.about for one in seen.alarms}
    return alarms.get("faults") == about and any(one.outcome == "fault" for one in seen.errors)


# --- requests for recovery


@pytest.fixture
def both_ask(cast, monkeypatch):
    """Fatima, whose answer meets the given trouble, and after her Youssef."""

    def ask(trouble: Exception) -> None:
        Visitor().ask(FATIMA.login, phone=FATIMA_PHONE)
        Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
        hers = failing(trouble, recover_password.answer, lambda one, now: one.form.login == FATIMA.login)
        monkeypatch.setattr(recover_password, "answer", hers)

    return ask


@named
def test_a_request_that_meets_a_fault_is_tried_again_and_holds_up_nobody(both_ask, post, clock, monkeypatch, trouble):
    both_ask(trouble)
    assert len(secrets(post, YOUSSEF_EMAIL)) == 1
    row = RecoveryRequest.objects.get(state="claimed")
    assert row.ciphertext and row.reason == f"fault: {type(trouble).__name__}" and row.lease_until > clock()
    monkeypatch.undo()  # the fault was mended
    clock.advance(seconds=1)
    assert len(secrets(post, FATIMA_PHONE)) == 1


@named
def test_a_request_that_meets_a_fault_each_time_fails_with_an_alarm(both_ask, post, clock, trouble):
    both_ask(trouble)
    work_for(post, clock, minutes=9)
    row = RecoveryRequest.objects.get(state="failed")
    assert row.ciphertext is None and row.done_at and row.tries == delivery.requests.MOST_TRIES
    assert secrets(post, FATIMA_PHONE) == [] and is_told_of_faults(clock, "recovery")
    assert delivery.counters.read()["massar_faults_total", ("recovery",)] == 1
    clock.advance(hours=25)
    post.work()
    assert not RecoveryRequest.objects.exists()


def test_a_request_that_kills_its_workers_ends_too(cast, post, clock):
    Visitor().ask(FATIMA.login, phone=FATIMA_PHONE)
    for _ in range(delivery.requests.MOST_TRIES):
        delivery.requests.claim(1, now=clock())
        clock.advance(seconds=21)
    post.work()
    assert RecoveryRequest.objects.get().state == "failed" and is_told_of_faults(clock, "recovery")


@pytest.mark.both_databases
@pytest.mark.parametrize("trouble", AWAY)
def test_a_request_waits_while_the_database_is_away(both_ask, post, clock, trouble):
    """One that makes the database give up counts as a try; who was only claimed with it is free at once."""
    both_ask(trouble)
    with pytest.raises(type(trouble)):
        post.work()
    hers, his = RecoveryRequest.objects.order_by("id")
    assert (hers.state, hers.tries, his.state, his.tries) == ("claimed", 1, "claimed", 0)
    assert len(secrets(post, YOUSSEF_EMAIL)) == 1


# --- messages


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_a_message_that_nobody_can_write_fails_alone(db, post, clock, channel):
    """By SMS already its price can't be told, so it meets the fault while it is claimed with the others."""
    to = {"email": "b@example.org", "sms": "+212661999999"}[channel]
    broken = put(clock, purpose="of_a_version_to_come", channel=channel, to=to, priority=1)
    good = put(clock, channel=channel, to=to)
    work_for(post, clock, seconds=60)
    assert Message.objects.get(uid=good).state == "submitted"
    row = Message.objects.get(uid=broken)
    assert (row.state, row.reason, row.ciphertext) == ("failed", "fault: KeyError", None)
    assert Attempt.objects.filter(message=row, outcome="fault").count() == delivery.outbox.MOST_FAULTS
    assert is_told_of_faults(clock, "of_a_version_to_come")


@named
def test_an_answer_that_can_not_be_stored_ends_alone(db, post, clock, monkeypatch, trouble):
    """It has left and may have arrived: it does not leave again."""
    broken, good = put(clock, to="b@example.org"), put(clock)
    mine = lambda taken, now: any(one.message.uid == broken for one in taken)  # noqa: E731
    monkeypatch.setattr(delivery.outbox, "accept", failing(trouble, delivery.outbox.accept, mine))
    work_for(post, clock, seconds=60)
    assert Message.objects.get(uid=good).state == "submitted" and len(post.email.received) == 2
    row = Message.objects.get(uid=broken)
    assert (row.state, row.reason, row.ciphertext) == ("failed", f"fault: {type(trouble).__name__}", None)
    assert is_told_of_faults(clock, "notice")


@pytest.mark.parametrize("trouble", AWAY)
def test_what_providers_answered_is_kept_until_it_can_be_stored(cast, post, monkeypatch, trouble):
    Visitor().ask(FATIMA.login, phone=FATIMA_PHONE)
    with monkeypatch.context() as patch:
        patch.setattr(LeasedDelivery, "settle", failing(trouble))
        with pytest.raises(type(trouble)):
            post.work()
        assert Message.objects.get().state == "sending"
    post.work()
    assert Message.objects.get().state != "sending" and len(secrets(post, FATIMA_PHONE)) == 1


def test_answers_are_kept_where_the_database_goes_while_they_are_stored_alone(db, post, clock, monkeypatch):
    put(clock), put(clock)
    steps = iter([KeyError("together"), OperationalError("gone")])

    def settle(way, done, **words):
        raise next(steps)

    with monkeypatch.context() as patch:
        patch.setattr(LeasedDelivery, "settle", settle)
        with pytest.raises(OperationalError):
            post.work()
    post.work()
    assert {row.state for row in Message.objects.all()} == {"submitted"} and len(post.email.received) == 2


# --- receipts, and what is done now and then


def test_a_receipt_that_meets_a_fault_is_told_again_and_the_others_are_stored(db, post, monkeypatch):
    broken, good = (delivery.Receipt("sms-a", name, "delivered") for name in ("broken", "good"))
    take = take_receipt.take
    theirs = lambda told, now: broken in [one for one, _ in told]  # noqa: E731
    monkeypatch.setattr(take_receipt, "take", failing(OF_OURS[0], take, theirs))
    futures = [post.worker.take_receipt(one) for one in (broken, good)]
    post.worker.turn()
    assert isinstance(futures[0].exception(timeout=1), DataError) and futures[1].result(timeout=1) is None
    assert delivery.counters.read()["massar_faults_total", ("receipt",)] == 1


def test_no_receipt_is_told_to_be_stored_while_the_database_is_away(db, post, monkeypatch):
    monkeypatch.setattr(take_receipt, "take", failing(AWAY[0]))
    futures = [post.worker.take_receipt(delivery.Receipt("sms-a", name, "delivered")) for name in "ab"]
    with pytest.raises(OperationalError):
        post.worker.turn()
    assert all(isinstance(one.exception(timeout=1), Error) for one in futures)


@named
def test_one_sweep_that_meets_a_fault_stops_no_other_and_no_message(cast, post, monkeypatch, caplog, trouble):
    swept = []
    monkeypatch.setitem(retention.BY_THE_MINUTE, "rate_limits", failing(trouble))
    monkeypatch.setattr(take_receipt, "sweep", failing(trouble))
    monkeypatch.setattr(delivery.alarms, "find_active", failing(trouble))
    monkeypatch.setitem(retention.BY_THE_MINUTE, "replay_cache", lambda now: swept.append(now))
    Visitor().ask(FATIMA.login, phone=FATIMA_PHONE)
    assert len(secrets(post, FATIMA_PHONE)) == 1 and swept
    assert (
        caplog.text.count("done now and then") == 2
        and "job of retention rate_limits" in caplog.text
        and FATIMA_PHONE not in caplog.text
    )
