"""What is counted of unknown browsers, when a siege begins and ends, and challenges: on both databases."""

import base64
import json
import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massar.core import clock, encryption
from massar.domain.limits import api as limits
from massar.domain.limits import models
from tests.support.visitor import solve

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NETWORK = limits.rate_limits.SIGN_IN_NETWORK


def account(name: object) -> str:
    return limits.rate_limits.SIGN_IN_ACCOUNT.bucket(f"account.{name}").key


def fail(password: str, names, *, now: datetime = NOW) -> None:
    for name in names:
        limits.tally.count_failure(password=password, account=account(name), now=now)


def seen(password: str, *, now: datetime = NOW) -> float:
    """On about how many accounts it failed."""
    return limits.posture.read([], password=password, account=account("mine"), now=now).accounts


def fill(number: int, *, now: datetime) -> None:
    """As many failures of the country in that span."""
    key = limits.tally.span_of(now) * 2 * limits.tally.PLACES + limits.tally.PLACES
    models.FailureCount.objects.update_or_create(id=key, defaults={"cells": 0, "number": number})


# --- one password on many accounts


@pytest.mark.parametrize(("accounts", "least", "most"), [(1, 1, 1.1), (20, 13, 27), (100, 70, 150)])
def test_accounts_of_a_password_are_about_counted(accounts, least, most):
    fail("Spring-2026!", range(accounts))
    assert least <= seen("Spring-2026!") <= most and seen("Autumn-2026!") == 0


def test_one_account_counts_once_however_often_it_fails():
    fail("Spring-2026!", ["one"] * 30)
    assert round(seen("Spring-2026!")) == 1


def test_a_password_is_forgotten_after_an_hour_also_across_midnight():
    midnight = datetime(2026, 3, 3, tzinfo=UTC)
    fail("Spring-2026!", range(30), now=midnight - 5 * MINUTE)
    fail("Spring-2026!", range(30, 60), now=midnight + 5 * MINUTE)
    both = seen("Spring-2026!", now=midnight + 5 * MINUTE)
    assert both > seen("Spring-2026!", now=midnight - 5 * MINUTE) > 15
    assert seen("Spring-2026!", now=midnight + 2 * HOUR) == 0


def test_many_other_passwords_refuse_nobody_in_a_siege():
    """Stuffing: so many failures that every place is marked; a password that nobody sprays is not taken for one."""
    drawn, marks = random.Random(7), 120 * limits.tally.PLACES
    cells = 0
    for _ in range(120):
        cells |= 1 << drawn.randrange(limits.tally.CELLS)
    assert limits.tally.accounts([cells], failures=0) > 100
    assert limits.tally.accounts([cells], failures=marks) == limits.tally.CELLS, "a challenge, and no more"
    assert limits.tally.sprayed(20, failures=marks, now=NOW) == 0


@pytest.mark.parametrize(("at_each_place", "least", "most"), [(30, 0, 40), (60, 0, 60), (150, 20, 100)])
def test_an_attack_that_has_become_usual_refuses_nobody(at_each_place, least, most):
    """Without any siege: what other passwords have left at its place is not counted for this one."""
    drawn, span, slots = random.Random(7), limits.tally.span_of(NOW), 2 * limits.tally.PLACES
    cells = 0
    for _ in range(at_each_place):
        cells |= 1 << drawn.randrange(limits.tally.CELLS)
    place = limits.tally.ids_of_password("Mine-alone-1", now=NOW)[-1]
    signed = cells - (1 << 64) if cells >> 63 else cells
    models.FailureCount.objects.create(id=place, cells=signed, number=at_each_place)
    fill(at_each_place * limits.tally.PLACES, now=NOW)
    assert place // slots == span and least <= seen("Mine-alone-1") <= most


@given(st.sets(st.integers(0, 10**6), max_size=40))
@settings(max_examples=30)
def test_the_estimate_is_that_of_linear_counting(names):
    marked = {name % 64 for name in names}
    cells = sum(1 << one for one in marked)
    signed = cells - (1 << 64) if cells >> 63 else cells
    empty = max(64 - len(marked), 0.5)
    assert limits.tally.accounts([signed, 0], failures=0) == pytest.approx(64 * math.log(64 / empty))


def test_a_row_tells_neither_password_nor_account():
    """Twelve bits of one and six of the other are all that depends on them; tomorrow it is another place."""
    places = {limits.tally.ids_of_password(f"word-{n}", now=NOW)[-1] for n in range(3000)}
    assert 1500 < len(places) <= limits.tally.PLACES, "thousands of words share a place"
    today, tomorrow = (limits.tally.ids_of_password("Spring-2026!", now=NOW + n * DAY)[-1] for n in (0, 1))
    slots = 2 * limits.tally.PLACES
    assert today % slots != tomorrow % slots
    fail("Spring-2026!", range(200))
    row = models.FailureCount.objects.get(id=today)
    assert row.number == 200 and row.id % slots < limits.tally.PLACES


