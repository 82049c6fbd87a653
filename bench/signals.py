"""How far two kinds of answers can be told apart by time: AUC with DeLong's confidence interval.

AUC is the chance that a random sample of the first kind took longer than one of the second (ties count half): 0.5 is
no signal, 0 or 1 a perfect one. Source: DeLong, DeLong, Clarke-Pearson, Biometrics 44 (1988) 837–845, in the
mid-rank form of Sun and Xu, IEEE Signal Processing Letters 21 (2014) 1389–1393.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean, median, variance

from bench import people
from bench.client import Browser
from bench.load import Prepare, ask, fetch_form, fetch_recovery_form, post_sign_in

NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Signal:
    """`auc` with its 95 % interval; medians in seconds; `samples` of each kind."""

    auc: float
    low: float
    high: float
    samples: int
    median_first: float
    median_second: float


def compare(first: list[float], second: list[float]) -> Signal:
    """The signal between two lists of durations."""
    n, m = len(first), len(second)
    ranks = _midranks(first + second)
    own_first, own_second = _midranks(first), _midranks(second)
    above = [(ranks[i] - own_first[i]) / m for i in range(n)]  # share of the second kind below each of the first
    below = [1 - (ranks[n + j] - own_second[j]) / n for j in range(m)]
    auc = fmean(above)
    margin = NORMAL_95 * math.sqrt(variance(above) / n + variance(below) / m)
    return Signal(auc, auc - margin, auc + margin, min(n, m), median(first), median(second))


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


def sign_in(port: int, first: int, count: int) -> Signal:
    """A wrong password for accounts that exist, and for logins that nobody has; each is tried once."""

    def once(browser: Browser, number: int, known: bool) -> float:
        browser.as_with_form()
        browser.address = f"10.200.{number % 250}.9"
        login = people.login(number) if known else people.nobody(number)
        answer = post_sign_in(browser, login, people.WRONG_PASSWORD)
        if answer.status != 422:
            raise RuntimeError(f"a wrong password was answered with {answer.status}")
        return answer.seconds

    return _sampled(port, first, count, fetch_form, once)


def recovery(port: int, first: int, count: int) -> Signal:
    """The right contact of accounts that exist, and the same kind of contact for logins that nobody has."""

    def once(browser: Browser, number: int, known: bool) -> float:
        login = people.login(number) if known else people.nobody(number)
        answer = ask(browser, login, number, number + 20_000)
        if answer.status != 303:
            raise RuntimeError(f"a request for recovery was answered with {answer.status}")
        return answer.seconds

    return _sampled(port, first, count, fetch_recovery_form, once)


def _sampled(
    port: int, first: int, count: int, prepare: Prepare, once: Callable[[Browser, int, bool], float]
) -> Signal:
    """One warm connection; both kinds shuffled together in small blocks, so that slow minutes strike both alike."""
    chance = random.Random(20261123)
    browser = Browser(port)
    prepare(browser, 0)
    for warm in range(20):
        once(browser, first + count + warm, bool(warm % 2))
    times: dict[bool, list[float]] = {True: [], False: []}
    for start in range(first, first + count, 10):
        block = [(n, known) for n in range(start, min(start + 10, first + count)) for known in (True, False)]
        chance.shuffle(block)
        for number, known in block:
            times[known].append(once(browser, number, known))
    return compare(times[True], times[False])
