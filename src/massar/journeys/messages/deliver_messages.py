"""Handing messages over: claim, fix the end, choose the provider, write the attempt, and only then speak to the provider.

No transaction is open while a provider is spoken to. A worker may die at any line: the lease ends, another takes over,
and a repeat carries the same secret and the same time. What many providers' calls brought is settled together.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from massar.core import ids, sql
from massar.core.audit import api as audit_log
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.journeys.messages import sms_budget
from massar.journeys.sso import log_out_of_sites
from massar.journeys.sso.saml import idp_initiated_logout

note = logging.getLogger("massar.worker")
outbox, QueuedMessage, State = delivery.outbox, delivery.QueuedMessage, delivery.State
NO_PROVIDER = "no provider for this channel"
TOO_LATE = delivery.NotTransmitted("too late")
NOTHING: Mapping[str, int] = {}
TO_PEOPLE = delivery.wording.CHANNELS  # what the product puts in even where no provider is configured
TO_SITES = {
    "site": log_out_of_sites.logout_token,
    "soap": idp_initiated_logout.soap_request,
}  # what says it, by channel
CHARGED_WHEN_ASKED = ("temporary_password", "contact_code")  # to the country's SMS; the others when they leave
SPENT_PAUSE = timedelta(minutes=1)  # at least, before what is not urgent asks again whether something is left
NO_PROVIDER_PAUSE = timedelta(minutes=1)
NOT_REGISTERED = "the site is no longer registered"
SHUT, AWAY = "every provider is shut", "the site is away"  # reasons for which messages wait until a breaker moves
TRIES_BEFORE_GIVING_UP = (
    3  # where one provider says never, and another may: time enough to see whether others hear the same
)
BUSY_PAUSE = timedelta(seconds=2)  # a provider that is throttled takes more in a moment: no growing pause
BUSY_TRIES, BUSY_FOR_LONG = (
    20,
    timedelta(seconds=30),
)  # after so many: what is throttled for hours must not run out of tries


@dataclass(frozen=True)
class Ready:
    """A message whose attempt is written: it may leave by that provider."""

    message: QueuedMessage
    provider: delivery.Provider


@dataclass(frozen=True)
class Fault:
    """Something of ours went wrong with this message: no provider is to blame."""

    why: str


@dataclass(frozen=True)
class ProviderAnswer:
    """What a provider answered. `segments`: as how many the text counts (0 where that means nothing).

    `tries`: how often it could not be settled by itself.
    """

    message: QueuedMessage
    provider: delivery.Provider
    result: delivery.Result | Fault
    segments: int = 0
    tries: int = 0


class TooLate(Exception):
    """The queue inside this worker was long: the message must not leave any more."""


@transaction.atomic
def take(
    most: int,
    *,
    channel: str,
    router: delivery.Router,
    now: datetime,
    under_way: Mapping[str, int] = NOTHING,
    share: int | None = None,
    senders: int | None = None,
    patience: timedelta = timedelta(0),
) -> list[Ready]:
    """Claims due messages, ends those that are too late or no longer wanted, and writes the attempts of the others.

    under_way: by provider's name, how many messages are being handed over; share: of these, how many one site may have
    (None: as many as there are), so that a slow site holds up no other. senders: how many of the threads are free that speak
    to providers which answer at once; what waited for one beside its lease would be taken up twice. patience: what is due for
    less is left to other workers.
    """
    messages = _claim(most, channel, router, now, under_way, share, patience)
    return _prepare(messages, channel, router, now, under_way, share, most if senders is None else senders)


def take_each_alone(
    most: int,
    *,
    channel: str,
    router: delivery.Router,
    now: datetime,
    under_way: Mapping[str, int] = NOTHING,
    share: int | None = None,
    senders: int | None = None,
    patience: timedelta = timedelta(0),
) -> list[Ready]:
    """As `take`, where one of the messages meets a fault of ours: it alone waits for its next try, or fails after the last."""
    ready, busy = [], Counter(under_way)
    for message in _claim(most, channel, router, now, busy, share, patience):
        left = (most if senders is None else senders) - len(ready)
        try:
            with transaction.atomic():
                taken = _prepare([message], channel, router, now, busy, share, left)
        except Exception as trouble:
            if sql.is_away(trouble):
                raise
            note.exception("message %s: fault while it was taken up", message.uid)
            _meet_fault(message, trouble, now)
        else:
            busy.update(one.provider.name for one in taken)
            ready += taken
    return ready


@transaction.atomic
def _meet_fault(message: QueuedMessage, trouble: Exception, now: datetime) -> None:
    outbox.begin_attempts([message], "", longest=timedelta(0), now=now)
    outbox.end_attempt(message, "fault", now=now, code=type(trouble).__name__)
    _again_after_fault(message, type(trouble).__name__, now)


def _again_after_fault(message: QueuedMessage, why: str, now: datetime) -> None:
    if outbox.may_repeat(message):
        outbox.later(message, now=now, reason=f"{outbox.FAULT}{why}")
    else:
        _end_by_fault(message, why, now)


def _end_by_fault(message: QueuedMessage, why: str, now: datetime) -> None:
    _give_up(message, State.FAILED, f"{outbox.FAULT}{why}", now)
    delivery.counters.add(delivery.counters.count_fault(message.purpose))


@transaction.atomic
def give_up_unsettled(done: ProviderAnswer, why: str, *, now: datetime) -> None:
    """End a message of which it can't be written what became of it: it may have arrived, so it does not leave again."""
    outbox.end_attempt(done.message, "fault", now=now, code=why)
    _end_by_fault(done.message, why, now)


