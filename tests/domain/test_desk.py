"""The room of cases: numbers that survive being read aloud, moves that one statement decides, what is unusual."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massar.core.browser import Browser
from massar.domain.desk import api as desk
from massar.domain.desk.models import Case
from tests.support.faults import at_once

NOW = datetime(2027, 3, 2, 9, 0, tzinfo=UTC)
DIGITS = st.text("0123456789", min_size=9, max_size=9)
State = desk.cases.State


def whole(digits: str) -> str:
    return digits + desk.numbers.check_digit(digits)


@given(DIGITS, st.integers(0, 9), st.integers(1, 9))
def test_every_wrong_digit_is_found(digits, at, by):
    right = whole(digits)
    wrong = right[:at] + str((int(right[at]) + by) % 10) + right[at + 1 :]
    assert desk.numbers.read(right) == right and desk.numbers.read(wrong) is None


@given(DIGITS, st.integers(0, 8))
def test_two_neighbours_that_change_places_are_found(digits, at):
    right = whole(digits)
    swapped = right[:at] + right[at + 1] + right[at] + right[at + 2 :]
    assert swapped == right or desk.numbers.read(swapped) is None


@given(DIGITS, st.sampled_from(["٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९", "０１２３４５６７８９"]))
def test_digits_of_every_script_are_read(digits, script):
    right = whole(digits)
    typed = "".join(script[int(one)] for one in right)
    assert desk.numbers.read(f"\u200f {typed[:2]}–{typed[2:6]} {typed[6:]}.") == right


@pytest.mark.parametrize("typed", ["", "27", "٢٧-٠٤١٣-٨٨٤²", "2704138842x", "27041388421", "é" * 10, "0" * 4000])
def test_what_is_no_number_is_none(typed):
    assert desk.numbers.read(typed) is None


def test_a_number_names_its_year_and_is_likely_to_be_free():
    drawn = {desk.numbers.draw(NOW) for _ in range(200)}
    assert len(drawn) > 195 and all(one.startswith("27") and desk.numbers.read(one) for one in drawn)
    assert desk.numbers.shown("2704138847") == "27-0413-8847"


def machine(cookie: str = "cookie", network: str = "192.0.2.0/24", known: tuple[int, ...] = ()) -> desk.Machine:
    return desk.cases.machine_of(Browser(network=network, label="Chrome · Android", recovery_browser=cookie), known)


def proposal(agent: int = 7, kind: str = "password") -> desk.Proposal:
    return desk.Proposal(
        desk.cases.Kind(kind), 1, 3, "D07", agent, "directorate_desk", 11, machine("agent"), "carte vue", ("identity",)
    )


def opened(now=NOW) -> desk.CaseFacts:
    case = desk.cases.by_number(desk.cases.open_case("fatima", machine(), now=now))
    assert case
    return case


@pytest.mark.django_db
def test_a_case_moves_as_its_table_says_and_no_other_way():
    case = opened()
    assert case.typed == {"login": "fatima"} and not desk.cases.finish(case.id, now=NOW)
    assert not desk.cases.approve(case.id, second_id=8, role="academy_desk", now=NOW), "nothing is proposed"
    assert desk.cases.propose(case, proposal(), {}, to=State.PROPOSED, now=NOW)
    assert not desk.cases.propose(case, proposal(), {}, to=State.PROPOSED, now=NOW), "once"
    assert not desk.cases.approve(case.id, second_id=7, role="academy_desk", now=NOW), (
        "nobody confirms the own proposal"
    )
    assert desk.cases.approve(case.id, second_id=8, role="academy_desk", now=NOW)
    assert desk.cases.finish(case.id, now=NOW) and not desk.cases.finish(case.id, now=NOW)
    done = desk.cases.by_id(case.id)
    assert (done.state, done.agent_id, done.second_id, done.ciphertext) == ("done", 7, 8, None)
    assert not desk.cases.refuse(done, now=NOW) and not desk.cases.close(done, now=NOW)
    assert {state for moves in desk.cases.MOVES.values() for state in moves} <= set(State)


@pytest.mark.django_db
@pytest.mark.parametrize("late", [timedelta(minutes=10), timedelta(days=1)])
def test_what_is_late_moves_nowhere(late):
    case = opened()
    assert not desk.cases.propose(case, proposal(), {}, to=State.PROPOSED, now=NOW + late)
    assert desk.cases.propose(case, proposal(), {}, to=State.PROPOSED, now=NOW)
    assert not desk.cases.approve(case.id, second_id=8, role="academy_desk", now=NOW + late)
    assert desk.cases.approve(case.id, second_id=8, role="academy_desk", now=NOW)
    approved = desk.cases.by_id(case.id)
    assert not desk.cases.go_on(approved, now=NOW + late) and desk.cases.go_on(approved, now=NOW)
    assert not desk.cases.go_on(approved, now=NOW + timedelta(minutes=10)), "it may begin for ten minutes alone"


@pytest.mark.django_db
def test_nothing_stays_of_a_number_that_nobody_acted_upon():
    acted, idle = opened(), desk.cases.by_number(desk.cases.open_case("x", machine("other"), now=NOW))
    desk.cases.propose(acted, proposal(), {}, to=State.PROPOSED, now=NOW)
    desk.cases.expire(now=NOW + timedelta(minutes=10))
    assert desk.cases.by_id(idle.id) is None
    ended = desk.cases.by_id(acted.id)
    assert ended.state == "expired" and ended.ciphertext is None
    assert desk.cases.sweep(now=NOW + timedelta(days=31), keep=timedelta(days=31)) == 0
    assert desk.cases.sweep(now=NOW + timedelta(days=31, minutes=11), keep=timedelta(days=31)) == 1


@pytest.mark.django_db
def test_a_browser_has_one_case_and_finds_its_own():
    first = opened()
    assert desk.cases.end_of_browser(machine("another"), now=NOW) == [] == desk.cases.end_of_browser(machine(), now=NOW)
    second = opened()
    assert desk.cases.by_id(first.id).state == "closed" and desk.cases.of_browser(machine()).id == second.id
    assert desk.cases.of_browser(machine("another")) is None and desk.cases.of_browser(machine("")) is None


@pytest.mark.django_db
def test_a_browser_is_remembered_without_its_address_or_its_people():
    where = machine(known=(41, 42))
    desk.cases.open_case("x", where, now=NOW)
    row = str(Case.objects.values_list().get())
    assert "192.0.2" not in row and "cookie" not in row and where.knows(41) and not where.knows(43)
    again = desk.cases.of_browser(machine()).opened_in
    assert again.knows(42) and again.is_same_browser(machine()) and again.looks_like(machine("elsewhere"))
    assert not again.looks_like(machine("elsewhere", "198.51.100.0/24"))


@pytest.mark.django_db(transaction=True)
def test_of_two_agents_at_once_one_confirms():
    case = opened()
    desk.cases.propose(case, proposal(), {}, to=State.PROPOSED, now=NOW)
    approved = at_once(2, lambda n: desk.cases.approve(case.id, second_id=8 + n, role="academy_desk", now=NOW))
    assert sorted(approved) == [False, True]


@pytest.mark.django_db
def test_unusual_is_judged_by_the_thirty_days_before():
    def approve(branch: int, times: int, at: datetime) -> None:
        for _ in range(times):
            number = desk.cases.open_case("", desk.Machine("", "", frozenset(), ""), now=at)
            Case.objects.filter(number=number).update(kind="password", branch_id=branch, approved_at=at)

    for day in range(1, 31):
        approve(1, 5, NOW - timedelta(days=day))
    approve(1, 14, NOW), approve(2, 11, NOW), approve(3, 10, NOW)
    assert desk.seen.busy(300, now=NOW) == [2], "of a branch that had none before more than a few are unusual"
    approve(1, 1, NOW)
    assert desk.seen.busy(300, now=NOW) == [1, 2] and desk.seen.busy(400, now=NOW) == [2]
    assert desk.seen.busy(300, now=NOW + timedelta(days=1)) == []


@pytest.mark.django_db
def test_what_was_typed_can_not_be_moved_to_another_case():
    """ATK-142: a row that was changed is told, and names nobody."""
    first, second = opened(), desk.cases.by_number(desk.cases.open_case("youssef", machine("other"), now=NOW))
    Case.objects.filter(pk=second.id).update(ciphertext=first.ciphertext)
    assert desk.cases.by_id(second.id).typed == {} and desk.cases.by_id(first.id).typed == {"login": "fatima"}
