"""How far two kinds of answers can be told apart by time: AUC with DeLong's confidence interval.

AUC is the chance that a random sample of the first kind took longer than one of the second (ties count half): 0.5 is
no signal, 0 or 1 a perfect one. Source: DeLong, DeLong, Clarke-Pearson, Biometrics 44 (1988) 837–845, in the
mid-rank form of Sun and Xu, IEEE Signal Processing Letters 21 (2014) 1389–1393.
"""

import math
import random
from statistics import fmean, median, variance

from bench import load, people
from bench.client import Answer, Browser

NORMAL_95 = 1.959964
HEADS = ["", "AUC", "95 % interval", "samples of each", "known p50 ms", "unknown p50 ms"]


def compared(first: list[float], second: list[float]) -> list[str]:
    """What stands under HEADS, of two lists of durations (s)."""
    n, m = len(first), len(second)
    ranks = _midranks(first + second)
    own_first, own_second = _midranks(first), _midranks(second)
    above = [(ranks[i] - own_first[i]) / m for i in range(n)]  # share of the second kind below each of the first
    below = [1 - (ranks[n + j] - own_second[j]) / n for j in range(m)]
    auc, margin = fmean(above), NORMAL_95 * math.sqrt(variance(above) / n + variance(below) / m)
    medians = (f"{1000 * median(times):.2f}" for times in (first, second))
    return [f"{auc:.3f}", f"{auc - margin:.3f} – {auc + margin:.3f}", str(min(n, m)), *medians]


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


def _sign_in(browser: Browser, login: str, number: int) -> Answer:
    """A wrong password; each login is tried once, and no password at many of them: that would be a spray."""
    browser.as_with_form()
    browser.address = f"10.200.{number % 250}.9"
    return load.post_sign_in(browser, login, f"{people.WRONG_PASSWORD}-{number}")


def _recovery(browser: Browser, login: str, number: int) -> Answer:
    """The right contact of accounts that exist, and the same kind of contact for logins that nobody has."""
    return load.ask(browser, login, number, number + 20_000)


def _fetch_code_form(browser: Browser, index: int) -> None:
    browser.get("/let-in/code/")
    browser.remember_form()


def _code(browser: Browser, login: str, number: int) -> Answer:
    """A wrong code that would let this browser in; no hash is computed for it."""
    browser.as_with_form()
    browser.address = f"10.200.{number % 250}.9"
    return browser.post("/let-in/code/", {"user": login, "code": "zzzzz-99999"})


KINDS = {
    "sign_in": (load.fetch_form, _sign_in, 422),
    "recovery": (load.fetch_recovery_form, _recovery, 303),
    "code": (_fetch_code_form, _code, 422),
}


def sampled(kind: str, port: int, first: int, count: int) -> list[str]:
    """One warm connection; both kinds shuffled together in small blocks, so that slow minutes strike both alike."""
    chance, browser = random.Random(20261123), Browser(port)
    prepare, ask, right = KINDS[kind]
    prepare(browser, 0)

    def once(number: int, known: bool) -> float:
        answer = ask(browser, people.login(number) if known else people.nobody(number), number)
        if answer.status != right:
            raise RuntimeError(f"{kind} was answered with {answer.status}")
        return answer.seconds

    for warm in range(20):
        once(first + count + warm, bool(warm % 2))
    times: dict[bool, list[float]] = {True: [], False: []}
    for start in range(first, first + count, 10):
        block = [(n, known) for n in range(start, min(start + 10, first + count)) for known in (True, False)]
        chance.shuffle(block)
        for number, known in block:
            times[known].append(once(number, known))
    return compared(times[True], times[False])