def _claim(
    most: int,
    channel: str,
    router: delivery.Router,
    now: datetime,
    under_way: Mapping[str, int],
    share: int | None,
    patience: timedelta,
) -> list[QueuedMessage]:
    besides = _left_alone(router, now, under_way, share) if channel in TO_SITES else []
    due_by = now - patience if patience else None
    return outbox.claim(most, now=now, channel=channel, besides=besides, due_by=due_by)


def _prepare(
    messages: list[QueuedMessage],
    channel: str,
    router: delivery.Router,
    now: datetime,
    under_way: Mapping[str, int],
    share: int | None,
    senders: int,
) -> list[Ready]:
    messages = _still_wanted(messages, now)
    if not router.registry.of(channel):
        outbox.put_back(messages, now=now, pause=NO_PROVIDER_PAUSE, reason=NO_PROVIDER)
        return []
    if channel in TO_SITES:
        ready = _to_sites(messages, router, now, under_way, share)
    else:
        ready = _to_people(messages, channel, router, now, senders)
    router.release_probes([one.provider.name for one in ready], now)
    ready = _fixed(ready, now)
    for provider in {one.provider.name: one.provider for one in ready}.values():
        theirs = [one.message for one in ready if one.provider.name == provider.name]
        outbox.begin_attempts(theirs, provider.name, longest=provider.longest, now=now)
    return ready


def _to_people(
    messages: list[QueuedMessage], channel: str, router: delivery.Router, now: datetime, senders: int
) -> list[Ready]:
    ready, shut, crowded = [], [], []
    for message in messages:
        provider = router.choose(message, now)
        at_once = provider is not None and not isinstance(provider, delivery.Pipelined)
        if provider is None:
            shut.append(message)
        elif at_once and not senders:
            crowded.append(message)
        else:
            senders -= at_once
            ready.append(Ready(message, provider))
    outbox.put_back(crowded, now=now, pause=BUSY_PAUSE, reason="every sender is busy")
    outbox.put_back(shut, now=now, pause=router.next_probe(channel, now), reason=SHUT)
    return _within_budget(ready, now)


def _left_alone(router: delivery.Router, now: datetime, under_way: Mapping[str, int], share: int | None) -> list[str]:
    """Sites that rest after faults, or have their share of the senders. Their messages stay in the queue."""
    full = {name for name, count in under_way.items() if share and count >= share}
    names = {site.slug: delivery.to_site(site.slug) for site in settings.MASSAR.sites.sites}
    return [slug for slug, name in names.items() if name in full or router.rests(name, now)]


def _to_sites(
    messages: list[QueuedMessage],
    router: delivery.Router,
    now: datetime,
    under_way: Mapping[str, int],
    share: int | None,
) -> list[Ready]:
    ready, busy = [], Counter(under_way)
    for message in messages:
        name = delivery.to_site(message.values["site"])
        if share and busy[name] >= share:
            outbox.put_back([message], now=now, pause=timedelta(0), reason="the site has its share")
        elif not router.may_use(name, now, tried=name in message.tried):
            outbox.put_back([message], now=now, pause=router.probe_in([name], now), reason=AWAY)
        else:
            busy[name] += 1
            ready.append(Ready(message, delivery.ToSite(router.registry.of(message.channel)[0], name)))
    return ready


def _within_budget(ready: list[Ready], now: datetime) -> list[Ready]:
    """SMS that nobody waits for stay in the queue while the country's budget is spent. A repeat is not charged again."""
    kept, waiting, refused = [], [], None
    for one in ready:
        message = one.message
        if message.channel == "sms" and message.attempt == 1 and message.purpose not in CHARGED_WHEN_ASKED:
            segments = delivery.wording.most_segments(message.purpose, message.language)
            refused = refused or sms_budget.take(segments, now=now)
            if refused:
                waiting.append(message)
                continue
        kept.append(one)
    if refused:
        outbox.put_back(waiting, now=now, pause=max(refused.until - now, SPENT_PAUSE), reason="the SMS budget is spent")
    return kept


