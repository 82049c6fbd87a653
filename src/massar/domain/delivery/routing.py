"""Which provider a message takes: the first of the channel's list that is fit, another one for a message it has failed.

Order is the operator's. What changes it: a breaker that is open (`breaker.py`), lateness, and codes that nobody types
in (`conversion.py`). A provider is late only beside a better one: when all are late, the network is, and switching
would help nobody. One whose binds other workers hold (standby) is passed over by what has waited for them in vain."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from massar.core import clock, sql
from massar.domain.delivery import breaker, conversion
from massar.domain.delivery.outbox import QueuedMessage
from massar.domain.delivery.provider import Provider

LATE_AFTER = timedelta(seconds=45)  # from hand-over to "delivered"
WINDOW = timedelta(minutes=10)
ENOUGH, FEW = 10, 5  # messages that tell something about a provider in use, and about one on trial
LATE, BETTER_BY = 0.5, 0.4
EVERY = 5  # of so many messages one goes to the provider that is on trial, or comes back to the late one
LOOK_AGAIN = timedelta(seconds=10)
STANDBY_PATIENCE = timedelta(seconds=2)  # in which a worker that holds a bind takes what is due


@dataclass(frozen=True)
class ProviderRegistry:
    """The providers of each channel in the operator's order, and what a segment costs by name (thousandths)."""

    providers: Mapping[str, Sequence[Provider]]
    prices: Mapping[str, int] = field(default_factory=dict)

    def of(self, channel: str) -> Sequence[Provider]:
        return self.providers.get(channel, ())

    def all(self) -> list[Provider]:
        return [provider for providers in self.providers.values() for provider in providers]

    def named(self, name: str) -> Provider | None:
        return next((provider for provider in self.all() if provider.name == name), None)

    def price(self, provider: str) -> int:
        return self.prices.get(provider, 0)


LONGEST_NAME = 40  # as the columns for names of providers
SITE_OF_MESSAGE = f"SUBSTR('site:' || about, 1, {LONGEST_NAME})"  # name_of_site in SQL, of what a logout is about


def name_of_site(slug: str) -> str:
    return f"site:{slug}"[:LONGEST_NAME]


class Punctuality(NamedTuple):
    """Of a provider's messages with receipts in the window: how many, and how many of them were late."""

    total: int
    late: int

    @property
    def share(self) -> float:
        return self.late / self.total if self.total else 0.0


class Breakers:
    """One worker's view of the breakers, which is a turn old at most; and the probes that it has claimed."""

    def __init__(self) -> None:
        self._states: dict[str, breaker.Facts] = {}
        self._probing: set[str] = set()

    def look(self, now: datetime) -> None:
        self._states = breaker.all_states()

    def probe_in(self, names: Iterable[str], now: datetime) -> timedelta:
        """Return how long until one of these that are shut is tried again."""
        moments = [facts.until for name in names if (facts := self._shut(name)) and facts.until]
        wait = min(moments, default=now) - now
        return min(max(wait, timedelta(seconds=1)), timedelta(seconds=breaker.LONGEST_PAUSE))

    def rests(self, name: str, now: datetime) -> bool:
        """Tell whether it is shut, and not to be tried yet."""
        facts = self._shut(name)
        return facts is not None and not facts.due(now)

    def may_use(self, name: str, now: datetime, *, tried: bool = False) -> bool:
        """Tell whether it is not shut, or shut and this is the message that tries it. tried: the message has failed
        there. It tries only when no other has come forward, for it may be the reason itself."""
        facts = self._shut(name)
        if facts is None:
            return True
        if not facts.due(now - timedelta(seconds=breaker.FIRST_PAUSE) if tried else now):
            return False
        claimed = breaker.claim_probe(name, now=now)
        if claimed:
            self._probing.add(name)
        return claimed

    def release_probes(self, used: Iterable[str], now: datetime) -> None:
        """Give back the probes of those that a message was to try and none of these does after all."""
        for name in self._probing - set(used):
            breaker.release_probe(name, now=now)
        self._probing.clear()

    def _shut(self, name: str) -> breaker.Facts | None:
        facts = self._states.get(name)
        return facts if facts and facts.state != breaker.State.CLOSED else None


