"""Temporary passwords by themselves: each move asks for the state that it leaves. What people see of it is told in the
journeys, where another guard often stands in front of these."""

from datetime import UTC, datetime, timedelta

import pytest

from massar.domain.credentials import api as credentials
from massar.domain.credentials.models import TemporaryPassword
from massar.domain.people import api as people

NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)
END = NOW + timedelta(minutes=10)
temporary = credentials.temporary


@pytest.fixture
def person(db) -> int:
    return people.directory.create(login="a.b@taalim.ma", now=NOW)


def handed_over(person_id: int, browser: str = "b") -> tuple[int, str]:
    issued = temporary.issue(person_id, channel="sms", contact_id=1, recovery_browser=browser, now=NOW)
    temporary.fix_expiry([issued[0]], END)
    return issued


def test_only_what_is_live_and_in_time_is_claimed(person):
    one, _ = handed_over(person)
    assert temporary.claim(one, now=END) is None
    assert temporary.claim(one, now=END - timedelta(microseconds=1))
    temporary.end_all(person, now=NOW, why="changed")
    assert temporary.claim(one, now=NOW) is None


def test_a_claim_moves_and_the_older_one_pays_for_nothing(person):
    one, secret = handed_over(person)
    older, newer = temporary.claim(one, now=NOW), temporary.claim(one, now=NOW)
    assert not temporary.is_claimed(one, older) and not temporary.is_the_one(one, older, secret)
    assert temporary.is_the_one(one, newer, secret) and not temporary.is_the_one(one, newer, "bcdfg23456")
    assert not temporary.consume(one, older, now=NOW)
    assert temporary.consume(one, newer, now=NOW) and not temporary.consume(one, newer, now=NOW)


def test_a_secret_is_late_at_its_end_and_its_accounts_alone(person):
    _, secret = handed_over(person)
    other = people.directory.create(login="c.d@taalim.ma", now=NOW)
    assert temporary.match([other], secret, recovery_browser="b", now=NOW) is None
    assert TemporaryPassword.objects.get().asker_tries == 0, "what is tried at another account costs this one none"
    assert not temporary.match([person], secret, recovery_browser="b", now=END - timedelta(microseconds=1)).late
    assert temporary.match([person], secret, recovery_browser="b", now=END).late


def test_the_password_in_use_ends_what_this_browser_asked_for_alone(person):
    mine, _ = handed_over(person, "mine")
    theirs, _ = handed_over(person, "theirs")
    assert temporary.end_those_of_browser(person, "", now=NOW) == 0
    assert temporary.end_those_of_browser(person, "mine", now=NOW) == 1
    assert temporary.claim(mine, now=NOW) is None and temporary.claim(theirs, now=NOW)


def test_what_has_run_out_can_not_be_sent_again(person):
    handed_over(person)
    assert temporary.find_live(person, 1, now=NOW)
    temporary.sweep(now=END)
    assert temporary.find_live(person, 1, now=NOW) is None, "its text is gone, whatever a clock says later"


def test_however_many_codes_are_asked_for_they_end_no_temporary_password(person):
    one, _ = handed_over(person)
    for number in range(3):
        vouching = {"recovery_browser": f"b{number}", "purpose": temporary.VOUCHING}
        temporary.issue(person, channel="sms", contact_id=1, now=NOW, **vouching)
    assert temporary.claim(one, now=NOW)