def _still_wanted(messages: list[QueuedMessage], now: datetime) -> list[QueuedMessage]:
    wanted = credentials.temporary.wanted([x.temporary_id for x in messages if x.temporary_id], now)
    kept = []
    for message in messages:
        if message.too_late(now):
            _give_up(message, State.EXPIRED, "too late", now)
        elif message.attempt > outbox.MOST_ATTEMPTS:  # each worker that took it died: do not kill the next
            _give_up(message, State.FAILED, "too many attempts", now)
        elif message.channel in TO_SITES and message.values["site"] not in settings.MASSAR.sites.by_slug:
            _give_up(message, State.CANCELLED, NOT_REGISTERED, now)
        elif message.temporary_id and message.temporary_id not in wanted:
            _give_up(message, State.CANCELLED, "no longer wanted", now)
        else:
            kept.append(message)
    return kept


def _fixed(ready: list[Ready], now: datetime) -> list[Ready]:
    """Each with its end, which is counted from here where it was still open: a secret does not age while every provider is shut."""
    messages = [one.message for one in ready]
    ends: dict[datetime, list[QueuedMessage]] = {}
    for message in messages:
        if message.expires_at is None:
            ends.setdefault(now + message.lifetime if message.lifetime else message.deadline, []).append(message)
    fixed = {}
    for expires_at, theirs in ends.items():
        outbox.fix_expiry(theirs, expires_at)
        credentials.temporary.fix_expiry([x.temporary_id for x in theirs if x.temporary_id], expires_at)
        fixed |= {message.id: replace(message, expires_at=expires_at) for message in theirs}
    return [replace(one, message=fixed.get(one.message.id, one.message)) for one in ready]


def written(ready: Ready, *, now: datetime) -> tuple[delivery.OutboundMessage, timedelta, int]:
    """What the provider gets: the message, how long it is worth something, its segments. Raises TooLate."""
    if ready.message.too_late(now):
        raise TooLate
    outgoing = _written(ready.message, now)
    segments = delivery.measure(outgoing.text).segments if outgoing.channel == "sms" else 0
    return outgoing, ready.message.expires_at - now, segments


def hand_over(ready: Ready, *, tick: Callable[[], datetime]) -> ProviderAnswer:
    """Speaks to a provider that answers at once."""
    try:
        outgoing, valid_for, segments = written(ready, now=tick())
    except TooLate:
        return ProviderAnswer(ready.message, ready.provider, TOO_LATE)
    result = ready.provider.send(outgoing, valid_for=valid_for)
    if ready.message.channel == "soap":
        result = idp_initiated_logout.judge_soap_answer(ready.message, result, now=tick())
    return ProviderAnswer(ready.message, ready.provider, result, segments)


def settle(done: list[ProviderAnswer], *, router: delivery.Router, now: datetime) -> list[tuple[QueuedMessage, str]]:
    """Writes what became of the attempts, and of the messages. Returns those that were not accepted, with the reason."""
    with transaction.atomic():
        _accepted([one for one in done if isinstance(one.result, delivery.Accepted)], router, now)
        refused = [
            (one.message, _refused(one, router, now)) for one in done if not isinstance(one.result, delivery.Accepted)
        ]
    _judge_providers(done, now)
    return refused


def _accepted(done: list[ProviderAnswer], router: delivery.Router, now: datetime) -> None:
    taken = [
        outbox.Acceptance(
            one.message,
            one.provider.name,
            one.result.parts or ((one.result.reference,) if one.result.reference else ()),
            one.result.receipt,
            segments := max(one.segments, len(one.result.parts)),
            segments * router.registry.price(one.provider.name),
        )
        for one in done
    ]
    settled = outbox.accept(taken, now=now)
    _tell([one.message for one in settled], "submitted", now)
    counts = Counter()
    for one in taken:
        counts.update(
            delivery.counters.count_accepted(one.message.channel, one.provider, "accepted", one.segments, one.cost)
        )
    for channel in {one.message.channel for one in settled}:
        waits = [
            max(0.0, (now - x.message.created_at).total_seconds()) for x in settled if x.message.channel == channel
        ]
        counts.update(delivery.counters.count_hand_over(channel, waits))
    delivery.counters.add(counts)


