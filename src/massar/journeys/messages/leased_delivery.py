"""Delivering what stands in the queue: claim, fix the end, write the attempt, and only then speak to whoever takes it.

No transaction is open while somebody is spoken to. A worker may die at any line: the lease ends, another takes over,
and a repeat carries the same content and the same time. What many calls brought is settled together. Messages to people
(`deliver_messages.py`) and logouts of sites (`sso/deliver_logouts.py`) go this way; each makes its own choices on it.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar, NamedTuple

from django.db import transaction

from massar.core import sql
from massar.core.audit import api as audit_log
from massar.domain.delivery import api as delivery
from massar.domain.delivery.api import QueuedMessage, State, outbox

note = logging.getLogger("massar.worker")
MOST_AT_ONCE = 100  # messages of one channel in one claim
TOO_LATE = delivery.NotTransmitted("too late")
BUSY_PAUSE = timedelta(seconds=2)  # who is throttled takes more in a moment: no growing pause
BUSY_TRIES, BUSY_FOR_LONG = 20, timedelta(seconds=30)  # what is throttled for hours must not run out of tries


@dataclass(frozen=True)
class Ready:
    """A message whose attempt is written: it may leave by that provider. `name`: of the breaker and the figures,
    which every site has of its own."""

    message: QueuedMessage
    provider: delivery.Provider
    name: str

    def answered(self, result: delivery.Result | Fault, segments: int = 0) -> ProviderAnswer:
        return ProviderAnswer(self.message, self.provider, self.name, result, segments)


class Written(NamedTuple):
    """What the provider gets, and for how long that is worth something. `segments`: as how many SMS the text counts."""

    outbound: delivery.OutboundMessage
    valid_for: timedelta
    segments: int = 0


@dataclass(frozen=True)
class Fault:
    """Something of ours went wrong with this message: no breaker hears of it."""

    outcome: ClassVar[str] = "fault"
    why: str


@dataclass(frozen=True)
class ProviderAnswer(Ready):
    """What became of one attempt. `tries`: how often it could not be settled by itself."""

    result: delivery.Result | Fault
    segments: int = 0
    tries: int = 0


@dataclass(frozen=True)
class Load:
    """What this worker is busy with. under_way: by name, how many messages are being handed over. share: of these, how
    many one site may have, so that a slow one holds up no other. senders: how many threads are free that speak to those
    who answer at once; what waited for one beside its lease would be taken up twice. patience: what is due for less is
    left to other workers."""

    under_way: Mapping[str, int] = field(default_factory=dict)
    share: int | None = None
    senders: int | None = None
    patience: timedelta = timedelta(0)


IDLE = Load()


class LeasedDelivery(ABC):
    """One subject's way through the queue. `breakers`: this worker's view of who may be spoken to."""

    def __init__(self, breakers: delivery.Breakers):
        self.breakers = breakers

    # What a subject decides

    @abstractmethod
    def find_unwanted(self, messages: list[QueuedMessage], now: datetime) -> Mapping[int, str]:
        """Return why messages are no longer wanted, by id."""

    @abstractmethod
    def assign(self, messages: list[QueuedMessage], channel: str, now: datetime, load: Load) -> list[Ready]:
        """Choose who takes each message, and put back those that nobody takes now."""

    @abstractmethod
    def compose(self, message: QueuedMessage, now: datetime) -> delivery.OutboundMessage:
        """Write what leaves; every repeat says the same."""

    @abstractmethod
    def is_final(self, answer: ProviderAnswer, result: delivery.Result) -> bool:
        """Tell whether a message that was not accepted is given up."""

    @abstractmethod
    def report_to_breaker(self, answer: ProviderAnswer, result: delivery.Result, now: datetime) -> None:
        """Tell the breaker whose trouble the answer is, and wake what waits for it."""

    def room(self, channel: str, now: datetime, *, free: int, under_way: Mapping[str, int]) -> tuple[int, timedelta]:
        """Return how many messages can be begun with now, and for how long each is left to other workers. free: how
        many threads speak to nobody just now."""
        return free, timedelta(0)

    def hold_back(self, now: datetime, load: Load) -> Sequence[str]:
        """Return what messages may be about that are not claimed now."""
        return ()

    def price(self, provider: str) -> int:
        """Return what a segment costs, in thousandths."""
        return 0

    def judge(self, message: QueuedMessage, result: delivery.Result, now: datetime) -> delivery.Result:
        """Return what an answer is worth once it is read."""
        return result

    def pause(self, answer: ProviderAnswer, result: delivery.Result) -> timedelta | None:
        """Return how long until the next attempt; None: longer each time."""
        attempt = answer.message.attempt
        if isinstance(result, delivery.Rejected) and result.busy:
            return BUSY_PAUSE if attempt < BUSY_TRIES else BUSY_FOR_LONG
        return outbox.GRACE if isinstance(result, delivery.OutcomeUnknown) and attempt < 3 else None

    # Taking messages up

    @transaction.atomic
    def take(self, most: int, *, channel: str, now: datetime, load: Load = IDLE) -> list[Ready]:
        """Claim due messages, end those that are too late or no longer wanted, and write the attempts of the others."""
        return self._prepare(self._claim(most, channel, now, load), channel, now, load)

    def take_each_alone(self, most: int, *, channel: str, now: datetime, load: Load = IDLE) -> list[Ready]:
        """As `take`, where a message meets a fault of ours: it alone waits for its next try, or fails."""
        ready: list[Ready] = []
        busy = Counter(load.under_way)
        for message in self._claim(most, channel, now, load):
            free = None if load.senders is None else load.senders - len(ready)
            try:
                with transaction.atomic():
                    taken = self._prepare([message], channel, now, replace(load, under_way=busy, senders=free))
            except Exception as trouble:
                if sql.is_away(trouble):
                    raise
                note.exception("message %s: fault while it was taken up", message.uid)
                self._meet_fault(message, type(trouble).__name__, now)
            else:
                busy.update(one.name for one in taken)
                ready += taken
        return ready

    def _claim(self, most: int, channel: str, now: datetime, load: Load) -> list[QueuedMessage]:
        due_by = now - load.patience if load.patience else None
        return outbox.claim(most, now=now, channel=channel, besides=self.hold_back(now, load), due_by=due_by)

    def _prepare(self, messages: list[QueuedMessage], channel: str, now: datetime, load: Load) -> list[Ready]:
        ready = self.assign(self._still_wanted(messages, now), channel, now, load)
        self.breakers.release_probes([one.name for one in ready], now)
        ready = self._with_expiry(ready, now)
        for name, provider in {one.name: one.provider for one in ready}.items():
            theirs = [one.message for one in ready if one.name == name]
            outbox.begin_attempts(theirs, name, longest=provider.longest, now=now)
        return ready

    def _still_wanted(self, messages: list[QueuedMessage], now: datetime) -> list[QueuedMessage]:
        unwanted = self.find_unwanted(messages, now)
        kept = []
        for message in messages:
            if message.too_late(now):
                give_up(message, State.EXPIRED, "too late", now)
            elif message.attempt > outbox.MOST_ATTEMPTS:  # each worker that took it died: do not kill the next
                give_up(message, State.FAILED, "too many attempts", now)
            elif message.id in unwanted:
                give_up(message, State.CANCELLED, unwanted[message.id], now)
            else:
                kept.append(message)
        return kept

    def fix_expiry(self, messages: list[QueuedMessage], expires_at: datetime) -> None:
        """Store the end of messages that had none."""
        outbox.fix_expiry(messages, expires_at)

    def _with_expiry(self, ready: list[Ready], now: datetime) -> list[Ready]:
        """Fix ends that were open: they count from here, so a secret does not age while every provider is shut."""
        ends: dict[datetime, list[QueuedMessage]] = {}
        for message in (one.message for one in ready if one.message.expires_at is None):
            end = now + timedelta(seconds=message.lifetime) if message.lifetime else message.deadline
            ends.setdefault(end, []).append(message)
        fixed: dict[int, QueuedMessage] = {}
        for expires_at, theirs in ends.items():
            self.fix_expiry(theirs, expires_at)
            fixed |= {message.id: replace(message, expires_at=expires_at) for message in theirs}
        return [replace(one, message=fixed.get(one.message.id, one.message)) for one in ready]

    # Handing them over

    def write(self, message: QueuedMessage, *, now: datetime) -> Written | None:
        """Write what the provider gets; None: the queue inside this worker was long, and it must not leave any more."""
        if message.too_late(now):
            return None
        outbound = self.compose(message, now)
        segments = delivery.measure(outbound.text).segments if outbound.channel == "sms" else 0
        return Written(outbound, (message.expires_at or message.deadline) - now, segments)

    def hand_over(self, ready: Ready, *, tick: Callable[[], datetime]) -> ProviderAnswer:
        written = self.write(ready.message, now=tick())
        if written is None:
            return ready.answered(TOO_LATE)
        result = ready.provider.send(written.outbound, valid_for=written.valid_for)
        return ready.answered(self.judge(ready.message, result, tick()), written.segments)

    # Settling what became of them

    def settle(self, answers: list[ProviderAnswer], *, now: datetime) -> list[tuple[QueuedMessage, str]]:
        """Store what became of attempts and messages. Return those that were not accepted, with the reason."""
        with transaction.atomic():
            self._accept(answers, now)
            refused = [
                (one.message, self._refuse(one, one.result, now))
                for one in answers
                if not isinstance(one.result, delivery.Accepted)
            ]
        # Breakers hear what is their provider's fault, what may be a message's own, and what is neither.
        for provider in {one.name for one in answers}:
            theirs = [one for one in answers if one.name == provider]
            for one in next(([x] for x in theirs if isinstance(x.result, delivery.Accepted)), theirs):
                if one.result == TOO_LATE or isinstance(one.result, Fault):
                    delivery.breaker.release_probe(provider, now=now)
                else:
                    self.report_to_breaker(one, one.result, now)
        return refused

    def _accept(self, answers: list[ProviderAnswer], now: datetime) -> None:
        taken: list[outbox.Acceptance] = []
        counts: Counter[delivery.counters.Series] = Counter()
        for answer in answers:
            if isinstance(result := answer.result, delivery.Accepted):
                message, provider = answer.message, answer.name
                references = result.parts or ((result.reference,) if result.reference else ())
                segments = max(answer.segments, len(result.parts))
                cost = segments * self.price(provider)
                taken.append(outbox.Acceptance(message, provider, references, result.receipt, segments, cost))
                counts.update(delivery.counters.count_accepted(message.channel, provider, "accepted", segments, cost))
        settled = [one.message for one in outbox.accept(taken, now=now)]
        record(settled, "submitted", now)
        waits: dict[str, list[float]] = {}
        for message in settled:
            waits.setdefault(message.channel, []).append(max(0.0, (now - message.created_at).total_seconds()))
        for channel, theirs in waits.items():
            counts.update(delivery.counters.count_hand_over(channel, theirs))
        delivery.counters.add(counts)

    def _refuse(self, answer: ProviderAnswer, result: delivery.Refusal | Fault, now: datetime) -> str:
        """Have one attempt that did not end well followed by another, now or later, or by none."""
        message = answer.message
        outbox.end_attempt(message, result.outcome, now=now, code=result.why)
        delivery.counters.add(delivery.counters.count_attempt(message.channel, answer.name, result.outcome))
        if message.too_late(now):
            give_up(message, State.EXPIRED, "too late", now)
        elif isinstance(result, Fault):
            self._again_after_fault(message, result.why, now)
        elif self.is_final(answer, result):
            give_up(message, State.FAILED, result.why, now)
        else:
            outbox.later(message, now=now, reason=result.why, pause=self.pause(answer, result))
        return f"{result.outcome}: {result.why}"

    # Faults of ours

    @transaction.atomic
    def _meet_fault(self, message: QueuedMessage, why: str, now: datetime) -> None:
        outbox.begin_attempts([message], "", longest=timedelta(0), now=now)
        outbox.end_attempt(message, Fault.outcome, now=now, code=why)
        self._again_after_fault(message, why, now)

    def _again_after_fault(self, message: QueuedMessage, why: str, now: datetime) -> None:
        if outbox.may_repeat(message):
            outbox.later(message, now=now, reason=f"{outbox.FAULT}{why}")
        else:
            _end_by_fault(message, why, now)

    @transaction.atomic
    def give_up_unsettled(self, answer: ProviderAnswer, why: str, *, now: datetime) -> None:
        """End a message whose answer can't be stored: it may have arrived, so it does not leave again."""
        outbox.end_attempt(answer.message, Fault.outcome, now=now, code=why)
        _end_by_fault(answer.message, why, now)


def _end_by_fault(message: QueuedMessage, why: str, now: datetime) -> None:
    give_up(message, State.FAILED, f"{outbox.FAULT}{why}", now)
    delivery.counters.add(delivery.counters.count_fault(message.purpose))


def give_up(message: QueuedMessage, state: str, reason: str, now: datetime) -> None:
    """End a message that has not left, and record that."""
    if outbox.finish(message.id, message.lease, state, now=now, reason=reason):
        record([message], str(state), now)


def record(messages: Sequence[QueuedMessage | delivery.MessageStatus], outcome: str, now: datetime) -> None:
    about = [(one.person_id, {"purpose": one.purpose, "channel": one.channel}) for one in messages]
    audit_log.record_events(
        [audit_log.AuditEvent("message", now, outcome, person_id, detail=detail) for person_id, detail in about]
    )