def test_sprayed_passwords_are_counted_for_the_alarm():
    fail("Spring-2026!", range(40))
    fail("Autumn-2026!", range(25, 70), now=NOW - 30 * MINUTE)
    fail("Mine-alone-1", ["one"] * 60)
    for n in range(100):
        fail(f"word-{n}", [n])
    assert limits.tally.sprayed(20, failures=0, now=NOW) == 2
    assert limits.tally.sprayed(20, failures=0, now=NOW + 2 * HOUR) == 0


def test_networks_without_failures_left_are_counted():
    for name, units in (("192.0.2.0/24", NETWORK.burst), ("198.51.100.0/24", NETWORK.burst - 1)):
        assert limits.consume([NETWORK.bucket(name, units=units)], now=NOW) is None
    assert limits.count_spent(NETWORK, now=NOW) == 1
    assert limits.count_spent(NETWORK, now=NOW + MINUTE) == 0


# --- siege


def test_a_siege_begins_far_above_what_is_usual_and_ends_by_itself():
    assert limits.siege.watch(now=NOW) == ""
    fill(limits.siege.FLOOR, now=NOW)
    assert limits.siege.watch(now=NOW) == "" and not limits.siege.everywhere().active(NOW)
    fill(limits.siege.FLOOR + 1, now=NOW)
    assert [limits.siege.watch(now=NOW), limits.siege.watch(now=NOW)] == ["began", ""], "one worker tells it"
    assert limits.siege.everywhere().active(NOW)
    later = NOW + 10 * MINUTE  # the span before still counts
    assert limits.siege.watch(now=later) == "" and limits.siege.everywhere().active(later + 19 * MINUTE)
    over = later + 21 * MINUTE
    assert [limits.siege.watch(now=over), limits.siege.watch(now=over)] == ["ended", ""]
    assert not limits.siege.everywhere().active(over)


def test_what_is_usual_at_this_hour_is_no_siege():
    for day in range(1, 8):
        for minutes in range(-30, 30, 10):
            fill(2000, now=NOW - day * DAY + minutes * MINUTE)
    fill(2 * 3 * 2000, now=NOW)
    assert limits.tally.failures(now=NOW)[1:] == (12_000, 4000) and limits.siege.watch(now=NOW) == ""
    fill(2 * 3 * 2000 + 1, now=NOW)
    assert limits.siege.watch(now=NOW) == "began"


@pytest.mark.parametrize("ordered", ["on", "off"])
def test_a_command_stands_above_it_until_its_moment(ordered):
    fill(5000 if ordered == "off" else 0, now=NOW)
    limits.siege.watch(now=NOW)
    limits.siege.order(ordered, until=NOW + HOUR)
    assert limits.siege.everywhere().active(NOW) == (ordered == "on")
    limits.siege.order("auto")
    assert limits.siege.everywhere().active(NOW) == (ordered == "off")
    limits.siege.order(ordered, until=NOW + HOUR)
    assert not limits.siege.everywhere().active(NOW + HOUR)


def test_an_order_for_one_account_is_its_own():
    limits.siege.order("on", key=account("a"), person_id=1, until=NOW + HOUR)
    sieges = [limits.posture.read([], password="", account=account(n), now=NOW).sieges for n in "ab"]
    assert sieges == [{account("a"): "on"}, {}]
    limits.sweep(now=NOW)
    assert len(limits.siege.states()) == 1
    limits.sweep(now=NOW + HOUR)
    assert limits.siege.states() == []


# --- a clock that was a day ahead


def test_a_clock_that_was_ahead_closes_nothing():
    """One machine is a day ahead for thirty seconds: it counts, fails, begins a siege and gives a challenge."""
    ahead, network = NOW + DAY, NETWORK.bucket("192.0.2.0/24")
    fail("Spring-2026!", range(200), now=ahead)
    fill(5000, now=ahead)
    assert limits.siege.watch(now=ahead) == "began"
    for _ in range(NETWORK.burst):
        assert limits.consume([network], now=ahead) is None
    early = limits.challenges.give("sign-in", typed={"a": "b"}, network="n", now=ahead)
    # right again
    assert not limits.siege.everywhere().active(NOW) and seen("Spring-2026!") == 0
    assert limits.siege.watch(now=NOW) == "ended", "and what it left is taken back"
    assert limits.challenges.resume(early.sealed, "sign-in", network="n", now=NOW) is None, "another is given"
    limits.posture.read([network], password="", account=account("a"), now=NOW)
    assert limits.consume([network], now=NOW) is not None, "owed, and never for longer than it takes to fill"
    assert limits.consume([network], now=NOW + NETWORK.refill) is None
    limits.sweep(now=NOW)
    assert seen("Spring-2026!", now=ahead) == 0, "spans to come are swept"


