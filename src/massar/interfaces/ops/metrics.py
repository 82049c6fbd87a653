"""Metrics for Prometheus at /metrics.

Counters stand in the database, exact over restarts and workers; gauges are read when asked. Nothing is kept in this
process, so there is no registry: a collector is made for every answer. Whoever does not bring the token meets what
stands at an address that does not exist."""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from django.conf import settings
from django.http import Http404, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from massar.domain.delivery import api as delivery
from massar.interfaces.base import outage
from massar.interfaces.base.request import Request
from massar.journeys.messages import watch_messages


@outage.answer_when_away(outage.plain)
@require_safe
def metrics(request: Request) -> HttpResponse:
    token = settings.MASSAR.metrics_token
    if not token or not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}"):
        raise Http404
    collector = DeliveryCollector(watch_messages.Overview(now=request.now))
    return HttpResponse(generate_latest(collector), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class DeliveryCollector(Collector):
    def __init__(self, snapshot: delivery.metrics.MetricsSnapshot) -> None:
        self.snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        counts, snapshot = delivery.counters.read(), self.snapshot
        yield from _counters(counts)
        yield from _hand_over(counts)
        queue = {(one.state, one.purpose): one.count for one in snapshot.queue}
        what = "Messages, and requests for recovery, by state and purpose."
        yield _gauge("massar_queue", what, "state purpose", queue.items())
        oldest = {(purpose,): 0.0 for purpose in delivery.alarms.URGENT}
        for one in snapshot.queue:
            if one.state != "awaiting_receipt":
                waited = (snapshot.now - one.oldest).total_seconds()
                oldest[one.purpose,] = max(waited, oldest.get((one.purpose,), 0.0))
        what = "For how long the oldest has waited to leave; 0 for none."
        yield _gauge("massar_queue_oldest_seconds", what, "purpose", oldest.items())
        # Of every provider that ever had a fault.
        breakers = {
            (facts.provider, state): facts.state == state
            for facts in snapshot.breakers.values()
            for state in delivery.breaker.State.values
        }
        what = "1 for the state in which the provider's breaker is."
        yield _gauge("massar_provider_breaker", what, "provider state", breakers.items())
        active = {one.id for one in delivery.alarms.find_active(snapshot)}
        alarms = {(alarm.id,): alarm.id in active for alarm in delivery.alarms.TABLE}
        what = "1 while the alarm stands; what to do: docs/operate/alarms/."
        yield _gauge("massar_alarm", what, "name", alarms.items())


def _gauge(name: str, what: str, labels: str, values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=labels.split())
    for key, value in values:
        family.add_metric(key, value)
    return family


def _counters(counts: delivery.counters.Counts) -> Iterator[Metric]:
    """A metric of which nothing was counted yet is left out."""
    for metric in delivery.counters.METRICS:
        family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
        for (name, values), count in counts.items():
            if name == metric.name:
                family.add_metric(values, count)
        if family.samples:
            yield family


def _hand_over(counts: delivery.counters.Counts) -> Iterator[Metric]:
    metric, buckets = delivery.counters.HAND_OVER, delivery.counters.HAND_OVER_BUCKETS
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for channel, (counted, seconds) in delivery.counters.hand_over(counts).items():
        cumulative = list(zip(buckets, accumulate(counted), strict=True))
        family.add_metric([channel], cumulative, seconds)
    if family.samples:
        yield family
