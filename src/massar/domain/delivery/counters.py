"""Numbers that only grow, for Prometheus. They live in the database: exact over restarts and any number of workers."""

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from massar.core import sql


class Metric(NamedTuple):
    """What is counted, and by which labels: their values are words of ours (channel, provider), never typed ones."""

    name: str
    help: str
    labels: tuple[str, ...]


class Series(NamedTuple):
    """One number of a metric. `values`: of the metric's labels, in their order."""

    metric: str
    values: tuple[str, ...]


Counts = Mapping[Series, int]
BY_PROVIDER = ("channel", "provider")

MESSAGES = Metric(
    "massar_messages_total", "Attempts that ended, by channel, provider and outcome.", (*BY_PROVIDER, "outcome")
)
SEGMENTS = Metric("massar_message_segments_total", "SMS parts that providers accepted.", BY_PROVIDER)
_PRICE = "Price of what providers accepted, in thousandths of their currency."
COST = Metric("massar_message_cost_thousandths_total", _PRICE, BY_PROVIDER)
RECEIPTS = Metric(
    "massar_message_receipts_total", "What providers told after they had accepted, by state.", (*BY_PROVIDER, "state")
)
_GIVEN_UP = "What was given up, or asked for again, because of a fault of ours."
FAULTS = Metric("massar_faults_total", _GIVEN_UP, ("subject",))
METRICS = (MESSAGES, SEGMENTS, COST, RECEIPTS, FAULTS)

HAND_OVER = Metric(
    "massar_message_hand_over_seconds", "Seconds from a message's request until a provider had it.", ("channel",)
)
HAND_OVER_BUCKETS = ("0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "300", "+Inf")  # seconds
_BOUNDS = [float(bucket) for bucket in HAND_OVER_BUCKETS]
_MILLISECONDS = "massar_message_hand_over_milliseconds"  # the histogram's sum; counters are whole numbers


def add(counts: Counts) -> None:
    """Add to the counters, as part of the caller's transaction."""
    if counts:
        ordered = sorted(counts.items())  # one order for all workers: no deadlock between rows
        sql.execute(
            f"INSERT INTO delivery_counter (metric, labels, value) VALUES {sql.values(len(ordered), 3)} "
            "ON CONFLICT (metric, labels) DO UPDATE SET value = delivery_counter.value + excluded.value",
            [field for (metric, values), count in ordered for field in (metric, json.dumps(values), count)],
        )


def read() -> dict[Series, int]:
    found = sql.rows("SELECT metric, labels, value FROM delivery_counter ORDER BY metric, labels")
    return {Series(metric, tuple(json.loads(labels))): value for metric, labels, value in found}


def count_accepted(channel: str, provider: str, outcome: str, segments: int, cost: int) -> Counts:
    """Count one message that a provider took: itself, its segments, and what they cost in thousandths."""
    spent = {Series(SEGMENTS.name, (channel, provider)): segments, Series(COST.name, (channel, provider)): cost}
    return {**count_attempt(channel, provider, outcome), **spent}


def count_attempt(channel: str, provider: str, outcome: str) -> Counts:
    return {Series(MESSAGES.name, (channel, provider, outcome)): 1}


def count_fault(subject: str) -> Counts:
    """Count what met a fault of ours: the purpose of a message, `recovery` or `receipt`."""
    return {Series(FAULTS.name, (subject,)): 1}


def count_receipts(receipts: Iterable[tuple[str, str, str]]) -> Counts:
    """Count receipts, each given as (channel, provider, state)."""
    return Counter(Series(RECEIPTS.name, receipt) for receipt in receipts)


def count_hand_over(channel: str, seconds: list[float]) -> Counts:
    """Put times from a message's request until a provider had it into the histogram of that channel."""
    counts = Counter(Series(HAND_OVER.name, (channel, HAND_OVER_BUCKETS[bisect_left(_BOUNDS, one)])) for one in seconds)
    counts[Series(_MILLISECONDS, (channel,))] = int(1000 * sum(seconds))
    return counts


def hand_over(found: Counts) -> dict[str, tuple[list[int], float]]:
    """Pick the histogram of each channel out of what `read` returned: how many values fell into each bucket of
    HAND_OVER_BUCKETS (not into those below it), and the sum of all in seconds."""
    totals = {values[0]: total for (metric, values), total in found.items() if metric == _MILLISECONDS}
    return {
        channel: ([found.get(Series(HAND_OVER.name, (channel, b)), 0) for b in HAND_OVER_BUCKETS], ms / 1000)
        for channel, ms in totals.items()
    }
