"""Watching over messages: who may, and all that there is to see at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from massar.domain.delivery import api as delivery
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.messages import sms_budget

metrics = delivery.metrics
STEP = timedelta(minutes=5)


@dataclass(frozen=True)
class Overview:
    """All of one moment. `tallies`: (channel, provider) -> metrics.Tally of the window. Every configured provider
    stands there, with traffic or without; so does what is shut and no longer configured, or a site, with channel ''.
    """

    now: datetime
    window: timedelta
    alarms: list[delivery.alarms.ActiveAlarm]
    queue: list[metrics.Waiting]
    breakers: dict[str, delivery.breaker.Facts]
    tallies: dict[tuple[str, str], metrics.Tally]
    errors: list[metrics.Error]


def may_watch(signed_in: SignedIn) -> bool:
    """Operators only; that their session is young enough was judged when it was resumed."""
    return signed_in.person.operates


def take_snapshot(*, now: datetime) -> metrics.MetricsSnapshot:
    """Return the numbers of this moment, by which alarms and metrics are judged."""
    return metrics.MetricsSnapshot(now, lambda: sms_budget.standing(now=now))


def read_overview(*, now: datetime, window: timedelta = metrics.HOUR) -> Overview:
    """Read queue, providers and alarms, as operators see them."""
    snapshot = take_snapshot(now=now)
    tallies = snapshot.hour if window == metrics.HOUR else metrics.tally_by_provider(now=now, window=window)
    closed = delivery.breaker.State.CLOSED
    idle = {(channel, name): metrics.Tally() for name, channel in settings.MASSAR.provider_channels.items()}
    listed = {**idle, **tallies}
    named = {provider for _, provider in listed}
    shut = [
        facts.provider for facts in snapshot.breakers.values() if facts.state != closed and facts.provider not in named
    ]
    return Overview(
        now=now,
        window=window,
        alarms=delivery.alarms.find_active(snapshot),
        queue=snapshot.queue,
        breakers=snapshot.breakers,
        tallies=dict(sorted(listed.items())) | {("", provider): metrics.Tally() for provider in shut},
        errors=metrics.read_errors(),
    )


def tally_over_time(*, now: datetime, window: timedelta) -> list[tuple[datetime, metrics.Tally]]:
    """Read (beginning, tally) of every five minutes of the window, for plots."""
    return metrics.tally_over_time(now=now, window=window, step=STEP)
