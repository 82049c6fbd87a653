"""Receipts: matched, repeated, early, of segments, instead of an answer; and that nothing final is ever taken back."""

from datetime import timedelta

import pytest

from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Attempt, Message, Part, UnmatchedReceipt
from massar.journeys.messages import take_receipt
from tests.support.outbox import LONGEST, NOW, NUMBER, accept, again, begun, receipt, router, sent, sweep, tell
from tests.support.plans import reads

pytestmark = pytest.mark.django_db
outbox = delivery.outbox
OTHER = "+212661999999"
DAY = timedelta(days=1)


def claim(now) -> list[delivery.QueuedMessage]:
    return outbox.claim(5, channel="sms", now=now)


def states(*messages: Message) -> list[str]:
    return [again(one).state for one in messages]


def test_delivered_wipes_what_was_kept_for_another_try():
    message = sent("77")
    assert (message.state, message.provider) == ("awaiting_receipt", "iam") and message.ciphertext
    tell(receipt("77", "underway"))
    assert states(message) == ["awaiting_receipt"], "a word on the way settles nothing"
    tell(receipt("77"), now=NOW + timedelta(seconds=4))
    assert (again(message).state, message.ciphertext) == ("delivered", None)
    assert message.delivered_at == NOW + timedelta(seconds=4) and message.submitted_at == NOW


def test_without_a_receipt_to_come_it_is_handed_over_and_that_is_all():
    message = sent("77", receipt=False)
    assert (message.state, message.ciphertext) == ("submitted", None) and not Part.objects.exists()


def test_a_repeat_or_a_change_of_mind_changes_nothing():
    message = sent("77")
    tell(receipt("77"), receipt("77"))
    tell(receipt("77", "failed", code="UNDELIV"), now=NOW + timedelta(seconds=9))
    sweep("other", seconds=9)
    assert again(message).state == "delivered" and message.delivered_at == NOW
    assert not UnmatchedReceipt.objects.exists()


def test_all_segments_must_arrive_and_one_that_does_not_is_enough():
    both, lost = sent("1", "2"), sent("3", "4", to=OTHER)
    tell(receipt("1"), receipt("3"))
    assert states(both, lost) == ["awaiting_receipt"] * 2
    tell(receipt("2"), receipt("4", "failed", code="REJECTD"))
    sweep()
    assert states(both, lost) == ["delivered", "failed"]
    assert (lost.reason, lost.ciphertext) == ("REJECTD", None)


@pytest.mark.parametrize(("others", "minutes_left", "state"), [
    (("iam", "other"), 10, "queued"), (("iam",), 10, "failed"), (("iam", "other"), 2, "failed"),
])  # fmt: skip
def test_not_delivered_tries_another_provider_while_there_is_time(others, minutes_left, state):
    message = sent("77")
    now = NOW + timedelta(minutes=10 - minutes_left)
    tell(receipt("77", "failed", code="UNDELIV"), now=now)
    take_receipt.sweep(router=router(*others), now=now)
    assert states(message) == [state]
    if state == "queued":
        (letter,) = claim(now)
        assert letter.tried == ("iam",) and router(*others).choose(letter, now).name == "other"


def test_a_receipt_before_the_answer_waits_for_it():
    letter = begun()
    tell(receipt("77", to=NUMBER))
    assert UnmatchedReceipt.objects.count() == 1
    accept(letter, "77")
    sweep()
    assert Message.objects.get().state == "delivered" and not UnmatchedReceipt.objects.exists()


def test_a_receipt_instead_of_an_answer_is_the_answer():
    """The worker died between hand-over and answer; its lease lapses, but no twin is sent."""
    letter = begun()
    tell(receipt("77", to=NUMBER), now=NOW + timedelta(seconds=3))
    lapses = LONGEST + outbox.GRACE
    sweep(seconds=3)
    assert Message.objects.get().state == "sending", "its worker may still live"
    sweep(seconds=lapses.total_seconds() - 1)
    assert Message.objects.get().state == "delivered" and claim(NOW + lapses) == []
    assert Attempt.objects.get().outcome == "reconciled"
    assert not accept(letter, "77", now=NOW + lapses), "the lease is nobody's any more"


def test_an_unknown_outcome_is_made_known_by_its_receipt():
    letter = begun()
    outbox.end_attempt(letter, "outcome_unknown", now=NOW, code="no answer in time")
    outbox.later(letter, now=NOW, reason="no answer in time", pause=outbox.GRACE)
    tell(receipt("77", to=NUMBER), now=NOW + timedelta(seconds=2))
    sweep(seconds=2)
    assert Message.objects.get().state == "delivered" and claim(NOW + outbox.GRACE) == []


