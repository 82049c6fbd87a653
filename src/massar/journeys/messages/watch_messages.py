"""What is seen of messages: by operators all of one moment, by a person when the own ones left and arrived."""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils.functional import cached_property

from massar.domain.delivery import api as delivery
from massar.domain.desk import api as desk
from massar.domain.people import api as people
from massar.journeys import retention
from massar.journeys.account import defend
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.messages import sms_budget

metrics = delivery.metrics
STEP = timedelta(minutes=5)  # of the plots
SHOWN, SHOWN_FOR = 10, timedelta(days=30)


class Overview(metrics.MetricsSnapshot):
    """All of one moment, as operators, alarms and Prometheus see it."""

    def __init__(self, *, now: datetime, window: timedelta = metrics.HOUR) -> None:
        super().__init__(
            now, lambda: sms_budget.percent_spent(now=now), lambda: defend.observe(now=now),
            lambda: retention.overdue(now=now), lambda percent: _busy_desks(percent, now),
            lambda: [f"{unit} {desk.numbers.shown(number)}" for unit, number in desk.reviews.asked(now=now)],
        )  # fmt: skip
        self.window = window

    @cached_property
    def alarms(self) -> list[delivery.alarms.ActiveAlarm]:
        return delivery.alarms.find_active(self)

    @cached_property
    def errors(self) -> list[metrics.Error]:
        return metrics.read_errors()

    @cached_property
    def tallies(self) -> dict[tuple[str, str], metrics.Tally]:
        """(channel, provider) -> tally of the window. Every configured provider stands there, with traffic or without;
        so does what is shut and no longer configured, or a site, with channel ''."""
        of_hour = self.window == metrics.HOUR
        found = self.hour if of_hour else metrics.tally_by_provider(now=self.now, window=self.window)
        idle = {(channel, name): metrics.Tally() for name, channel in settings.MASSAR.provider_channels.items()}
        listed = dict(sorted({**idle, **found}.items()))
        named = {provider for _, provider in listed}
        for name, facts in self.breakers.items():
            if facts.state != delivery.breaker.State.CLOSED and name not in named:
                listed["", name] = metrics.Tally()
        return listed


def _busy_desks(percent: int, now: datetime) -> list[str]:
    """Codes of the branches."""
    found = people.units.by_ids(desk.seen.busy(percent, now=now))
    return [unit.code for unit in found]


def may_watch(signed_in: SignedIn) -> bool:
    """Operators only; that their session is young enough was judged when it was resumed."""
    return signed_in.person.operates


def of_person(*, person: people.PersonFacts, now: datetime) -> list[metrics.ToPerson]:
    """The person's own, newest first, the contact masked."""
    return metrics.read_messages_to(person.id, since=now - SHOWN_FOR, most=SHOWN)
