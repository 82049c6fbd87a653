"""The outbox: leases, repeats, lateness, and that final rows keep nothing readable."""

from datetime import timedelta

import pytest

from massar.core import sql
from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Attempt, Message, Part
from massar.domain.delivery.outbox import FINAL, LEASE, MOST_ATTEMPTS, MOVES, State
from tests.support.outbox import LONGEST, NOW, accept, begun, put

pytestmark = pytest.mark.django_db
outbox, requests = delivery.outbox, delivery.requests
SECRET = {"secret": "kdmwt47392"}
ASKED = delivery.TypedRecovery("a@taalim.ma", "email", "a@example.org", "", "", "", "", "")


def claim(now=NOW, most=10):
    return outbox.claim(most, channel="sms", now=now)


def test_a_message_is_encrypted_and_readable_for_the_worker_only():
    put(NOW, values=SECRET)
    row = Message.objects.get()
    assert b"kdmwt" not in bytes(row.ciphertext) and b"661" not in bytes(row.ciphertext)
    (letter,) = claim()
    assert letter.to == "+212661123456" and letter.values == SECRET and letter.attempt == 1
    assert "kdmwt" not in repr(letter) and "661" not in repr(letter)


def test_a_claimed_message_is_nobody_elses_until_the_lease_ends():
    put(NOW)
    (first,) = claim()
    assert claim() == [] and claim(NOW + LEASE - timedelta(seconds=1)) == []
    (second,) = claim(NOW + LEASE)
    assert second.attempt == 2
    assert not outbox.finish(first.id, first.lease, State.SUBMITTED, now=NOW), "who lost the lease settles nothing"
    assert not outbox.later(first, now=NOW, reason="x")
    assert outbox.finish(second.id, second.lease, State.SUBMITTED, now=NOW)


def wrong_statistics(vendor: str) -> None:
    """A queue that has filled since they were made. PostgreSQL may then run an inner SELECT once for each row."""
    if vendor == "postgresql":
        sql.execute("ANALYZE delivery_message, delivery_recoveryrequest")
        for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material"):
            sql.execute(f"SET LOCAL enable_{way} = off")


@pytest.mark.parametrize(("add", "claimed"), [
    (lambda number: put(NOW), claim), (lambda number: requests.put(f"form-{number}", ASKED, now=NOW),
                                       lambda most: requests.claim(most, now=NOW)),
], ids=["messages", "requests"])  # fmt: skip
def test_a_claim_takes_no_more_than_it_was_asked_for(vendor, add, claimed):
    add(0)
    wrong_statistics(vendor)
    for number in range(8):
        add(1 + number)
    assert len(claimed(most=2)) == 2


def test_what_is_settled_again_is_kept_and_paid_once():
    """The database went after the commit and before its answer: the worker settles what it still knows."""
    letter = begun()
    taken = [outbox.Acceptance(letter, "iam", ("77", "78"), True, 2, 50)]
    assert outbox.accept(taken, now=NOW) == taken and outbox.accept(taken, now=NOW) == []
    row = Message.objects.get()
    assert (row.state, row.segments, row.cost) == (State.AWAITING_RECEIPT, 2, 50)
    assert sorted(Part.objects.values_list("reference", flat=True)) == ["77", "78"]


@pytest.mark.parametrize("state", FINAL)
def test_final_rows_keep_neither_body_nor_destination_and_are_never_left(state):
    put(NOW)
    (letter,) = claim()
    assert outbox.finish(letter.id, letter.lease, state, now=NOW, reason="r" * 200)
    row = Message.objects.get()
    assert row.ciphertext is None and row.state == state and row.final_at == NOW and len(row.reason) == 80
    assert not outbox.finish(letter.id, letter.lease, State.SUBMITTED, now=NOW)
    assert claim(NOW + timedelta(days=1)) == [] and MOVES[state] == set()


def test_urgent_messages_go_first():
    for priority in (5, 1, 2):
        put(NOW, to=f"+21266110000{priority}", priority=priority)
    assert [claim(most=1)[0].to[-1] for _ in range(3)] == ["1", "2", "5"]


def test_pauses_grow_and_end():
    put(NOW, within=timedelta(days=9))
    now, pauses = NOW, []
    for _ in range(MOST_ATTEMPTS):
        (letter,) = claim(now)
        assert outbox.later(letter, now=now, reason="busy")
        row = Message.objects.get()
        if row.state == "queued":
            pauses.append((row.not_before - now).total_seconds())
            assert claim(now) == []
            now = row.not_before
    assert pauses == sorted(pauses) and len(pauses) == MOST_ATTEMPTS - 1
    assert Message.objects.get().state == "failed" and Message.objects.get().ciphertext is None


def test_the_end_is_fixed_once_and_too_late_is_judged_before_it():
    put(NOW, lifetime=timedelta(minutes=10))
    (letter,) = claim()
    outbox.fix_expiry([letter], NOW + timedelta(minutes=10))
    outbox.fix_expiry([letter], NOW + timedelta(minutes=99))
    assert Message.objects.get().expires_at == NOW + timedelta(minutes=10)
    (letter,) = claim(NOW + LEASE)
    assert not letter.too_late(NOW + timedelta(minutes=9, seconds=29))
    assert letter.too_late(NOW + timedelta(minutes=9, seconds=30)), "half a minute is of no use to anybody"


def test_an_attempt_without_outcome_was_interrupted_when_the_next_begins():
    begun()
    (second,) = claim(NOW + LONGEST + outbox.GRACE)
    outbox.begin_attempts([second], "iam", longest=LONGEST, now=NOW + LEASE)
    assert accept(second, "77", now=NOW + LEASE) and second.tried == ("iam",)
    assert [*Attempt.objects.order_by("number").values_list("outcome", flat=True)] == ["interrupted", "accepted"]


def test_a_body_that_can_not_be_opened_fails_alone():
    put(NOW)
    put(NOW, to="+212661000222")
    Message.objects.filter(pk=Message.objects.earliest("id").pk).update(ciphertext=b"spoiled")
    assert [letter.to for letter in claim()] == ["+212661000222"]
    assert Message.objects.earliest("id").state == "failed"


def test_requests_are_put_once_claimed_under_a_lease_and_wiped():
    assert requests.put("form-1", ASKED, now=NOW) and not requests.put("form-1", ASKED, now=NOW)
    (claimed,) = requests.claim(5, now=NOW)
    assert claimed.form == ASKED and requests.claim(5, now=NOW) == []
    (again,) = requests.claim(5, now=NOW + requests.LEASE)
    assert not requests.finish(claimed, now=NOW) and requests.finish(again, now=NOW)
    assert requests.sweep(now=NOW, keep=timedelta(days=1)) == 0
    assert requests.sweep(now=NOW + timedelta(days=1, seconds=1), keep=timedelta(days=1)) == 1
