"""Receipts that name their message in another spelling, of several segments, or by a name that was used before."""

from __future__ import annotations

from datetime import timedelta

import pytest

from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Part, UnmatchedReceipt
from massar.domain.delivery.outbox import Acceptance
from massar.journeys.messages import take_receipt
from tests.domain.receipt_steps import NOW, NUMBER, again, begun, receipt, router, sent, tell
from tests.support.plans import whole_reads

pytestmark = pytest.mark.django_db
OTHER = "+212661999999"
SPELT = [
    ("77", "0000077"), ("0000077", "77"), ("a3F", "A3f"), ("A3F", "0a3f"), ("0A3F", "a3f"), ("A3F", "2623"),
    ("a3f", "0002623"), ("2623", "A3F"), ("2623", "00000a3f"), ("4097", "1001"), ("1001", "4097"), ("00001001", "4097"),
    ("0x3E9", "1001"), ("1001", "0x3e9"), ("x3e9", "1001"), ("550E8400-E29B", "550e8400-e29b"), ("MSG-0a", "msg-0A"),
    ("77", " 77 "), ("18446744073709551615", "ffffffffffffffff"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "said"), SPELT)
@pytest.mark.parametrize("to", ["", NUMBER])
def test_an_id_may_come_back_in_another_spelling(answer, said, to):
    message, other = sent(answer), sent("zz", to=OTHER)
    tell(receipt(said, "underway", to=to))
    tell(receipt(said, to=to))
    assert again(message).state == "delivered" and again(other).state == "awaiting_receipt"
    tell(receipt(said, to=to))
    assert not UnmatchedReceipt.objects.exists(), "a repeat is known"


@pytest.mark.parametrize(("answer", "said"), SPELT)
def test_also_where_the_receipt_came_before_the_answer(answer, said):
    letter = begun()
    tell(receipt(said, "failed", code="UNDELIV"))
    delivery.outbox.accept([Acceptance(letter, "iam", (answer,), True, 1, 0)], now=NOW + timedelta(seconds=1))
    take_receipt.sweep(router=router("iam"), now=NOW + timedelta(seconds=2))
    assert Part.objects.get().state == "failed" and not UnmatchedReceipt.objects.exists()


@pytest.mark.parametrize(("answers", "said"), [
    (("077", "0077"), "77"), (("aB", "Ab"), "AB"), (("00a3f", "A3F"), "2623"), (("x3e9", "3e9"), "1001"),
])  # fmt: skip
def test_where_two_may_be_meant_nothing_is_guessed(answers, said):
    both = [sent(answer, to=to) for answer, to in zip(answers, (NUMBER, OTHER), strict=True)]
    tell(receipt(said))
    assert [again(one).state for one in both] == [
        "awaiting_receipt",
        "awaiting_receipt",
    ] and UnmatchedReceipt.objects.count() == 1
    tell(receipt(said, to=OTHER))
    assert [again(one).state for one in both] == ["awaiting_receipt", "delivered"], "the number tells which"


@pytest.mark.parametrize("answer", ["1001", "1001 ", "01001"])
def test_the_same_name_comes_before_another_base(answer):
    same, hexadecimal, decimal = sent(answer.strip()), sent("3e9", to=OTHER), sent("4097", to="+212661000001")
    tell(receipt(answer))
    assert [again(one).state for one in (same, hexadecimal, decimal)] == [
        "delivered",
        "awaiting_receipt",
        "awaiting_receipt",
    ]


def test_the_number_tells_an_equal_name_from_another_base():
    """An SMSC that answers in hexadecimal and reports in decimal: 1001 is the name of one message and means the
    other."""
    named, meant = sent("1001"), sent("3E9", to=OTHER)
    tell(receipt("1001", to=OTHER))
    assert (again(named).state, again(meant).state) == ("awaiting_receipt", "delivered")


@pytest.mark.parametrize("changed", [{"to": OTHER}, {"provider": "other"}])
def test_another_spelling_is_not_believed_for_another_number_or_provider(changed):
    message = sent("0077")
    tell(receipt("77", **changed))
    assert again(message).state == "awaiting_receipt" and UnmatchedReceipt.objects.count() == 1


def test_an_equal_name_is_believed_whatever_number_is_told():
    """Some SMSCs put our own sender where the person's number belongs."""
    message = sent("77")
    tell(receipt("77", to=OTHER))
    assert again(message).state == "delivered"


@pytest.mark.parametrize("reference", ["0", "000", "-", ""])
def test_what_tells_nothing_apart_is_like_nothing(reference):
    message = sent("00")
    tell(receipt(reference))
    assert again(message).state == "awaiting_receipt"


def test_an_old_message_is_not_meant_by_another_spelling():
    old = sent("0077", now=NOW - timedelta(days=4))
    tell(receipt("77"))
    assert again(old).delivered_at is None and UnmatchedReceipt.objects.count() == 1


# -- the same id on another day