def test_clocks_that_differ_by_seconds_are_both_right():
    """A worker and its web servers are never at the same microsecond."""
    fill(5000, now=NOW)
    behind = NOW - timedelta(seconds=20)
    assert limits.siege.watch(now=NOW) == "began" and limits.siege.everywhere().active(behind)
    assert limits.siege.watch(now=behind) == "", "another worker goes on with the same siege"
    limits.siege.order("on", until=NOW + limits.siege.LONGEST)
    assert limits.siege.everywhere().active(behind)
    one = given_now()
    assert resumed(one.sealed, now=behind) and limits.challenges.meet(one, "", now=behind).until == one.ready_at


def test_a_limit_that_is_counted_is_known_by_its_room():
    rooms = [one.room for one in vars(limits.rate_limits).values() if isinstance(one, limits.RateLimit)]
    assert rooms.count(NETWORK.room) == 1


# --- challenges


def given_now(**typed: str) -> limits.challenges.Challenge:
    return limits.challenges.give("sign-in", typed=typed, network="192.0.2.0/24", now=NOW)


def resumed(sealed: str, *, action: str = "sign-in", network: str = "192.0.2.0/24", now: datetime = NOW):
    return limits.challenges.resume(sealed, action, network=network, now=now)


def test_a_solved_challenge_is_met_at_once_and_only_once():
    one = given_now(login="jamal", password="s3cret")
    solution = solve(json.loads(one.puzzle))
    assert resumed(one.sealed).typed == {"login": "jamal", "password": "s3cret"}
    assert limits.challenges.meet(one, solution, now=NOW) is None
    again = limits.challenges.NotMet()
    assert limits.challenges.meet(resumed(one.sealed), solution, now=NOW) == again
    assert limits.challenges.meet(resumed(f"{one.sealed}===="), solution, now=NOW) == again, "another spelling"


def test_another_solution_is_none_and_waiting_is_enough():
    one, other = given_now(), given_now()
    foreign = solve(json.loads(other.puzzle))
    for wrong in ("", "00" * 32, foreign, "no hex", "\ud800"):
        assert limits.challenges.meet(one, wrong, now=NOW + 19 * timedelta(seconds=1)).until == one.ready_at
    assert limits.challenges.meet(one, "", now=one.ready_at) is None
    assert limits.challenges.meet(one, "", now=one.ready_at) == limits.challenges.NotMet()


def test_waiting_in_many_windows_is_a_queue_and_solving_is_not():
    waiting = [given_now() for _ in range(limits.rate_limits.CHALLENGE_WAIT.burst + 5)]
    met = [limits.challenges.meet(one, "", now=one.ready_at) for one in waiting]
    assert met.count(None) == limits.rate_limits.CHALLENGE_WAIT.burst
    assert {one.until for one in met if one} == {waiting[0].ready_at + limits.rate_limits.CHALLENGE_WAIT.refill}
    last = waiting[-1]
    assert limits.challenges.meet(last, solve(json.loads(last.puzzle)), now=last.ready_at) is None


def test_a_challenge_is_of_one_action_one_network_and_ten_minutes():
    one = given_now()
    assert resumed(one.sealed) and resumed(one.sealed, now=NOW + limits.challenges.LIFE - MINUTE)
    assert resumed(one.sealed, action="recovery") is None and resumed(one.sealed, network="10.0.0.0/24") is None
    assert resumed(one.sealed, now=NOW + limits.challenges.LIFE) is None
    assert resumed(one.sealed, now=NOW - MINUTE) and resumed(one.sealed, now=NOW - 2 * MINUTE) is None, "a clock ahead"
    for broken in ("", "x", one.sealed[:-8], one.sealed.swapcase(), "é", "A" * 9000, one.sealed + "\ud800"):
        assert resumed(broken) is None


def test_what_was_typed_can_be_read_by_nobody():
    one = given_now(password="s3cret-word")
    assert "s3cret" not in one.sealed + one.puzzle + repr(one)
    sealed, bound = base64.urlsafe_b64decode(one.sealed), "challenge|sign-in|192.0.2.0/24"
    assert b"s3cret-word" in encryption.browser_keys().decrypt(sealed, associated_data=bound)
    with pytest.raises(encryption.DecryptionFailed):
        encryption.data_keys().decrypt(sealed, associated_data=bound)


def test_nothing_is_stored_until_a_challenge_is_met_and_then_for_its_life():
    one = given_now()
    assert not models.PassedChallenge.objects.exists()
    limits.challenges.meet(one, solve(json.loads(one.puzzle)), now=NOW)
    stored = models.PassedChallenge.objects.get()
    assert stored.forget_at == clock.micros(NOW + limits.challenges.LIFE)
    limits.sweep(now=NOW + limits.challenges.LIFE)
    assert not models.PassedChallenge.objects.exists()
