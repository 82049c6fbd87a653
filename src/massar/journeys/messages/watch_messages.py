"""What is seen of messages: by operators all of one moment, by a person when the own ones left and arrived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from massar.domain.delivery import api as delivery
from massar.domain.people import api as people
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.messages import sms_budget

metrics = delivery.metrics
STEP = timedelta(minutes=5)
SHOWN, SHOWN_FOR = 10, timedelta(days=30)


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
    return metrics.MetricsSnapshot(now, lambda: sms_budget.percent_spent(now=now))


def read_overview(*, now: datetime, window: timedelta = metrics.HOUR) -> Overview:
    """Read queue, providers and alarms, as operators see them."""
    snapshot = take_snapshot(now=now)
    tallies = snapshot.hour if window == metrics.HOUR else metrics.tally_by_provider(now=now, window=window)
    idle = {(channel, name): metrics.Tally() for name, channel in settings.MASSAR.provider_channels.items()}
    listed = dict(sorted({**idle, **tallies}.items()))
    named = {provider for _, provider in listed}
    for name, facts in snapshot.breakers.items():
        if facts.state != delivery.breaker.State.CLOSED and name not in named:
            listed["", name] = metrics.Tally()
    return Overview(
        now=now,
        window=window,
        alarms=delivery.alarms.find_active(snapshot),
        queue=snapshot.queue,
        breakers=snapshot.breakers,
        tallies=listed,
        errors=metrics.read_errors(),
    )


def tally_over_time(*, now: datetime, window: timedelta) -> list[tuple[datetime, metrics.Tally]]:
    """Read (beginning, tally) of every five minutes of the window, for plots."""
    return metrics.tally_over_time(now=now, window=window, step=STEP)


def of_person(*, person: people.PersonFacts, now: datetime) -> list[metrics.ToPerson]:
    """The person's own, newest first, the contact masked."""
    return metrics.read_messages_to(person.id, since=now - SHOWN_FOR, most=SHOWN)
