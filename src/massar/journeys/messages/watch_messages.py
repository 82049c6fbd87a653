"""Watching over messages: who may, and all that there is to see at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from massar.domain.delivery import api as delivery
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.messages import sms_budget

figures = delivery.metrics
STEP = timedelta(minutes=5)


@dataclass(frozen=True)
class Seen:
    """All of one moment. `tallies`: (channel, carrier) -> figures.Tally of the window. Every configured carrier stands there,
    with traffic or without; so does what is shut and no longer configured, or a site, with channel ''.
    """

    now: datetime
    window: timedelta
    alarms: list[delivery.alarms.Standing]
    queue: list[figures.Waiting]
    breakers: dict[str, delivery.breaker.Facts]
    tallies: dict[tuple[str, str], figures.Tally]
    errors: list[figures.Error]


def may_watch(here: SignedIn) -> bool:
    """Operators only; that their session is young enough was judged when it was resumed."""
    return here.person.operates


def glance(*, now: datetime) -> figures.Look:
    """What alarms and metrics are judged by."""
    return figures.Look(now, lambda: sms_budget.standing(now=now))


def look(*, now: datetime, window: timedelta = figures.HOUR) -> Seen:
    """One look at queue, carriers and alarms, as operators read it."""
    seen = glance(now=now)
    tallies = seen.hour if window == figures.HOUR else figures.by_carrier(now=now, window=window)
    closed = delivery.breaker.State.CLOSED
    idle = {(channel, name): figures.Tally() for name, channel in settings.MASSAR.carrier_channels.items()}
    listed = {**idle, **tallies}
    named = {carrier for _, carrier in listed}
    shut = [facts.carrier for facts in seen.breakers.values() if facts.state != closed and facts.carrier not in named]
    return Seen(
        now=now,
        window=window,
        alarms=delivery.alarms.standing(seen),
        queue=seen.queue,
        breakers=seen.breakers,
        tallies=dict(sorted(listed.items())) | {("", carrier): figures.Tally() for carrier in shut},
        errors=figures.errors(),
    )


def over_time(*, now: datetime, window: timedelta) -> list[tuple[datetime, figures.Tally]]:
    """(beginning, figures.Tally) of every five minutes of the window, for plots."""
    return figures.over_time(now=now, window=window, step=STEP)