def _refused(one: ProviderAnswer, router: delivery.Router, now: datetime) -> str:
    """One attempt that did not end well: again by another provider, later, or never."""
    message, result = one.message, one.result
    outcome, code = _outcome(result)
    outbox.end_attempt(message, outcome, now=now, code=code)
    delivery.counters.add(delivery.counters.count_refused(message.channel, one.provider.name, outcome))
    if message.too_late(now):
        _give_up(message, State.EXPIRED, "too late", now)
    elif isinstance(result, delivery.Rejected) and result.permanent and _is_the_end(one, router):
        _give_up(message, State.FAILED, code, now)
    elif isinstance(result, Fault):
        _again_after_fault(message, result.why, now)
    elif (
        isinstance(result, delivery.OutcomeUnknown)
        and message.channel not in TO_SITES
        and not outbox.may_repeat(message)
    ):
        _give_up(message, State.FAILED, code, now)
    else:
        outbox.later(message, now=now, reason=code, pause=_pause(one, router))
    return f"{outcome}: {code}"


def _is_the_end(one: ProviderAnswer, router: delivery.Router) -> bool:
    """Said for good: by this provider alone, where another may still take it, or where others may soon hear the same."""
    if not one.result.elsewhere or one.message.channel in TO_SITES:
        return True
    left = router.others_left(one.message.channel, {*one.message.tried, one.provider.name})
    return not left and one.message.attempt >= TRIES_BEFORE_GIVING_UP


def _outcome(result: delivery.Result) -> tuple[str, str]:
    match result:
        case delivery.Rejected(code=code):
            return "refused", code
        case delivery.OutcomeUnknown(why=why):
            return "unsure", why
        case delivery.NotTransmitted(why=why):
            return "not_sent", why
        case Fault(why=why):
            return "fault", why
    raise TypeError(f"a provider answered {result!r}")


def _pause(one: ProviderAnswer, router: delivery.Router) -> timedelta | None:
    """At once where another provider has not had it; after an unsure answer a receipt may still tell what became of it."""
    message, unsure = one.message, isinstance(one.result, delivery.OutcomeUnknown)
    if message.channel not in TO_SITES and router.others_left(message.channel, {*message.tried, one.provider.name}):
        return outbox.GRACE if unsure else timedelta(0)
    if isinstance(one.result, delivery.Rejected) and one.result.busy:
        return BUSY_PAUSE if message.attempt < BUSY_TRIES else BUSY_FOR_LONG
    return outbox.GRACE if unsure and message.attempt < 3 else None


def _judge_providers(done: list[ProviderAnswer], now: datetime) -> None:
    """Breakers hear what is the provider's fault, what may be one message's own, and what is neither (`blame`)."""
    for provider in {one.provider.name: one.provider for one in done}.values():
        theirs = [one for one in done if one.provider.name == provider.name]
        for one in next(([x] for x in theirs if isinstance(x.result, delivery.Accepted)), theirs):
            if one.result == TOO_LATE or isinstance(one.result, Fault):
                delivery.breaker.release_probe(provider.name, now=now)
            elif delivery.blame.hear(provider.name, one.message, one.result, now=now):
                _wake(one.message, provider.name, now)


def _wake(message: QueuedMessage, provider: str, now: datetime) -> None:
    """The provider is well again, or is tried sooner or later than those knew that wait for it."""
    until = delivery.breaker.all_states()[provider].until
    if message.channel in TO_SITES:
        outbox.wake(AWAY, channel=message.channel, about=message.values["site"], at=until or now)
    else:
        outbox.wake(SHUT, channel=message.channel, at=until or now)


def _give_up(message: QueuedMessage, state: str, reason: str, now: datetime) -> None:
    if outbox.finish(message.id, message.lease, state, now=now, reason=reason):
        _tell([message], str(state), now)


def _tell(messages: list[QueuedMessage], outcome: str, now: datetime) -> None:
    audit_log.record_events(
        [
            audit_log.AuditEvent(
                "message", now, outcome, x.person_id, detail={"purpose": x.purpose, "channel": x.channel}
            )
            for x in messages
        ]
    )


def _written(message: QueuedMessage, now: datetime) -> delivery.OutboundMessage:
    """The message as the provider gets it; the same for every repeat (what a site gets is signed anew)."""
    if message.channel in TO_SITES:
        return delivery.OutboundMessage(
            message_id=message.uid,
            channel=message.channel,
            to=message.to,
            language=message.language,
            subject="",
            text=TO_SITES[message.channel](message, now=now),
        )
    values = dict(message.values)
    if message.purpose == "temporary_password":
        values["secret"] = ids.show_temporary_password(values["secret"])
    if message.purpose in ("temporary_password", "contact_code"):
        values["valid_until"] = message.expires_at
    for moment in ("when", "counts_from"):
        if values.get(moment):
            values[moment] = datetime.fromisoformat(values[moment])
    text = delivery.wording.render(message.purpose, language=message.language, channel=message.channel, values=values)
    return delivery.OutboundMessage(
        message_id=message.uid,
        channel=message.channel,
        to=message.to,
        language=message.language,
        subject=text.subject,
        text=text.text,
        html=text.html,
        written_at=message.created_at,
    )
