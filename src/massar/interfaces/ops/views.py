"""What operators look at: the page about messages and the metrics. People open it with their role, programs /metrics
with a token. Whoever may not see it meets what stands at an address that does not exist."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from itertools import accumulate

from django.conf import settings
from django.http import Http404, HttpResponse
from django.urls import path
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from massar.core import local_time
from massar.domain.delivery import api as delivery
from massar.domain.upkeep import api as upkeep
from massar.interfaces.base import numbers, outage, page, way_back
from massar.interfaces.base.request import Request
from massar.interfaces.ops import plots
from massar.journeys import season
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.messages import deliver_messages, watch_messages


def operators_only(view: Callable[[Request], HttpResponse]) -> Callable[..., HttpResponse]:
    """A stranger is sent to sign in, as everywhere; a person without the right finds nothing here."""

    @wraps(view)
    def guarded(request: Request, signed_in: SignedIn) -> HttpResponse:
        if not watch_messages.may_watch(signed_in):
            raise Http404
        return view(request)

    return way_back.signed_in_only(guarded)


@require_safe
@operators_only
def messages(request: Request) -> HttpResponse:
    day = request.GET.get("window") == "day"
    window = delivery.metrics.DAY if day else delivery.metrics.HOUR
    seen = watch_messages.Overview(now=request.now, window=window)
    tallies = (tally for (channel, _), tally in seen.tallies.items() if channel in deliver_messages.CHANNELS)
    steps = delivery.metrics.tally_over_time(now=request.now, window=window, step=watch_messages.STEP)
    return page.render(
        request, "ops/messages.html", day=day, seen=seen, total=delivery.metrics.add_up(tallies),
        waiting=sum(one.count for one in seen.queue if one.state != "awaiting_receipt"),
        plots=plots.of(steps),
        number=partial(numbers.number, request.language),
        age=lambda moment: local_time.elapsed(moment, request.now),
    )  # fmt: skip


@outage.answer_when_away(outage.plain)
@require_safe
def metrics(request: Request) -> HttpResponse:
    """For Prometheus. Counters stand in the database, exact over restarts and workers; gauges are read when asked.
    Nothing is kept in this process, so there is no registry: a collector is made for every answer."""
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
        yield from _defence(snapshot.defence)
        rush = season.look(now=snapshot.now)
        yield _gauge("massar_season", "1 while season mode is on.", "", [((), rush.until is not None)])
        runs = {(run.job,): run.ran_at.timestamp() for run in upkeep.job_runs.read() if run.ran_at}
        what = "When each job that deletes what is kept of people went well last, in seconds since 1970."
        yield _gauge("massar_retention_last_run_timestamp_seconds", what, "job", runs.items())
        active = {one.id for one in delivery.alarms.find_active(snapshot)}
        alarms = {(alarm.id,): alarm.id in active for alarm in delivery.alarms.TABLE}
        what = "1 while the alarm stands; what to do: docs/operate/alarms/."
        yield _gauge("massar_alarm", what, "name", alarms.items())


def _defence(seen: delivery.metrics.Defence) -> Iterator[Metric]:
    for name, what, value in (
        ("siege", "1 while every unknown browser meets a challenge.", seen.siege),
        ("siege_accounts", "Accounts that are under siege by command.", seen.accounts),
        ("sign_in_failures_recent", "Failures of unknown browsers in the last 10 to 20 minutes.", seen.failures),
        ("sign_in_failures_usual", "The same at this time of day, median of a week.", seen.usual),
        ("sprayed_passwords", "Passwords that fail on more than 20 accounts within the hour.", seen.passwords),
        ("networks_spent", "Networks whose failures at the sign-in are spent.", seen.networks),
    ):  # fmt: skip
        yield _gauge(f"massar_{name}", what, "", [((), value)])


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


urlpatterns = [
    path("desk/messages/", messages, name="ops_messages"),
    path("metrics", metrics, name="metrics"),
]
