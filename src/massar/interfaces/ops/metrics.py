"""Metrics for Prometheus, text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).

Counters stand in the database, exact over restarts and workers; gauges are read when asked. Whoever does not bring the
token meets what stands at an address that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe

from massar.domain.delivery import api as delivery
from massar.interfaces.base import outage
from massar.journeys.messages import watch_messages

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HAND_OVER = "massar_message_hand_over_seconds"
_SUM = "massar_message_hand_over_milliseconds_sum"
_CHANNEL = re.compile(r'channel="([^"]*)"')
HELP = {
    "massar_messages_total": "Attempts that ended, by channel, carrier and outcome.",
    "massar_message_segments_total": "SMS parts that carriers accepted.",
    "massar_message_cost_thousandths_total": "Price of what carriers accepted, in thousandths of their currency.",
    "massar_message_receipts_total": "What carriers told after they had accepted, by state.",
}
counters = delivery.counters


@outage.said_when_away(outage.plain)
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    token = settings.MASSAR.metrics_token
    if not token or not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}"):
        raise Http404
    return HttpResponse("\n".join(_lines(watch_messages.glance(now=request.now))) + "\n", content_type=CONTENT_TYPE)


def _lines(look: delivery.metrics.Look) -> Iterator[str]:
    found = counters.everything()
    yield from _counters({name: n for name, n in found.items() if not name.startswith((HAND_OVER, _SUM))})
    yield from _hand_over(found)
    yield from _queue(look)
    yield from _breakers(look)
    yield from _alarms(look)


def _counters(found: dict[str, int]) -> Iterator[str]:
    families: dict[str, list[str]] = {}
    for name, value in found.items():
        families.setdefault(name.partition("{")[0], []).append(f"{name} {value}")
    for family, samples in sorted(families.items()):
        yield from _head(family, "counter", HELP.get(family, "Counted by Massar Account."))
        yield from samples


def _hand_over(found: dict[str, int]) -> Iterator[str]:
    """A bucket that was never met is not stored, but holds what the smaller ones hold: nothing."""
    counts = f"{HAND_OVER}_count"
    channels = [_CHANNEL.search(name)[1] for name in found if name.startswith(counts)]
    if channels:
        yield from _head(HAND_OVER, "histogram", "Seconds from a message's request until a carrier had it.")
    for channel in channels:
        total = found[counters.name(counts, channel=channel)]
        for bucket in map(str, counters.HAND_OVER_BUCKETS):
            name = counters.name(f"{HAND_OVER}_bucket", channel=channel, le=bucket)
            yield f"{name} {found.get(name, 0)}"
        yield f"{counters.name(f'{HAND_OVER}_bucket', channel=channel, le='+Inf')} {total}"
        milliseconds = found.get(counters.name(_SUM, channel=channel), 0)
        yield f"{counters.name(f'{HAND_OVER}_sum', channel=channel)} {milliseconds / 1000}"
        yield f"{counters.name(f'{HAND_OVER}_count', channel=channel)} {total}"


def _queue(look: delivery.metrics.Look) -> Iterator[str]:
    yield from _head("massar_queue", "gauge", "Messages, and requests for recovery, by state and purpose.")
    for one in look.queue:
        yield f"{counters.name('massar_queue', state=one.state, purpose=one.purpose)} {one.count}"
    yield from _head("massar_queue_oldest_seconds", "gauge", "For how long the oldest has waited to leave; 0 for none.")
    oldest = {purpose: 0.0 for purpose in delivery.alarms.URGENT}
    for one in look.queue:
        if one.state != "sent":
            waited = (look.now - one.oldest).total_seconds()
            oldest[one.purpose] = max(waited, oldest.get(one.purpose, 0.0))
    for purpose, seconds in oldest.items():
        yield f"{counters.name('massar_queue_oldest_seconds', purpose=purpose)} {seconds}"


def _breakers(look: delivery.metrics.Look) -> Iterator[str]:
    """Of every carrier that ever had a fault; one of the three states is 1."""
    yield from _head("massar_carrier_breaker", "gauge", "1 for the state in which the carrier's breaker is.")
    for facts in look.breakers.values():
        for state in delivery.breaker.State.values:
            name = counters.name("massar_carrier_breaker", carrier=facts.carrier, state=state)
            yield f"{name} {int(facts.state == state)}"


def _alarms(look: delivery.metrics.Look) -> Iterator[str]:
    yield from _head("massar_alarm", "gauge", "1 while the alarm stands; what to do: docs/operate/alarms/.")
    standing = {one.id for one in delivery.alarms.standing(look)}
    for alarm in delivery.alarms.TABLE:
        yield f"{counters.name('massar_alarm', name=alarm.id)} {int(alarm.id in standing)}"


def _head(name: str, kind: str, what: str) -> Iterator[str]:
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} {kind}"
