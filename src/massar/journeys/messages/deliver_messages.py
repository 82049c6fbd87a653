"""Delivering messages to people: which provider takes one, what it says, and when another provider is tried."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from massar.core import clock, ids
from massar.domain.campaigns import api as campaigns
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.delivery.api import QueuedMessage, outbox
from massar.journeys.messages import leased_delivery, sms_budget
from massar.journeys.messages.leased_delivery import LeasedDelivery, Load, ProviderAnswer, Ready

NO_PROVIDER = "no provider for this channel"
CHANNELS = delivery.wording.CHANNELS  # what the product puts in even where no provider is configured
CHARGED_WHEN_ASKED = (
    "temporary_password",
    "vouching_code",
    "contact_code",
    "loss_code",
)  # to the country's SMS; the others when they leave
REMINDER = delivery.wording.REMINDER
LOOK_AGAIN = timedelta(seconds=1)
SPENT_PAUSE = timedelta(minutes=1)  # at least, before what is not urgent asks again whether something is left
NO_PROVIDER_PAUSE = timedelta(minutes=1)
FOR_GOOD = timedelta(days=365)
SHUT = "every provider is shut"  # the reason for which messages wait until a breaker moves
# Where one provider says never, and another may: time enough to see whether others hear the same.
TRIES_BEFORE_GIVING_UP = 3


class MessageDelivery(LeasedDelivery):
    """The way of messages to people, by the providers of the router."""

    def __init__(self, router: delivery.Router):
        super().__init__(router)
        self.router = router
        self._held: list[str] = []
        self._looked_at: datetime | None = None

    def hold_back(self, now: datetime, load: Load) -> Sequence[str]:
        """What belongs to campaigns that were stopped, a second ago or earlier."""
        if clock.is_due(self._looked_at, LOOK_AGAIN, now=now):
            self._held = campaigns.store.stopped()
            self._looked_at = now
        return self._held

    def room(self, channel: str, now: datetime, *, free: int, under_way: Mapping[str, int]) -> tuple[int, timedelta]:
        """As the provider that most of them would take has it. One is tried where a standing connection has no room
        although nothing is under way: that tells what is wrong."""
        if not self.router.registry.of(channel):
            # Nothing leaves, but what waits ends at its time, and says why.
            return leased_delivery.MOST_AT_ONCE, timedelta(0)
        provider, patience = self.router.first_fit(channel, now), self.router.patience(channel)
        if provider is None and patience:
            # Only what is too late: the workers that hold the binds have the rest.
            return leased_delivery.MOST_AT_ONCE, FOR_GOOD
        if not isinstance(provider, delivery.Pipelined):
            return free, patience
        return max(provider.room(), 0 if under_way[provider.name] else 1), patience

    def find_unwanted(self, messages: list[QueuedMessage], now: datetime) -> Mapping[int, str]:
        wanted = credentials.temporary.wanted([x.temporary_id for x in messages if x.temporary_id], now)
        return {x.id: "no longer wanted" for x in messages if x.temporary_id and x.temporary_id not in wanted}

    def fix_expiry(self, messages: list[QueuedMessage], expires_at: datetime) -> None:
        super().fix_expiry(messages, expires_at)
        credentials.temporary.fix_expiry([one.temporary_id for one in messages if one.temporary_id], expires_at)

    def assign(self, messages: list[QueuedMessage], channel: str, now: datetime, load: Load) -> list[Ready]:
        listed = self.router.registry.of(channel)
        if not listed:
            outbox.put_back(messages, now=now, pause=NO_PROVIDER_PAUSE, reason=NO_PROVIDER)
            return []
        ready: list[Ready] = []
        shut: list[QueuedMessage] = []
        crowded: list[QueuedMessage] = []
        senders = len(messages) if load.senders is None else load.senders
        for message in messages:
            provider = self.router.choose(message, now)
            if provider is None:
                shut.append(message)
                continue
            at_once = not isinstance(provider, delivery.Pipelined)
            if at_once and senders <= 0:
                crowded.append(message)
            else:
                senders -= at_once
                ready.append(Ready(message, provider, provider.name))
        outbox.put_back(crowded, now=now, pause=leased_delivery.BUSY_PAUSE, reason="every sender is busy")
        outbox.put_back(shut, now=now, pause=self.router.probe_in([x.name for x in listed], now), reason=SHUT)
        return _within_budget(ready, now)

    def compose(self, message: QueuedMessage, now: datetime) -> delivery.OutboundMessage:
        values = dict(message.values)
        if "secret" in values:
            values["secret"] = ids.show_temporary_password(values["secret"])
        if message.purpose in CHARGED_WHEN_ASKED:
            values["valid_until"] = message.expires_at
        for moment in ("when", "counts_from"):
            if values.get(moment):
                values[moment] = datetime.fromisoformat(values[moment])
        words = delivery.wording.render(
            message.purpose, language=message.language, channel=message.channel, values=values
        )
        return delivery.OutboundMessage(
            message_id=message.uid, channel=message.channel, to=message.to, language=message.language,
            subject=words.subject, text=words.text, html=words.html, written_at=message.created_at,
        )  # fmt: skip

    def price(self, provider: str) -> int:
        return self.router.registry.price(provider)

    def is_final(self, answer: ProviderAnswer, result: delivery.Result) -> bool:
        """Said for good: by this provider alone, where another may take it, or where others may soon hear the same."""
        if isinstance(result, delivery.OutcomeUnknown):
            return not outbox.may_repeat(answer.message)
        if not isinstance(result, delivery.Rejected) or not result.permanent:
            return False
        tried_enough = answer.message.attempt >= TRIES_BEFORE_GIVING_UP
        return not result.elsewhere or (tried_enough and not self._others_left(answer))

    def pause(self, answer: ProviderAnswer, result: delivery.Result) -> timedelta | None:
        """At once where another provider has not had it; unanswered, a receipt may still tell what became of it."""
        if self._others_left(answer):
            return outbox.GRACE if isinstance(result, delivery.OutcomeUnknown) else timedelta(0)
        return super().pause(answer, result)

    def _others_left(self, answer: ProviderAnswer) -> bool:
        message = answer.message
        return self.router.others_left(message.channel, {*message.tried, answer.name})

    def report_to_breaker(self, answer: ProviderAnswer, result: delivery.Result, now: datetime) -> None:
        provider = answer.name
        if delivery.breaker.report_provider(provider, answer.message, result, now=now):
            until = delivery.breaker.all_states()[provider].until
            outbox.wake(SHUT, channel=answer.message.channel, at=until or now)


def _within_budget(ready: list[Ready], now: datetime) -> list[Ready]:
    """SMS that nobody waits for stay queued while the country's budget is spent. A repeat is not charged again."""
    kept, waiting, refused = [], [], None
    for one in ready:
        message = one.message
        if message.channel == "sms" and message.attempt == 1 and message.purpose not in CHARGED_WHEN_ASKED:
            segments = delivery.wording.most_segments(message.purpose, message.language)
            take = sms_budget.take_for_campaign if message.purpose == REMINDER else sms_budget.take
            refused = refused or take(segments, now=now)
            if refused:
                waiting.append(message)
                continue
        kept.append(one)
    if refused:
        outbox.put_back(waiting, now=now, pause=max(refused.until - now, SPENT_PAUSE), reason="the SMS budget is spent")
    return kept
