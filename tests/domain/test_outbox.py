"""The outbox: leases, repeats, lateness, and that final rows keep nothing readable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from massar.core import sql
from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Attempt, Message, Part
from massar.domain.delivery.outbox import FINAL, LEASE, MOST_ATTEMPTS, MOVES, State

pytestmark = pytest.mark.django_db
outbox = delivery.outbox
NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)
LATER = timedelta(minutes=30)
LONGEST = timedelta(seconds=40)


def put(**changed) -> str:
    values = {"purpose": "notice", "channel": "email", "language": "ar", "person_id": 1, "to": "a@example.org",
              "values": {"secret": "kdmwt47392"}, "now": NOW, "within": LATER}  # fmt: skip
    return outbox.put(**{**values, **changed})


def claim(now=NOW, most=10):
    return outbox.claim(most, now=now)


def test_a_message_is_encrypted_and_readable_for_the_worker_only():
    put()
    row = Message.objects.get()
    assert b"kdmwt" not in bytes(row.ciphertext) and b"example" not in bytes(row.ciphertext)
    (letter,) = claim()
    assert letter.to == "a@example.org" and letter.values == {"secret": "kdmwt47392"} and letter.attempt == 1


def test_a_claimed_message_is_nobody_elses_until_the_lease_ends():
    put()
    claim()
    assert claim() == [] and claim(NOW + LEASE - timedelta(seconds=1)) == []
    (again,) = claim(NOW + LEASE)
    assert again.attempt == 2


def wrong_statistics(vendor: str) -> None:
    """A queue that has filled since they were made. PostgreSQL may then run an inner SELECT once for each row."""
    if vendor == "postgresql":
        sql.execute("ANALYZE delivery_message, delivery_recoveryrequest")
        for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material"):
            sql.execute(f"SET LOCAL enable_{way} = off")


def test_a_claim_takes_no_more_than_it_was_asked_for(vendor):
    put()
    wrong_statistics(vendor)
    for _ in range(8):
        put()
    assert len(claim(most=2)) == 2


def test_who_lost_the_lease_settles_nothing():
    put()
    (first,) = claim()
    (second,) = claim(NOW + LEASE)
    assert not outbox.finish(first.id, first.lease, State.SUBMITTED, now=NOW)
    assert not outbox.later(first, now=NOW, reason="x")
    assert outbox.finish(second.id, second.lease, State.SUBMITTED, now=NOW)


def test_what_is_settled_again_is_kept_and_paid_once():
    """The database went after the commit and before its answer: the worker settles what it still knows."""
    put(channel="sms", to="+212661000222")
    (letter,) = claim()
    outbox.begin_attempts([letter], "iam", longest=LONGEST, now=NOW)
    taken = [outbox.Acceptance(letter, "iam", ("77", "78"), True, 2, 50)]
    assert outbox.accept(taken, now=NOW) == taken
    assert outbox.accept(taken, now=NOW) == []
    row = Message.objects.get()
    assert (row.state, row.segments, row.cost) == (State.AWAITING_RECEIPT, 2, 50)
    assert sorted(Part.objects.values_list("reference", flat=True)) == ["77", "78"]


@pytest.mark.parametrize("state", FINAL)
def test_final_rows_keep_neither_body_nor_destination_and_are_never_left(state):
    put()
    (letter,) = claim()
    assert outbox.finish(letter.id, letter.lease, state, now=NOW, reason="r" * 200)
    row = Message.objects.get()
    assert row.ciphertext is None and row.state == state and row.final_at == NOW and len(row.reason) == 80
    assert not outbox.finish(letter.id, letter.lease, State.SUBMITTED, now=NOW)
    assert claim(NOW + timedelta(days=1)) == [] and MOVES[state] == set()


def test_urgent_messages_go_first():
    put(to="notice@example.org")
    put(to="secret@example.org", priority=1)
    put(to="code@example.org", priority=2)
    urgent = [outbox.claim(1, now=NOW)[0].to for _ in range(3)]
    assert urgent == ["secret@example.org", "code@example.org", "notice@example.org"]


def test_pauses_grow_and_end():
    put(within=timedelta(days=9))
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


def test_the_end_is_fixed_once():
    put(lifetime=timedelta(minutes=10))
    (letter,) = claim()
    outbox.fix_expiry([letter], NOW + timedelta(minutes=10))
    outbox.fix_expiry([letter], NOW + timedelta(minutes=99))
    assert Message.objects.get().expires_at == NOW + timedelta(minutes=10)


def test_too_late_is_judged_before_the_secret_ends():
    put(expires_at=NOW + timedelta(minutes=10))
    (letter,) = claim()
    assert not letter.too_late(NOW + timedelta(minutes=9, seconds=29))
    assert letter.too_late(NOW + timedelta(minutes=9, seconds=30)), "half a minute is of no use to anybody"


def test_an_attempt_without_outcome_is_marked_when_the_next_begins():
    put()
    (first,) = claim()
    outbox.begin_attempts([first], "provider", longest=LONGEST, now=NOW)
    (second,) = claim(NOW + LEASE)
    outbox.begin_attempts([second], "provider", longest=LONGEST, now=NOW + LEASE)
    outbox.end_attempt(second, "accepted", now=NOW + LEASE, reference="ref")
    assert list(Attempt.objects.order_by("number").values_list("outcome", flat=True)) == [
        "unknown",
        "accepted",
    ]


def test_a_body_that_can_not_be_opened_fails_alone():
    put(to="first@example.org")
    put(to="second@example.org")
    Message.objects.filter(pk=Message.objects.earliest("id").pk).update(ciphertext=b"spoiled")
    assert [letter.to for letter in claim()] == ["second@example.org"]
    assert Message.objects.earliest("id").state == "failed"


def test_what_waits_is_counted():
    put(temporary_id=5)
    put()
    assert outbox.waiting() == {"queued": 2}


ASKED = delivery.RecoveryForm("a@taalim.ma", "email", "a@example.org", "", "", "", "", "")


def test_a_claim_of_requests_takes_no_more_than_it_was_asked_for(vendor):
    delivery.requests.put("form", ASKED, now=NOW)
    wrong_statistics(vendor)
    for number in range(8):
        delivery.requests.put(f"form-{number}", ASKED, now=NOW)
    assert len(delivery.requests.claim(2, now=NOW)) == 2


def test_requests_are_put_once_claimed_under_a_lease_and_wiped():
    assert delivery.requests.put("form-1", ASKED, now=NOW) and not delivery.requests.put("form-1", ASKED, now=NOW)
    (claimed,) = delivery.requests.claim(5, now=NOW)
    assert claimed.form == ASKED and delivery.requests.claim(5, now=NOW) == []
    (again,) = delivery.requests.claim(5, now=NOW + delivery.requests.LEASE)
    assert not delivery.requests.finish(claimed, now=NOW) and delivery.requests.finish(again, now=NOW)
    assert delivery.requests.sweep(now=NOW) == 0
    assert delivery.requests.sweep(now=NOW + timedelta(days=1, seconds=1)) == 1
