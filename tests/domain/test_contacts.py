"""Contacts by themselves: moves, codes, sharing. The seventy-two hours are told in the journeys."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from massar.domain.people import api as people

NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)
WAIT = timedelta(hours=72)
contacts = people.contacts


def someone(login: str) -> int:
    return people.directory.create(login=login, now=NOW)


@pytest.fixture
def person(db) -> int:
    return someone("a.b@taalim.ma")


def proposed(person_id, kind="phone", value="+212661123456", code="123456"):
    contact = contacts.propose(person_id, kind, value, now=NOW)
    contacts.give_code(contact.id, code, now=NOW, valid_for=timedelta(minutes=10))
    return contact


def test_a_code_is_right_once_for_its_own_contact(person):
    one, other = proposed(person), proposed(person, "email", "a@example.org", "654321")
    assert contacts.try_code(one.id, person, "654321", now=NOW) == "wrong"
    assert contacts.try_code(one.id, person, "", now=NOW) == "wrong"
    assert contacts.try_code(one.id, person, "123456", now=NOW) == "right"
    assert contacts.prove(one.id, person, now=NOW, wait=WAIT).counts_from == NOW
    assert contacts.try_code(one.id, person, "123456", now=NOW) == "gone"
    assert contacts.prove(one.id, person, now=NOW, wait=WAIT) is None
    assert contacts.by_id(other.id, person).state == "proposed"
    without_code = contacts.propose(person, "email", "b@example.org", now=NOW)
    assert contacts.try_code(without_code.id, person, "", now=NOW) == "wrong"


def test_five_tries_then_spent_and_a_new_code_starts_anew(person):
    contact, late = proposed(person), NOW + timedelta(minutes=10)
    answers = [contacts.try_code(contact.id, person, "000000", now=NOW) for _ in range(6)]
    assert answers == ["wrong"] * 5 + ["spent"]
    contacts.give_code(contact.id, "111111", now=NOW, valid_for=timedelta(minutes=10))
    assert contacts.try_code(contact.id, person, "000000", now=late) == "wrong", "late is said of a right code only"
    assert contacts.try_code(contact.id, person, "111111", now=late) == "expired"
    assert contacts.try_code(contact.id, person, "111111", now=NOW) == "right"


def test_nobody_proves_or_ends_the_contact_of_another(person):
    other = someone("c.d@taalim.ma")
    contact = proposed(person)
    assert contacts.try_code(contact.id, other, "123456", now=NOW) == "gone"
    assert contacts.prove(contact.id, other, now=NOW, wait=WAIT) is None
    assert not contacts.cancel(contact.id, other, now=NOW)
    assert contacts.remove(contact.id, other, now=NOW, wait=WAIT) is None
    assert contacts.by_id(contact.id, other) is None


def test_matching_is_by_kind_and_exact_value(person):
    contact = proposed(person)
    contacts.prove(contact.id, person, now=NOW, wait=WAIT)
    assert contacts.matching(person, "phone", "+212661123456", NOW).id == contact.id
    assert contacts.matching(person, "email", "+212661123456", NOW) is None
    for value in ("+21266112345", "", "+2126611234567"):
        assert contacts.matching(person, "phone", value, NOW) is None


def test_shared_values_are_counted_by_person(person):
    for number in range(3):
        other = someone(f"x{number}.y@taalim.ma")
        contacts.prove(proposed(other).id, other, now=NOW, wait=WAIT)
    proposed(person)
    assert contacts.accounts_with("phone", "+212661123456", besides=person, now=NOW) == 3
    assert contacts.accounts_with("phone", "+212661999999", besides=person, now=NOW) == 0


def test_a_removal_ends_after_the_wait_and_only_once(person):
    contact = proposed(person)
    contacts.prove(contact.id, person, now=NOW, wait=WAIT)
    assert contacts.remove(contact.id, person, now=NOW, wait=WAIT) == NOW + WAIT
    assert contacts.remove(contact.id, person, now=NOW + timedelta(hours=1), wait=WAIT) is None, "no second wait"
    assert contacts.by_id(contact.id, person).counts(NOW + WAIT - timedelta(seconds=1))
    assert not contacts.by_id(contact.id, person).counts(NOW + WAIT)


def test_a_local_part_names_one_person_or_nobody(person):
    assert people.directory.by_login("a.b", now=NOW).id == person
    someone("a.b@men.gov.ma")
    assert people.directory.by_login("a.b", now=NOW) is None
    assert people.directory.by_login("a.b@taalim.ma", now=NOW).id == person
    assert people.directory.by_login("", now=NOW) is people.directory.by_login(None, now=NOW) is None


def test_changes_need_a_transaction(person, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(connections["default"], "in_atomic_block", False)
        with pytest.raises(RuntimeError, match="transaction"):
            contacts.lock(person)


def test_the_same_value_is_not_doubled_when_it_is_proved_anew(person):
    first = proposed(person, "email", "a@example.org")
    contacts.prove(first.id, person, now=NOW, wait=WAIT)
    later = NOW + timedelta(hours=1)
    assert not contacts.came_back(first.id, sent_at=NOW - timedelta(seconds=1), now=later), "sent before the proof"
    assert contacts.came_back(first.id, sent_at=NOW, now=later)
    assert not contacts.arrived(first.id, sent_at=NOW), "an older message proves nothing"
    again = proposed(person, "email", "a@example.org", "654321")
    proved = contacts.prove(again.id, person, now=later, wait=WAIT)
    assert (proved.id, proved.bounced_at, proved.counts_from, proved.proved_at) == (first.id, None, NOW, later)
    assert [c.id for c in contacts.of_person(person, later)] == [first.id]
    assert contacts.came_back(first.id, sent_at=later, now=later) and contacts.arrived(first.id, sent_at=later)


def test_what_was_cancelled_is_kept_from_that_day_on(person):
    """However long ago it was proposed: who says "this was not me" later must see it."""
    keep, cancelled = timedelta(days=90), NOW + timedelta(days=91)
    contact = proposed(person)
    assert contacts.cancel(contact.id, person, now=cancelled)
    assert contacts.sweep(now=cancelled + keep, keep=keep) == 0
    assert contacts.sweep(now=cancelled + keep + timedelta(seconds=1), keep=keep) == 1


def test_a_contact_is_read_with_all_its_columns_in_their_types(person):
    """Its list is written by hand: one that was left out would be asked for again, or stay the text that SQLite has."""
    contacts.prove(proposed(person).id, person, now=NOW, wait=WAIT)
    read = contacts.of_person(person, NOW)[0]
    every = dict.fromkeys(
        ("counts_from", "ends_at", "bounced_at", "undone_at", "code_sent_at", "code_expires_at"), NOW + WAIT
    )
    people.Contact.objects.filter(pk=read.pk).update(**every)
    read, whole = contacts.of_person(person, NOW)[0], contacts.by_id(read.pk, person)
    assert not read.get_deferred_fields()
    fields = [{k: v for k, v in vars(one).items() if k != "_state"} for one in (read, whole)]
    assert fields[0] == fields[1] and None not in [v for k, v in fields[0].items() if k.endswith(("_at", "_from"))]
