"""Breakers: what opens, what closes, and that one worker alone may probe."""

from datetime import timedelta

import pytest

from massar.domain.delivery import breaker
from massar.domain.delivery.breaker import FAULTS, FIRST_PAUSE, LONGEST_PAUSE, MOVES, OF_ONE, PROBE_ENDS, State, Witness
from tests.support.outbox import NOW

pytestmark = pytest.mark.django_db
FIRST = timedelta(seconds=FIRST_PAUSE)


def facts(provider: str = "iam") -> breaker.Facts:
    return breaker.all_states()[provider]


def state(provider: str = "iam") -> str:
    return facts(provider).state


def open_it(now=NOW) -> None:
    assert [breaker.fault("iam", "no answer", now=now) for _ in range(FAULTS)] == [False] * (FAULTS - 1) + [True]


def test_faults_in_a_row_open_it_and_a_success_between_does_not():
    for _ in range(FAULTS - 1):
        breaker.fault("iam", "no answer", now=NOW)
    breaker.success("iam", now=NOW)
    assert state() == "closed"
    open_it()
    assert state() == "open" and facts().reason == "no answer"
    assert not breaker.success("iam", now=NOW) and state() == "open", "a late success opens no door that was shut since"


def test_one_probe_after_the_pause_and_none_before_and_a_dead_workers_is_taken_over():
    open_it()
    probe = NOW + FIRST
    assert not breaker.claim_probe("iam", now=probe - timedelta(milliseconds=1))
    assert breaker.claim_probe("iam", now=probe) and state() == "half-open"
    assert not breaker.claim_probe("iam", now=probe + PROBE_ENDS - timedelta(seconds=1)), "another worker has it"
    assert breaker.claim_probe("iam", now=probe + PROBE_ENDS)
    breaker.release_probe("iam", now=probe)
    assert breaker.claim_probe("iam", now=probe), "one that sent nothing is given back, to whoever comes next"
    breaker.release_probe("iam", now=probe)
    assert breaker.claim_probe("iam", now=NOW + timedelta(days=1)), "by a clock that ran ahead"
    assert breaker.claim_probe("iam", now=probe), "and so it is not kept"


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=1), timedelta(days=400)])
def test_a_clock_that_ran_ahead_shuts_nobody_out_for_longer_than_a_pause(ahead):
    """One worker's clock, for half a minute: the provider is tried as soon as clocks agree."""
    open_it(NOW + ahead)
    assert facts().due(NOW)
    assert breaker.claim_probe("iam", now=NOW) and not breaker.claim_probe("iam", now=NOW), "once, as ever"
    breaker.fault("iam", "still nothing", now=NOW)
    assert not facts().due(NOW) and not breaker.claim_probe("iam", now=NOW)