@pytest.mark.parametrize("changed", [{"to": "+212661123457"}, {"to": ""}, {"provider": "other", "to": NUMBER}])
def test_a_receipt_of_somebody_else_is_not_adopted(changed):
    begun()
    tell(receipt("77", **changed), now=NOW + timedelta(seconds=3))
    sweep(seconds=19)
    assert Message.objects.get().state == "sending"


def test_two_messages_on_their_way_to_one_number_are_not_guessed_at():
    begun()
    begun(now=NOW + timedelta(milliseconds=1))
    tell(receipt("77", to=NUMBER), now=NOW + timedelta(seconds=3))
    sweep(seconds=19)
    assert set(Message.objects.values_list("state", flat=True)) == {"sending"}


def test_no_word_before_its_end_leaves_it_handed_over_and_a_late_one_is_still_written_down():
    message = sent("77")
    sweep(seconds=600)
    assert (again(message).state, message.ciphertext, message.delivered_at) == ("submitted", None, None)
    late = NOW + timedelta(hours=2)
    tell(receipt("77"), now=late)
    assert (again(message).state, message.delivered_at) == ("submitted", late)


def test_strays_are_forgotten():
    tell(receipt("nobody's"))
    swept = [delivery.receipts.sweep(now=NOW + days * DAY, keep=3 * DAY) for days in (2, 4)]
    assert swept == [0, 1]


def test_messages_that_wait_for_another_providers_word_do_not_fill_the_list():
    """A hundred are read at a time: those that were sent again already have been dealt with."""
    for number in range(101):
        message = sent(f"old-{number}")
        Part.objects.filter(message=message).update(state="failed", code="UNDELIV")
        Part.objects.create(provider="inwi", reference=f"again-{number}", message=message, number=2, sent_at=NOW)
    new = sent("new", now=NOW + timedelta(minutes=1))
    Part.objects.filter(message=new).update(state="failed", code="UNDELIV")
    assert [told.message_id for told in delivery.receipts.undelivered()] == [new.pk]


# -- another spelling

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
    assert states(message, other) == ["delivered", "awaiting_receipt"]
    tell(receipt(said, to=to))
    assert not UnmatchedReceipt.objects.exists(), "a repeat is known"


@pytest.mark.parametrize(("answer", "said"), SPELT)
def test_also_where_the_receipt_came_before_the_answer(answer, said):
    letter = begun()
    tell(receipt(said, "failed", code="UNDELIV"))
    accept(letter, answer, now=NOW + timedelta(seconds=1))
    sweep(seconds=2)
    assert Part.objects.get().state == "failed" and not UnmatchedReceipt.objects.exists()


@pytest.mark.parametrize(("answers", "said"), [
    (("077", "0077"), "77"), (("aB", "Ab"), "AB"), (("00a3f", "A3F"), "2623"), (("x3e9", "3e9"), "1001"),
])  # fmt: skip
def test_where_two_may_be_meant_nothing_is_guessed(answers, said):
    both = [sent(answer, to=to) for answer, to in zip(answers, (NUMBER, OTHER), strict=True)]
    tell(receipt(said))
    assert states(*both) == ["awaiting_receipt"] * 2 and UnmatchedReceipt.objects.count() == 1
    tell(receipt(said, to=OTHER))
    assert states(*both) == ["awaiting_receipt", "delivered"], "the number tells which"


@pytest.mark.parametrize("answer", ["1001", "1001 ", "01001"])
def test_the_same_name_comes_before_another_base(answer):
    same, hexadecimal, decimal = sent(answer.strip()), sent("3e9", to=OTHER), sent("4097", to="+212661000001")
    tell(receipt(answer))
    assert states(same, hexadecimal, decimal) == ["delivered", "awaiting_receipt", "awaiting_receipt"]


def test_the_number_tells_an_equal_name_from_another_base():
    """An SMSC that answers in hexadecimal and reports in decimal: 1001 is one message's name and means the other."""
    named, meant = sent("1001"), sent("3E9", to=OTHER)
    tell(receipt("1001", to=OTHER))
    assert states(named, meant) == ["awaiting_receipt", "delivered"]


@pytest.mark.parametrize("changed", [{"to": OTHER}, {"provider": "other"}])
def test_another_spelling_is_not_believed_for_another_number_or_provider(changed):
    message = sent("0077")
    tell(receipt("77", **changed))
    assert states(message) == ["awaiting_receipt"] and UnmatchedReceipt.objects.count() == 1


@pytest.mark.parametrize(("name", "age", "said", "to", "delivered"), [
    ("77", 0, "77", OTHER, True),  # some SMSCs put our own sender where the person's number belongs
    *(("00", 0, nothing, "", False) for nothing in ("0", "000", "-", "")),  # what tells nothing apart
    ("0077", 4, "77", "", False),  # another spelling does not mean an old message
])  # fmt: skip
def test_whether_a_name_is_believed(name, age, said, to, delivered):
    message = sent(name, now=NOW - age * DAY)
    tell(receipt(said, to=to))
    assert (again(message).delivered_at is not None) == delivered


