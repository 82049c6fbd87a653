"""Receipts: matched, repeated, early, of segments, instead of an answer; and that nothing final is ever taken back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Attempt, Message, Part, UnmatchedReceipt
from massar.domain.delivery.outbox import Acceptance
from massar.journeys.messages import take_receipt
from tests.domain.receipt_steps import LONGEST, NOW, NUMBER, again, begun, receipt, router, sent, tell

pytestmark = pytest.mark.django_db
outbox = delivery.outbox


def test_delivered_wipes_what_was_kept_for_another_try():
    message = sent("77")
    assert (message.state, message.provider) == ("awaiting_receipt", "iam") and message.ciphertext
    tell(receipt("77"), now=NOW + timedelta(seconds=4))
    assert (again(message).state, message.ciphertext) == ("delivered", None)
    assert message.delivered_at == NOW + timedelta(seconds=4) and message.submitted_at == NOW


def test_without_a_receipt_to_come_it_is_handed_over_and_that_is_all():
    message = sent("77", receipt=False)
    assert (message.state, message.ciphertext) == ("submitted", None) and not Part.objects.exists()


def test_a_word_on_the_way_settles_nothing():
    message = sent("77")
    tell(receipt("77", "underway"))
    assert again(message).state == "awaiting_receipt"
    tell(receipt("77"))
    assert again(message).state == "delivered"


def test_a_repeat_or_a_change_of_mind_changes_nothing():
    message = sent("77")
    tell(receipt("77"), receipt("77"))
    tell(receipt("77", "failed", code="UNDELIV"), now=NOW + timedelta(seconds=9))
    take_receipt.sweep(router=router("iam", "other"), now=NOW + timedelta(seconds=9))
    assert again(message).state == "delivered" and message.delivered_at == NOW
    assert not UnmatchedReceipt.objects.exists()


def test_all_segments_must_arrive_and_one_that_does_not_is_enough():
    both, lost = sent("1", "2"), sent("3", "4", to="+212661999999")
    tell(receipt("1"), receipt("3"))
    assert again(both).state == "awaiting_receipt" and again(lost).state == "awaiting_receipt"
    tell(receipt("2"), receipt("4", "failed", code="REJECTD"))
    assert again(both).state == "delivered"
    take_receipt.sweep(router=router("iam"), now=NOW)
    assert (again(lost).state, lost.reason, lost.ciphertext) == ("failed", "REJECTD", None)


@pytest.mark.parametrize(("others", "minutes_left", "state"), [
    (("iam", "other"), 10, "queued"), (("iam",), 10, "failed"), (("iam", "other"), 2, "failed"),
])  # fmt: skip
def test_not_delivered_tries_another_provider_while_there_is_time(others, minutes_left, state):
    message = sent("77")
    now = NOW + timedelta(minutes=10 - minutes_left)
    tell(receipt("77", "failed", code="UNDELIV"), now=now)
    take_receipt.sweep(router=router(*others), now=now)
    assert again(message).state == state
    if state == "queued":
        (letter,) = outbox.claim(5, now=now)
        assert letter.tried == ("iam",) and router(*others).choose(letter, now).name == "other"


def test_a_receipt_before_the_answer_waits_for_it():
    letter = begun()
    tell(receipt("77", to=NUMBER))
    assert UnmatchedReceipt.objects.count() == 1
    outbox.accept([Acceptance(letter, "iam", ("77",), True, 1, 0)], now=NOW)
    take_receipt.sweep(router=router("iam"), now=NOW)
    assert Message.objects.get().state == "delivered" and not UnmatchedReceipt.objects.exists()


def test_a_receipt_instead_of_an_answer_is_the_answer():
    """The worker died between hand-over and answer; its lease lapses, but no twin is sent."""
    letter = begun()
    tell(receipt("77", to=NUMBER), now=NOW + timedelta(seconds=3))
    lapses = NOW + LONGEST + outbox.GRACE
    take_receipt.sweep(router=router("iam"), now=NOW + timedelta(seconds=3))
    assert Message.objects.get().state == "sending", "its worker may still live"
    take_receipt.sweep(router=router("iam"), now=lapses - timedelta(seconds=1))
    message = Message.objects.get()
    assert message.state == "delivered" and outbox.claim(5, now=lapses) == []
    assert Attempt.objects.get().outcome == "reconciled"
    assert not outbox.accept([Acceptance(letter, "iam", ("77",), True, 1, 0)], now=lapses), (
        "the lease is nobody's any more"
    )


def test_an_unsure_answer_is_made_sure_by_its_receipt():
    letter = begun()
    outbox.end_attempt(letter, "unsure", now=NOW, code="no answer in time")
    outbox.later(letter, now=NOW, reason="no answer in time", pause=outbox.GRACE)
    tell(receipt("77", to=NUMBER), now=NOW + timedelta(seconds=2))
    take_receipt.sweep(router=router("iam"), now=NOW + timedelta(seconds=2))
    assert Message.objects.get().state == "delivered" and outbox.claim(5, now=NOW + outbox.GRACE) == []


@pytest.mark.parametrize("changed", [{"to": "+212661123457"}, {"to": ""}, {"provider": "other", "to": NUMBER}])
def test_a_receipt_of_somebody_else_is_not_adopted(changed):
    begun()
    tell(receipt("77", **changed), now=NOW + timedelta(seconds=3))
    take_receipt.sweep(router=router("iam"), now=NOW + timedelta(seconds=19))
    assert Message.objects.get().state == "sending"


def test_two_messages_on_their_way_to_one_number_are_not_guessed_at():
    begun()
    begun(now=NOW + timedelta(milliseconds=1))
    tell(receipt("77", to=NUMBER), now=NOW + timedelta(seconds=3))
    take_receipt.sweep(router=router("iam"), now=NOW + timedelta(seconds=19))
    assert set(Message.objects.values_list("state", flat=True)) == {"sending"}


def test_no_word_before_its_end_leaves_it_handed_over_and_a_late_one_is_still_written_down():
    message = sent("77")
    take_receipt.sweep(router=router("iam"), now=NOW + timedelta(minutes=10))
    assert (again(message).state, message.ciphertext, message.delivered_at) == ("submitted", None, None)
    late = NOW + timedelta(hours=2)
    tell(receipt("77"), now=late)
    assert (again(message).state, message.delivered_at) == ("submitted", late)


def test_a_provider_that_names_messages_by_our_own_name():
    """An HTTP gateway whose answer has no id, and whose call-back comes to an address that holds ours."""
    message = sent()
    tell(receipt(""), uid=message.uid)
    assert again(message).state == "delivered"


def test_references_used_again_by_the_provider_belong_to_the_newest():
    old = sent("77", now=NOW)
    tell(receipt("77"))
    new = sent("77", to="+212661000000", now=NOW + timedelta(days=1))
    tell(receipt("77"), now=NOW + timedelta(days=1, seconds=1))
    assert again(new).state == "delivered" and again(old).delivered_at == NOW


def test_strays_are_forgotten():
    tell(receipt("nobody's"))
    assert delivery.receipts.sweep(now=NOW + timedelta(days=2)) == 0
    assert delivery.receipts.sweep(now=NOW + timedelta(days=4)) == 1


def test_messages_that_wait_for_another_providers_word_do_not_fill_the_list():
    """A hundred are read at a time: those that were sent again already have been dealt with."""
    for number in range(101):
        message = sent(f"old-{number}")
        Part.objects.filter(message=message).update(state="failed", code="UNDELIV")
        Part.objects.create(provider="inwi", reference=f"again-{number}", message=message, number=2, sent_at=NOW)
    new = sent("new", now=NOW + timedelta(minutes=1))
    Part.objects.filter(message=new).update(state="failed", code="UNDELIV")
    assert [told.message_id for told in delivery.receipts.undelivered()] == [new.pk]
