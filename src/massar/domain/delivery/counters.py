"""Numbers that only grow, kept in the database: exact over restarts and workers, read by whoever serves metrics."""

from __future__ import annotations

from collections.abc import Mapping

from massar.core import sql

HAND_OVER_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)  # seconds


def add(counts: Mapping[str, int]) -> None:
    """Adds to the counters by name; part of the caller's transaction."""
    if counts:
        ordered = sorted(counts.items())  # one order for all workers: no deadlock between rows
        sql.change(
            f"INSERT INTO delivery_counter (name, value) VALUES {sql.marks(len(ordered), 2)} "
            "ON CONFLICT (name) DO UPDATE SET value = delivery_counter.value + excluded.value",
            [value for pair in ordered for value in pair],
        )


def everything() -> dict[str, int]:
    return dict(sql.rows("SELECT name, value FROM delivery_counter ORDER BY name"))


def name(metric: str, **labels: str) -> str:
    """As Prometheus writes it. Labels are words of ours (channel, carrier, outcome), never what people typed."""
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{metric}{{{inside}}}" if inside else metric


def of_accepted(channel: str, carrier: str, outcome: str, segments: int, cost: int) -> dict[str, int]:
    """One message that a carrier took: it, its segments, and what they cost in thousandths."""
    labels = {"channel": channel, "carrier": carrier}
    return {
        name("massar_messages_total", **labels, outcome=outcome): 1,
        name("massar_message_segments_total", **labels): segments,
        name("massar_message_cost_thousandths_total", **labels): cost,
    }


def of_hand_over(channel: str, seconds: list[float]) -> dict[str, int]:
    """A histogram's buckets, count and sum (in milliseconds, for counters are whole) of times from request to carrier."""
    counts: dict[str, int] = {}
    for bucket in HAND_OVER_BUCKETS:
        within = sum(one <= bucket for one in seconds)
        if within:
            counts[name("massar_message_hand_over_seconds_bucket", channel=channel, le=str(bucket))] = within
    counts[name("massar_message_hand_over_seconds_count", channel=channel)] = len(seconds)
    counts[name("massar_message_hand_over_milliseconds_sum", channel=channel)] = int(1000 * sum(seconds))
    return counts