def test_an_id_of_yesterday_whose_receipt_never_came_is_not_meant_today():
    old = sent("77", now=NOW - timedelta(days=1))
    take_receipt.sweep(router=router("iam"), now=NOW)
    new = sent("77", to=OTHER)
    tell(receipt("77"))
    assert again(new).state == "delivered" and (again(old).state, old.delivered_at) == ("submitted", None)


def test_a_late_word_about_yesterdays_is_told_apart_by_its_number():
    old = sent("77", now=NOW - timedelta(days=1))
    take_receipt.sweep(router=router("iam"), now=NOW)
    new = sent("77", to=OTHER)
    tell(receipt("77", "failed", to=NUMBER))
    tell(receipt("77", to=OTHER))
    assert again(new).state == "delivered" and again(old).delivered_at is None
    assert list(Part.objects.order_by("id").values_list("state", flat=True)) == ["failed", "delivered"]


def test_a_repeat_of_todays_does_not_settle_yesterdays():
    old = sent("77", now=NOW - timedelta(days=1))
    new = sent("77", to=OTHER)
    tell(receipt("77"), receipt("77"))
    tell(receipt("77"))
    assert again(new).state == "delivered" and again(old).delivered_at is None


def test_a_receipt_that_is_over_for_its_number_waits_for_its_own_message():
    """Yesterday's name comes again, and its receipt before the answer."""
    old = sent("77", now=NOW - timedelta(days=1))
    take_receipt.sweep(router=router("iam"), now=NOW)
    letter = begun(to=OTHER)
    tell(receipt("77", to=OTHER))
    delivery.outbox.accept([Acceptance(letter, "iam", ("77",), True, 1, 0)], now=NOW + timedelta(seconds=1))
    take_receipt.sweep(router=router("iam"), now=NOW + timedelta(seconds=2))
    assert again(old).delivered_at is None
    assert Part.objects.get(message_id=letter.id).state == "delivered"


def test_a_stray_of_yesterday_is_nobodys_today():
    tell(receipt("77"), now=NOW - timedelta(days=1))
    message = sent("77")
    take_receipt.sweep(router=router("iam"), now=NOW + timedelta(seconds=1))
    assert again(message).state == "awaiting_receipt"


def test_one_stray_tells_of_one_message():
    tell(receipt("77", to=OTHER))
    messages = [sent("77"), sent("77", to=OTHER)]
    take_receipt.sweep(router=router("iam"), now=NOW + timedelta(seconds=1))
    assert [again(one).state for one in messages] == ["awaiting_receipt", "delivered"]


# -- segments


@pytest.mark.parametrize("names", [("0A", "0B", "0C"), ("10", "11", "12")])
def test_segments_in_another_spelling_are_told_one_by_one(names):
    said = [name.lower().lstrip("0") for name in names]
    message = sent(*names)
    tell(receipt(said[0]), receipt(said[1], "underway"))
    assert again(message).state == "awaiting_receipt"
    tell(receipt(said[1]), receipt(said[2]))
    assert again(message).state == "delivered"


def test_segments_of_one_name_are_told_together():
    """Some SMSCs answer every segment with one id and report once."""
    message = sent("5", "5")
    tell(receipt("5"))
    assert again(message).state == "delivered"


@pytest.mark.parametrize("states", [("delivered", "failed"), ("failed", "delivered")])
@pytest.mark.parametrize(("names", "segments"), [(("5", "5"), 2), (("5",), 2)])
def test_one_bad_segment_among_those_of_one_name_is_enough(states, names, segments):
    letter = begun()
    delivery.outbox.accept([Acceptance(letter, "iam", names, True, segments, 0)], now=NOW)
    tell(*(receipt("5", state) for state in states))
    take_receipt.sweep(router=router("iam"), now=NOW)
    assert set(Part.objects.values_list("state", flat=True)) == {"failed"}


@pytest.mark.parametrize("states", [("delivered", "failed"), ("failed", "delivered")])
def test_of_one_sms_the_first_last_word_counts(states):
    sent("5")
    tell(*(receipt("5", state) for state in states))
    assert Part.objects.get().state == states[0]


# -- by our own address


def test_a_call_at_a_messages_own_address_means_its_segment_of_that_name():
    """A gateway that calls every message 0: the address knows which."""
    first, second = sent("0"), sent("0", to=OTHER)
    tell(receipt("0"), uid=first.uid)
    assert (again(first).state, again(second).state) == ("delivered", "awaiting_receipt")


def test_a_name_known_for_another_message_is_not_taken_for_one_without():
    nameless, named = sent(), sent("77", to=OTHER)
    tell(receipt("77"), uid=nameless.uid)
    assert (again(nameless).state, again(named).state) == ("awaiting_receipt", "delivered")


def test_names_are_found_by_index(vendor):
    if vendor != "sqlite":
        pytest.skip("SQLite alone tells its plan whatever the tables hold")
    sent("0077")
    asked, whole = whole_reads(lambda: tell(receipt("77"), receipt("78"), receipt("0077", to=NUMBER)))
    assert asked >= 3 and whole == {}
