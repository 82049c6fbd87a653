"""Slips and class codes by themselves: what serves, for whom, until when, and what ends it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from massar.domain.credentials import api as credentials
from massar.domain.credentials.models import SlipBatch, TemporaryPassword
from massar.domain.people import api as people
from tests.support.canary import readable_forms

NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)
END = NOW + timedelta(days=90)
LATER = NOW + timedelta(days=30)
handed, temporary = credentials.handed, credentials.temporary


@pytest.fixture
def pupils(db) -> list[int]:
    return [people.directory.create(login=f"x{n}@taalim.ma", role="pupil", now=NOW) for n in range(3)]


def printed(person_ids: list[int], *, at: datetime = NOW, until: datetime = END) -> tuple[int, list[str]]:
    """(number of the batch, codes)"""
    batch = handed.begin_batch(unit_id=7, printed_by=None, now=at)
    made = handed.draw(person_ids)
    with transaction.atomic():
        handed.put(batch, made, until=until, now=at)
    return batch, [one.code for one in made]


def tried(person_id: int, code: str, at: datetime) -> temporary.Match | None:
    with transaction.atomic():
        return temporary.match([person_id], code, recovery_browser="b", now=at)


def test_a_slip_serves_its_person_alone_for_months(pupils):
    _, (one, two, _) = printed(pupils)
    temporary.sweep(now=LATER)
    found = tried(pupils[0], one, LATER)
    assert found and found.handed and not found.late
    assert tried(pupils[0], two, LATER) is None and tried(pupils[1], one, LATER) is None
    assert temporary.claim(found.id, now=END) is None and temporary.claim(found.id, now=LATER)
    assert tried(pupils[1], two, END).late


def test_a_slip_is_swept_when_it_is_over_and_not_before(pupils):
    printed(pupils)
    day = timedelta(days=1)
    assert temporary.sweep(now=END + day) == 0
    assert temporary.sweep(now=END + day + timedelta(seconds=1)) == 3
    assert {one.stands(END + day) for one in handed.slips(SlipBatch.objects.get().pk)} == {"late"}


def test_a_newer_slip_ends_the_older_of_the_same_person(pupils):
    first, (old, *_) = printed(pupils)
    _, (new,) = printed(pupils[:1], at=LATER)
    assert tried(pupils[0], old, LATER).late and not tried(pupils[0], new, LATER).late
    assert [one.stands(LATER) for one in handed.slips(first)] == ["replaced", "waits", "waits"]
    assert (
        handed.newest_slips([pupils[0]])[pupils[0]].batch_id
        != first
        == handed.newest_slips([pupils[1]])[pupils[1]].batch_id
    )


def test_a_class_code_and_a_slip_leave_each_other_alone(pupils):
    _, (slip, *_) = printed(pupils)
    end = NOW + timedelta(minutes=20)
    with transaction.atomic():
        codes = [handed.give_class_code(pupils[0], until=end, now=NOW) for _ in range(2)]
    before = end - timedelta(seconds=1)
    assert tried(pupils[0], codes[0], before).late, "a newer one was given"
    assert not tried(pupils[0], codes[1], before).late and not tried(pupils[0], slip, before).late
    assert tried(pupils[0], codes[1], end).late and temporary.claim(tried(pupils[0], codes[1], end).id, now=end) is None


def test_what_was_used_or_withdrawn_is_told_and_serves_no_more(pupils):
    batch, (one, two, three) = printed(pupils)
    used = tried(pupils[0], one, NOW).id
    mark = temporary.claim(used, now=NOW)
    assert temporary.is_the_one(used, mark, one) and temporary.consume(used, mark, now=NOW) == "slip"
    assert handed.void(batch, 2, now=NOW) == [(2, pupils[1])] and handed.void(batch, 2, now=NOW) == []
    for person_id, code in ((pupils[0], one), (pupils[1], two)):
        assert tried(person_id, code, NOW).late
        assert temporary.claim(tried(person_id, code, NOW).id, now=NOW) is None
    assert [one.stands(NOW) for one in handed.slips(batch)] == ["used", "voided", "waits"]
    [counted] = handed.batches_of([7])
    assert (counted.slips, counted.waiting, counted.used) == (3, 1, 1)
    assert handed.void(batch, now=NOW) == [(3, pupils[2])] and tried(pupils[2], three, NOW).late


@pytest.mark.parametrize("end", ["changed", "frozen", "restored"])
def test_a_slip_ends_with_all_that_runs(pupils, end):
    batch, (code, *_) = printed(pupils)
    ended = temporary.end_everybodys(now=NOW, why=end) if end == "restored" else temporary.end_all(
        pupils[0], now=NOW, why=end)  # fmt: skip
    assert ended and handed.slips(batch)[0].stands(NOW) == "over"
    found = tried(pupils[0], code, NOW)
    assert found is None or found.late


def test_a_hundred_tries_of_anybody_close_a_slip(pupils):
    """NIST SP 800-63B-4 §3.2.2."""
    batch, (code, *_) = printed(pupils)
    for _ in range(100):
        assert tried(pupils[0], "zzzzz99999", NOW) is None
    assert tried(pupils[0], code, NOW) is None, "right, and not heard"
    assert [one.stands(NOW) for one in handed.slips(batch)] == ["spent", "waits", "waits"]


def test_atk_142_a_slip_of_another_person_or_purpose_fits_nothing(pupils):
    """Whoever writes in the database moves a row of their own, or makes it another thing."""
    _, (code, other, _) = printed(pupils)
    rows = TemporaryPassword.objects.order_by("id")
    rows.filter(pk=rows[0].pk).update(person_id=pupils[2])
    assert tried(pupils[2], code, NOW) is None
    rows.filter(pk=rows[1].pk).update(purpose="recovery", issued_at=NOW)
    assert tried(pupils[1], other, NOW) is None


def test_no_row_holds_a_code_that_can_be_read(pupils):
    _, codes = printed(pupils)
    with transaction.atomic():
        codes.append(handed.give_class_code(pupils[0], until=END, now=NOW))
    stored = str([list(table.objects.values()) for table in (TemporaryPassword, SlipBatch)]).encode()
    assert b"'voice'" in stored and not TemporaryPassword.objects.exclude(ciphertext=None).exists()
    assert all(form not in stored for code in codes for form in readable_forms(code))
    assert all(code not in repr(made) for made in handed.draw(pupils) for code in [made.code])


def test_a_printing_that_dies_leaves_nothing_that_serves(pupils):
    _, (old, *_) = printed(pupils)
    handed.begin_batch(unit_id=7, printed_by=None, now=LATER)  # and no more: its codes were nowhere but on the paper
    assert not tried(pupils[0], old, LATER).late
    newest, _ = handed.batches_of([7])
    assert newest.printed_at is None and newest.slips == 0


@pytest.mark.parametrize("text", ["", "-", "12-", "-3", "1.2", "12-3-4", "a", "١٢", "9" * 10])
def test_what_is_no_number_of_a_slip(text):
    assert handed.read_number(text) is None


def test_numbers_of_slips_and_batches():
    assert handed.number(412, 7) == "412-07" and handed.read_number("412-07") == (412, 7)
    assert handed.read_number("412") == (412, None) and handed.number(9, 1234) == "9-1234"


def test_batches_go_when_their_slips_are_forgotten(pupils):
    printed(pupils)
    far = END + timedelta(days=500)
    assert handed.forget_batches(now=far, keep=timedelta(days=400)) == 0
    temporary.sweep(now=END + timedelta(days=2))
    temporary.forget(now=far, keep=timedelta(days=30))
    assert handed.forget_batches(now=NOW, keep=timedelta(days=400)) == 0
    assert handed.forget_batches(now=far, keep=timedelta(days=400)) == 1
