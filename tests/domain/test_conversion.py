"""Conversion of codes by SMS: what counts, when a block, the country or a provider is low, how long a stop holds."""

from datetime import datetime, timedelta

import pytest

from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Message
from tests.support.outbox import NOW, put

pytestmark = pytest.mark.django_db
conversion, outbox = delivery.conversion, delivery.outbox
MINUTE = timedelta(minutes=1)
BLOCK, OTHER = "+212661123", "+212661124"


def send(
    count: int, *, used: int = 0, block: str = BLOCK, at: datetime = NOW - 20 * MINUTE, provider: str = "one", **changed
) -> None:
    """`count` codes to numbers of a block, handed over at once; the first `used` were typed in a minute later."""
    for number in range(count):
        uid = put(at, to=f"{block}{number:03d}", **changed)
        Message.objects.filter(uid=uid).update(
            state="submitted", submitted_at=at, provider=provider, used_at=at + MINUTE if number < used else None
        )


def stopped(block: str = BLOCK, now: datetime = NOW) -> datetime | None:
    return conversion.stopped(f"{block}999", now=now)


def alarms_about(what: str) -> list[str]:
    return [one.id for one in delivery.alarms.find_active(delivery.metrics.MetricsSnapshot(NOW)) if what in one.about]


def behind() -> tuple[str, ...]:
    return conversion.compared(now=NOW).behind


def test_twenty_codes_that_nobody_types_stop_their_block_and_no_other():
    send(19)
    assert stopped() is None
    send(1, at=NOW - 10 * MINUTE)
    assert stopped() == NOW + 50 * MINUTE, "an hour from the last code"
    assert stopped(OTHER) is None
    put(NOW - MINUTE, to=f"{BLOCK}999", purpose="contact_code")
    assert stopped() == NOW + 50 * MINUTE, "a code that no provider took tells nothing"


@pytest.mark.parametrize(("used", "alarm", "stops"), [
    (1, "block-stopped", True), (2, "conversion-low", False), (5, "conversion-low", False), (6, "", False),
])  # fmt: skip
def test_below_a_third_is_an_alarm_and_below_a_tenth_a_stop(used, alarm, stops):
    """20 codes: 5 %, 10 %, 25 %, 30 % typed in. A block whose key is gone is stopped and reported all the same."""
    send(20, used=used)
    for name in (BLOCK, "?"):
        assert alarms_about(name) == ([alarm] if alarm else [])
        assert (stopped() is not None) == stops
        assert [b.name for b in conversion.stopped_blocks(now=NOW)] == ([name] if stops else [])
        Message.objects.update(block_ciphertext=b"encrypted with a key that is gone")


def test_a_code_counts_after_five_minutes_or_once_it_was_used():
    send(20, at=NOW - 5 * MINUTE + timedelta(seconds=1))
    assert stopped() is None, "people may still be typing"
    assert stopped(now=NOW + timedelta(seconds=1)) is not None
    Message.objects.all().delete()
    send(20, used=20, at=NOW - 2 * MINUTE)
    assert conversion.national(now=NOW).sent == 20


def test_the_five_minutes_begin_with_the_hand_over():
    """A provider that was away for four minutes is not the people's doing; what none took tells nothing at all."""
    send(30, at=NOW - 8 * MINUTE)
    Message.objects.update(submitted_at=NOW - 4 * MINUTE)
    assert stopped() is None
    Message.objects.update(submitted_at=None, state="expired")
    assert (
        stopped() is None
        and conversion.by_block(now=NOW) == []
        and conversion.compared(now=NOW) == conversion.Compared()
    )


@pytest.mark.parametrize("changed", [{"channel": "email"}, {"purpose": "temporary_password"}, {"purpose": "notice"}])
def test_codes_by_mail_and_other_messages_do_not_count(changed):
    send(30, **changed)
    assert stopped() is None and conversion.national(now=NOW).sent == 0


def test_a_stop_holds_for_an_hour_and_then_counting_starts_anew():
    """Codes spread over the hour do not fall out of the window one by one while it is stopped."""
    for number in range(20):
        send(1, at=NOW - (60 - 2 * number) * MINUTE)
    last = NOW - 22 * MINUTE
    assert stopped() == last + timedelta(hours=1)
    assert stopped(now=last + timedelta(minutes=59)) is not None
    assert stopped(now=last + timedelta(hours=1)) is None
    send(1, at=last + timedelta(minutes=61))
    assert stopped(now=last + timedelta(minutes=70)) is None, "one code tells nothing"


def test_what_is_typed_in_late_opens_the_block_sooner():
    send(20, used=1)
    assert stopped() is not None
    outbox.used(1, "contact_code", to=f"{BLOCK}007", now=NOW)
    assert stopped() is None, "2 of 20"


def test_the_country_needs_two_hundred_codes():
    for block in range(10):
        send(20, used=5 if block else 4, block=f"+2126610{block:02d}", at=NOW - 20 * MINUTE)
    assert alarms_about("nation") == ["conversion-low"]
    assert stopped("+212699000") is None
    Message.objects.update(used_at=None)
    assert alarms_about("nation") == ["block-stopped"]
    assert stopped("+212699000") == NOW + 40 * MINUTE, "for every number"
    Message.objects.filter(pk=Message.objects.first().pk).delete()
    assert alarms_about("nation") == [] and stopped("+212699000") is None, "199 tell nothing"


def test_blocks_come_worst_first_and_readable():
    send(20, used=5)
    send(40, used=3, block=OTHER)
    send(10, block="+212661125")
    found = conversion.by_block(now=NOW)
    assert [(b.name, b.sent, b.used) for b in found] == [(OTHER, 40, 3), (BLOCK, 20, 5)]
    assert BLOCK not in repr(list(Message.objects.values_list("block_hmac", "masked"))), "at rest it is not"


def test_a_block_keeps_its_own_hour():
    """The window ends with the block's newest code, wherever that lies."""
    send(20, at=NOW - 100 * MINUTE)
    send(1, at=NOW - 50 * MINUTE)
    send(20, at=NOW - 130 * MINUTE, block=OTHER)  # long ago
    assert [b.sent for b in conversion.by_block(now=NOW)] == [21]


def test_a_provider_far_behind_the_others_accepts_and_does_not_deliver():
    send(20, used=12, provider="good")
    send(20, used=6, provider="swallows", block=OTHER)
    assert behind() == ("swallows",) and alarms_about("swallows") == ["conversion-low"]
    send(1, used=1, provider="swallows", block=OTHER)
    assert behind() == (), "7 of 21 is less than 30 points behind"


def test_providers_that_are_all_low_or_hardly_used_are_no_alarm():
    send(40, used=2, provider="one")
    send(40, used=3, provider="other", block=OTHER)
    send(19, used=19, provider="third", block="+212661125")
    assert behind() == ()
