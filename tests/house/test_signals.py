"""The program behind docs/security/signals.md: its statistic, what it compares, and that the page has all of it."""

import random
from itertools import product

import pytest

from bench import auc, people, signals

NOBODY = signals.Tried(people.Cast(10, 4), list(range(100)), 1)


def test_auc_is_the_share_of_pairs_in_which_the_first_is_larger():
    chance = random.Random(1)
    first, second = [chance.randrange(9) for _ in range(40)], [chance.randrange(9) for _ in range(60)]
    larger = sum((a > b) + (a == b) / 2 for a, b in product(first, second))
    assert auc.compare(first, second).value == pytest.approx(larger / 2400)
    assert auc.compare([5.0, 6.0, 7.0], [1.0, 2.0]) == auc.Auc(1.0, 1.0, 1.0)


@pytest.mark.parametrize("shift", [0.0, 0.25])
def test_the_interval_holds_the_true_value_in_95_of_100_measurements(shift):
    """Normal samples, the first kind a quarter of a standard deviation slower: its AUC is Φ(0.25 / √2) = 0.570."""
    chance, held, true = random.Random(2), 0, 0.5 if shift == 0 else 0.5702
    for _ in range(300):
        found = auc.compare([chance.gauss(shift, 1) for _ in range(80)], [chance.gauss(0, 1) for _ in range(80)])
        held += found.low <= true <= found.high
    assert 275 <= held <= 295


@pytest.mark.parametrize("part", signals.PARTS)
def test_the_page_has_a_place_for_each_part_and_no_half_of_one(part):
    begin, end = (mark.format(part) for mark in signals.MARKS)
    _, found, rest = signals.PAGE.read_text("utf-8").partition(begin)
    section, ends, _ = rest.partition(end)
    assert found and ends
    for scene in signals.PARTS[part].scenes(NOBODY):
        assert scene.pairs
        for pair in scene.pairs:
            assert {*pair} <= scene.kinds.keys()
            assert not section.strip() or f"| {scene.title}: {' – '.join(pair)}" in section


def test_a_longer_answer_or_another_header_ends_the_measurement():
    scene = signals.PARTS["sqlite-sign-in"].scenes(NOBODY)[0]
    same = {name: {(100, "date", "set-cookie")} for name in scene.kinds}
    signals._same_looks(scene, same)
    for other in ((101, "date", "set-cookie"), (100, "date")):
        with pytest.raises(SystemExit, match="told apart by bytes"):
            signals._same_looks(scene, {**same, "frozen": {other}})
