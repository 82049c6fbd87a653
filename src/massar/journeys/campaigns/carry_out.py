"""What workers do with campaigns: count whom one means, and then do it, a few people at a time and at its pace.

Each step is one transaction: what is done for some people, their rows in the audit log, and how far it came. A worker
that dies leaves nothing half done, and nobody is dealt with twice. A stop counts from the next step on; messages that
wait by then stay in the queue (`deliver_messages.hold_back`)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from massar.core import local_time
from massar.core.audit import api as audit_log
from massar.domain.campaigns import api as campaigns
from massar.domain.campaigns.api import CampaignFacts, CampaignTally, Kind, State
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.people import api as people
from massar.journeys import season
from massar.journeys.messages import sms_budget

STEPS = 8  # of one turn: no message waits long behind them
LAST_OF_ALL = 9  # the priority of reminders: whatever a person waits for leaves first
MOST_WAITING = 200  # reminders in a channel: more of them are not put in
WITHIN = timedelta(days=3)
PAUSE = timedelta(minutes=1)  # while there is no room for more
_NAMES = {"email": "email", "phone": "sms"}


class Addressed(NamedTuple):
    """A person with the kinds of contacts by which a reminder goes out, beside the institution's mailbox."""

    person: people.selection.Reachable
    kinds: tuple[str, ...]

    def tally(self, price: int) -> CampaignTally:
        """What it comes to; price: of a segment, in thousandths."""
        texts = self.kinds.count("phone")
        segments = texts * delivery.wording.most_segments(delivery.wording.REMINDER, self.person.language)
        return CampaignTally(1, 1 + self.kinds.count("email"), texts, segments, segments * price)


class _Moved(Exception):
    """It was stopped, or another worker was faster: what was done in this step must not stand."""


def turn(*, price: int, now: datetime) -> int:
    """Do what is due, and no more than STEPS of it; how many steps there were. Nothing in a season. price: of an SMS,
    in thousandths."""
    if season.current(now).until:
        return 0
    done = 0
    while done < STEPS and step(price=price, now=now):
        done += 1
    return done


def step(*, price: int, now: datetime) -> bool:
    """Do one step of the campaign that has waited longest; whether one was due."""
    try:
        with transaction.atomic():
            one = campaigns.store.take_due(now=now)
            if one is not None:
                (_count if one.state == State.COUNTING else _carry_on)(one, price, now)
            return one is not None
    except _Moved:
        return True


def _window(one: CampaignFacts, most: int, now: datetime) -> tuple[list[people.selection.Reachable], int]:
    """The next people whom it may mean, and up to whom that is; 0: that was the last of them."""
    if one.listed:
        ids = campaigns.store.targets(one.id, after=one.place, most=most)
        return people.selection.active(ids), ids[-1] if len(ids) == most else 0
    wanted = people.selection.Wanted(one.unit_id, one.belongs_as, one.role)
    found = people.selection.window(wanted, after=one.place, most=most, on=local_time.local(now).date())
    upto = found[-1].id if len(found) == most else one.place + people.selection.WINDOW
    return found, upto if upto < one.last else 0


def _count(one: CampaignFacts, price: int, now: datetime) -> None:
    found, upto = _window(one, people.selection.WINDOW, now)
    if one.kind == Kind.CHANGE:
        tally = CampaignTally(
            len(credentials.passwords.would_change([p.id for p in found], changed_before=one.changed_before))
        )
    else:
        each = [addressed.tally(price) for addressed in _addressed(one, found, now)]
        tally = CampaignTally(*map(sum, zip(*each, strict=True))) if each else CampaignTally()
    if not campaigns.store.add_to_forecast(one, upto or one.last, tally):
        raise _Moved
    if not upto and not campaigns.store.move(one.id, State.COUNTED, now=now, changes={"counted_at": now}):
        raise _Moved


def _carry_on(one: CampaignFacts, price: int, now: datetime) -> None:
    if one.is_over(local_time.local(now).date()):
        _become(one, State.STOPPED, one.done, now)
        return
    found, upto = _window(one, one.batch, now)
    if one.kind == Kind.CHANGE:
        number = _ask_for_change(one, found, now)
    else:
        listed = _addressed(one, found, now)
        fit = _affordable(listed, now) if not _queue_is_full() else []
        if listed and not fit:
            campaigns.store.wait(one, until=now + PAUSE)
            return
        if len(fit) < len(listed):  # the others are looked at anew, once the budget has room for them
            upto = listed[len(fit)].person.id - 1
        number = _remind(one, fit, now)
    if not campaigns.store.advance(one, upto or one.last, number, next_at=now + one.pause(number)):
        raise _Moved
    if not upto:
        _become(one, State.DONE, one.done + number, now)