class Router(Breakers):
    """One worker's view of the providers; what it knows of lateness and conversion is a few seconds old at most."""

    def __init__(self, registry: ProviderRegistry):
        super().__init__()
        self.registry = registry
        self._late: dict[str, Punctuality] = {}
        self._compared = conversion.Compared()
        self._looked_at: datetime | None = None

    def look(self, now: datetime) -> None:
        """Read breakers anew, lateness and conversion now and then."""
        super().look(now)
        if clock.is_due(self._looked_at, LOOK_AGAIN, now=now):
            self._late, self._compared, self._looked_at = punctuality(now=now), conversion.compared(now=now), now

    def choose(self, message: QueuedMessage, now: datetime) -> Provider | None:
        """The provider for this message now, one that has not had it first; None while all of the channel are shut."""
        had = {name: number for number, name in enumerate(message.tried)}  # the last time
        ordered = sorted(self._ordered(message.channel, message.id), key=lambda one: had.get(one.name, -1))
        usable = (one for one in ordered if not one.standby())
        return next((one for one in usable if self.may_use(one.name, now, tried=one.name in had)), None)

    def first_fit(self, channel: str, now: datetime) -> Provider | None:
        """The provider that most messages of the channel would take now: first one that is due for a probe."""
        usable = [one for one in self._ordered(channel, 1) if not one.standby() and not self.rests(one.name, now)]
        return min(usable, key=lambda one: self._shut(one.name) is None, default=None)

    def patience(self, channel: str) -> timedelta:
        """For how long a message is left to workers that hold the binds of a better provider than this one can use."""
        fit = [one for one in self._ordered(channel, 1) if self._shut(one.name) is None]
        return STANDBY_PATIENCE if fit and fit[0].standby() else timedelta(0)

    def others_left(self, channel: str, tried: set[str]) -> bool:
        """Whether a provider that has not had the message could still take it."""
        left = (one for one in self.registry.of(channel) if one.name not in tried and not one.standby())
        return any(self._shut(one.name) is None for one in left)

    def _ordered(self, channel: str, number: int) -> list[Provider]:
        """The operator's order, by which one that is due for a probe is tried with the next message. Stopped ones
        come last; of the others lateness speaks."""
        listed, stopped = self.registry.of(channel), self._compared.behind
        providers = [one for one in listed if one.name not in stopped]
        return self._by_lateness(providers, number) + [one for one in listed if one.name in stopped]

    def _by_lateness(self, providers: list[Provider], number: int) -> list[Provider]:
        if len(providers) < 2:
            return providers
        first, *rest = providers
        turn = number % EVERY == 0
        if first.name in self._compared.low and turn:
            return [*rest, first]  # whether the next one does better is not known before it is tried
        told = self._late.get(first.name, Punctuality(0, 0))
        if told.total < ENOUGH or told.share < LATE:
            return providers
        for other in rest:
            beside = self._late.get(other.name, Punctuality(0, 0))
            on_trial = beside.total < FEW
            if on_trial or beside.share <= told.share - BETTER_BY:
                return [other, *(one for one in providers if one is not other)] if turn == on_trial else providers
        return providers


def punctuality(*, now: datetime) -> dict[str, Punctuality]:
    """By provider, of what was handed over in the window and has had time to arrive. "Under way" is no arrival."""
    late = f"told_at IS NULL OR state <> 'delivered' OR {sql.seconds_between('sent_at', 'told_at')} > %s"
    found = sql.rows(
        f"SELECT provider, COUNT(*), SUM(CASE WHEN {late} THEN 1 ELSE 0 END) FROM delivery_part "
        "WHERE sent_at > %s AND sent_at <= %s GROUP BY provider",
        (LATE_AFTER.total_seconds(), sql.at(now - WINDOW), sql.at(now - LATE_AFTER)),
    )
    return {provider: Punctuality(total, count) for provider, total, count in found}
