"""How far two kinds of answers can be told apart by time: AUC with DeLong's confidence interval.

AUC is the chance that a random sample of the first kind took longer than one of the second (ties count half): 0.5 is
no signal, 0 or 1 a perfect one. Source: DeLong, DeLong, Clarke-Pearson, Biometrics 44 (1988) 837–845, in the
mid-rank form of Sun and Xu, IEEE Signal Processing Letters 21 (2014) 1389–1393.
"""

import math
from statistics import fmean, variance
from typing import NamedTuple

NORMAL_95 = 1.959964


class Auc(NamedTuple):
    """`low`, `high`: of the interval that holds the true value in 95 of 100 measurements."""

    value: float
    low: float
    high: float

    def within(self, least: float, most: float) -> bool:
        """Whether the whole interval lies there."""
        return least <= self.low and self.high <= most


def compare(first: list[float], second: list[float]) -> Auc:
    """Of two lists of durations, at least two of each."""
    n, m = len(first), len(second)
    ranks = _midranks(first + second)
    own_first, own_second = _midranks(first), _midranks(second)
    above = [(ranks[i] - own_first[i]) / m for i in range(n)]  # share of the second kind below each of the first
    below = [1 - (ranks[n + j] - own_second[j]) / n for j in range(m)]
    value, margin = fmean(above), NORMAL_95 * math.sqrt(variance(above) / n + variance(below) / m)
    return Auc(value, value - margin, value + margin)


def _midranks(values: list[float]) -> list[float]:
    """Ranks from 1; equal values share the middle of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in range(start, end):
            ranks[order[place]] = (start + end + 1) / 2
        start = end
    return ranks