# -- the same id on another day


@pytest.fixture
def yesterdays() -> Message:
    """Its receipt never came, and its time is over."""
    old = sent("77", now=NOW - DAY)
    sweep()
    return old


def test_an_id_of_yesterday_whose_receipt_never_came_is_not_meant_today(yesterdays):
    new = sent("77", to=OTHER)
    tell(receipt("77"))
    assert states(new, yesterdays) == ["delivered", "submitted"] and yesterdays.delivered_at is None


def test_a_late_word_about_yesterdays_is_told_apart_by_its_number(yesterdays):
    new = sent("77", to=OTHER)
    tell(receipt("77", "failed", to=NUMBER))
    tell(receipt("77", to=OTHER))
    assert again(new).state == "delivered" and again(yesterdays).delivered_at is None
    assert list(Part.objects.order_by("id").values_list("state", flat=True)) == ["failed", "delivered"]


@pytest.mark.parametrize("told", [True, False])
def test_a_name_used_again_belongs_to_the_newest(told):
    """A repeat of today's does not settle yesterday's, whose own word came or not."""
    old = sent("77", now=NOW - DAY)
    if told:
        tell(receipt("77"), now=NOW - DAY)
    new = sent("77", to=OTHER)
    tell(receipt("77"), receipt("77"))
    tell(receipt("77"))
    assert states(new) == ["delivered"] and again(old).delivered_at == (NOW - DAY if told else None)


def test_a_receipt_that_is_over_for_its_number_waits_for_its_own_message(yesterdays):
    """Yesterday's name comes again, and its receipt before the answer."""
    letter = begun(to=OTHER)
    tell(receipt("77", to=OTHER))
    accept(letter, "77", now=NOW + timedelta(seconds=1))
    sweep(seconds=2)
    assert again(yesterdays).delivered_at is None
    assert Part.objects.get(message_id=letter.id).state == "delivered"


def test_a_stray_of_yesterday_is_nobodys_today():
    tell(receipt("77"), now=NOW - DAY)
    message = sent("77")
    sweep(seconds=1)
    assert states(message) == ["awaiting_receipt"]


def test_one_stray_tells_of_one_message():
    tell(receipt("77", to=OTHER))
    messages = [sent("77"), sent("77", to=OTHER)]
    sweep(seconds=1)
    assert states(*messages) == ["awaiting_receipt", "delivered"]


# -- segments


@pytest.mark.parametrize("names", [("0A", "0B", "0C"), ("10", "11", "12")])
def test_segments_in_another_spelling_are_told_one_by_one(names):
    said = [name.lower().lstrip("0") for name in names]
    message = sent(*names)
    tell(receipt(said[0]), receipt(said[1], "underway"))
    assert states(message) == ["awaiting_receipt"]
    tell(receipt(said[1]), receipt(said[2]))
    assert states(message) == ["delivered"]


def test_segments_of_one_name_are_told_together():
    """Some SMSCs answer every segment with one id and report once."""
    message = sent("5", "5")
    tell(receipt("5"))
    assert states(message) == ["delivered"]


@pytest.mark.parametrize("told", [("delivered", "failed"), ("failed", "delivered")])
@pytest.mark.parametrize(("names", "segments"), [(("5", "5"), 2), (("5",), 2), (("5",), 1)])
def test_one_bad_segment_of_several_is_enough_and_of_one_sms_the_first_last_word_counts(told, names, segments):
    accept(begun(), *names, segments=segments)
    tell(*(receipt("5", state) for state in told))
    assert set(Part.objects.values_list("state", flat=True)) == {"failed" if segments > 1 else told[0]}


# -- by our own address


def test_a_call_at_a_messages_own_address_means_its_segment_of_that_name_or_without_one():
    """A gateway that calls every message 0, and one whose answer has no id: the address knows which."""
    first, second, nameless = sent("0"), sent("0", to=OTHER), sent()
    tell(receipt("0"), uid=first.uid)
    tell(receipt(""), uid=nameless.uid)
    assert states(first, second, nameless) == ["delivered", "awaiting_receipt", "delivered"]


def test_a_name_known_for_another_message_is_not_taken_for_one_without():
    nameless, named = sent(), sent("77", to=OTHER)
    tell(receipt("77"), uid=nameless.uid)
    assert states(nameless, named) == ["awaiting_receipt", "delivered"]


def test_names_are_found_by_index(vendor):
    if vendor != "sqlite":
        pytest.skip("SQLite alone tells its plan whatever the tables hold")
    sent("0077")
    with reads() as found:
        tell(receipt("77"), receipt("78"), receipt("0077", to=NUMBER))
    assert len(found.asked) >= 3 and found.whole == {}