def _become(one: CampaignFacts, to: State, people: int, now: datetime) -> None:
    changes = {"ended_at": now} if to == State.DONE else campaigns.store.NOTHING_ELSE
    if not campaigns.store.move(one.id, to, now=now, changes=changes):
        raise _Moved
    audit_log.record_event(f"campaign_{to}", now=now, campaign=one.id, people=people)


def _ask_for_change(one: CampaignFacts, found: Sequence[people.selection.Reachable], now: datetime) -> int:
    ids = [person.id for person in found]
    asked = credentials.passwords.require_change(ids, campaign=one.id, changed_before=one.changed_before)
    audit_log.record_events(
        [audit_log.AuditEvent("change_asked", now, one.why, person, detail={"campaign": one.id}) for person in asked]
    )
    return len(asked)


def _addressed(one: CampaignFacts, found: Sequence[people.selection.Reachable], now: datetime) -> list[Addressed]:
    """Those of these people whom the reminder means: who use their account, and lack a contact, or have an old phone.
    To a phone goes a message only where there is no e-mail: it costs, and the number may be another's by now."""
    ids = [person.id for person in found]
    using, held = credentials.passwords.activated(ids), people.contacts.proved_kinds(ids, now=now)
    if one.kind == Kind.PHONES:
        meant = people.contacts.with_old_phone(ids, now=now)
    else:
        meant = {id for id in ids if len(held.get(id, ())) < 2}
    listed = []
    for person in found:
        if person.id in using and person.id in meant:
            kinds = held.get(person.id, set())
            listed.append(Addressed(person, ("email",) if "email" in kinds else tuple(kinds)))
    return listed


def held_by(one: CampaignFacts, *, now: datetime) -> str:
    """What a campaign at work waits for: 'season', 'queue', 'budget', or '' for nothing but its pace."""
    if one.state not in (State.COUNTING, State.RUNNING):
        return ""
    if season.current(now).until:
        return "season"
    if one.state == State.COUNTING or one.kind == Kind.CHANGE:
        return ""
    if _queue_is_full():
        return "queue"
    return "budget" if one.segments and sms_budget.room_for_campaigns(now=now) < 1 else ""


def _affordable(listed: Sequence[Addressed], now: datetime) -> Sequence[Addressed]:
    """As many of the first of them as the country's SMS have room for: a budget that is smaller than a step makes the
    steps smaller."""
    segments = [addressed.tally(0).segments for addressed in listed]
    room = sms_budget.room_for_campaigns(now=now) if any(segments) else 0
    fit = [not total or total <= room for total in accumulate(segments)]
    return listed[: fit.index(False)] if False in fit else listed


def _queue_is_full() -> bool:
    held = campaigns.store.stopped()
    return any(
        delivery.outbox.waiting(channel, priority=LAST_OF_ALL, most=MOST_WAITING, besides=held) >= MOST_WAITING
        for channel in _NAMES.values()
    )


def _remind(one: CampaignFacts, listed: Sequence[Addressed], now: datetime) -> int:
    for addressed in listed:
        person = addressed.person
        held = people.contacts.of_person(person.id, now) if addressed.kinds else []
        contacts = [(c.kind, c.value) for c in held if c.receives(now) and c.kind in addressed.kinds]
        for kind, to in dict.fromkeys((("email", person.login), *contacts)):
            _put(one, person, _NAMES[kind], to, now)
    return len(listed)


def _put(one: CampaignFacts, person: people.selection.Reachable, channel: str, to: str, now: datetime) -> None:
    day, within = "", WITHIN
    if one.due_day:
        day = local_time.in_words(one.due_day, person.language) if channel == "email" else f"{one.due_day:%d/%m}"
        within = min(WITHIN, local_time.begins(one.due_day) - now)
    delivery.outbox.put(
        purpose="reminder", channel=channel, language=person.language, person_id=person.id, to=to, now=now,
        within=within, priority=LAST_OF_ALL, about=one.about,
        values={"what": one.kind, "day": day, "host": settings.MASSAR.address, "help": settings.MASSAR.help_contact},
    )  # fmt: skip