def test_a_good_probe_closes_it_and_a_bad_one_doubles_the_pause():
    open_it()
    now, pauses = NOW, []
    for _ in range(9):
        now = facts().until
        assert breaker.claim_probe("iam", now=now)
        assert breaker.fault("iam", "still nothing", now=now)
        pauses.append((facts().until - now).total_seconds())
    assert pauses == [10, 20, 40, 80, 160, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    now = facts().until
    assert breaker.claim_probe("iam", now=now) and breaker.success("iam", now=now)
    assert (facts().state, facts().faults, facts().until) == ("closed", 0, None)
    open_it(now), "and it has all its patience again"


def test_what_nothing_has_tried_for_a_day_is_forgotten():
    """A provider that is no longer configured must not stand as shut for ever."""
    open_it()
    breaker.fault("well", "once", now=NOW)
    assert breaker.sweep(now=NOW + timedelta(hours=23)) == 0 and breaker.sweep(now=NOW + timedelta(hours=25)) == 1
    assert set(breaker.all_states()) == {"well"}


def test_a_throttled_probe_has_found_it_well():
    open_it()
    assert not breaker.alive("iam", now=NOW), "no probe yet"
    assert breaker.claim_probe("iam", now=NOW + FIRST)
    assert breaker.alive("iam", now=NOW + FIRST) and state() == "closed"
    breaker.fault("iam", "no answer", now=NOW)
    assert not breaker.alive("iam", now=NOW) and facts().faults == 1, "faults that are counted stay"


# -- what may be one message's own trouble


def met_by(*witnesses: Witness, configuration_error: bool = False) -> str:
    for one in witnesses:
        breaker.fault("iam", "450", now=NOW, configuration_error=configuration_error, witness=one)
    return state()


def test_one_recipient_shuts_nothing_however_often_it_is_tried_and_different_ones_in_a_row_do():
    assert met_by(*[Witness("r0", "p0", "d0")] * 50) == "closed" and facts().faults == 1
    assert met_by(*(Witness(f"r{n}", f"p{n}", f"d{n}") for n in range(1, FAULTS - 1))) == "closed"
    assert met_by(Witness("r9", "p9", "d9")) == "open"


@pytest.mark.parametrize("same", ["person", "domain"])
def test_atk_164_many_of_one_person_or_of_one_domain_do_not(same):
    row = [Witness(f"r{n}", f"p{n}", f"d{n}")._replace(**{same: "one"}) for n in range(20)]
    assert met_by(*row) == "closed" and facts().faults == OF_ONE
    others = [Witness(f"s{n}", f"q{n}", f"e{n}") for n in range(FAULTS - OF_ONE)]
    assert met_by(*others) == "open"


def test_a_success_between_forgets_who_met_it():
    for n in range(20):
        assert met_by(Witness(f"r{n}", f"p{n}")) == "closed"
        if n % (FAULTS - 1) == FAULTS - 2:
            breaker.success("iam", now=NOW)


def test_what_blames_us_is_told_at_once_and_shuts_it_when_others_meet_it():
    assert met_by(Witness("r1", "p1"), configuration_error=True) == "closed" and facts().configuration_error
    assert met_by(*(Witness(f"r{n}", f"p{n}") for n in range(2, FAULTS + 1)), configuration_error=True) == "open"
    breaker.success("iam", now=NOW)
    assert facts().configuration_error, "a late success of before does not speak for it"
    assert breaker.claim_probe("iam", now=NOW + FIRST) and breaker.success("iam", now=NOW + FIRST)
    assert not facts().configuration_error


@pytest.mark.parametrize("witness", [Witness("r9", "p9", own=True), Witness("r1", "p1")], ids=["about itself", "known"])
def test_a_probe_that_speaks_of_its_own_message_lets_another_try_soon_and_pauses_do_not_grow(witness):
    met_by(*(Witness(f"r{n}", f"p{n}") for n in range(FAULTS)))
    now = NOW
    for _ in range(6):
        now = facts().until
        assert breaker.claim_probe("iam", now=now)
        assert breaker.fault("iam", "450", now=now, witness=witness)
        assert facts().until - now == FIRST


def test_a_remark_tells_operators_and_shuts_nothing():
    for _ in range(20):
        breaker.remark("site:a", "http 404", now=NOW)
    assert state("site:a") == "closed" and facts("site:a").configuration_error
    breaker.success("site:a", now=NOW)
    assert not facts("site:a").configuration_error


def test_it_moves_as_its_table_says():
    """Each way between two states, by the function that makes it; no other pair of states can be met."""
    ways = {
        (State.CLOSED, State.OPEN): lambda: breaker.fault("iam", "x", now=NOW, at_once=True),
        (State.OPEN, State.HALF_OPEN): lambda: breaker.claim_probe("iam", now=NOW + FIRST),
        (State.HALF_OPEN, State.OPEN): lambda: breaker.fault("iam", "x", now=NOW),
        (State.HALF_OPEN, State.CLOSED): lambda: breaker.success("iam", now=NOW),
    }
    assert {a: {b for x, b in ways if x == a} for a in MOVES} == MOVES
    for before, after in ((State.CLOSED, State.OPEN), (State.OPEN, State.HALF_OPEN), (State.HALF_OPEN, State.CLOSED)):
        ways[before, after]()
        assert state() == after
