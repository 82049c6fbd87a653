"""What a person does with a campaign: makes one, has it counted, confirms the number, approves, stops it, goes on,
takes it back. What workers do with it stands in `carry_out`.

made --> counted --> the number is confirmed, typed by hand --> runs
                        `--> of many people: a second person approves --> runs

Nobody gets a secret by one, and no password changes: a forced change only asks at the next sign-in."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from massar.core import local_time, text
from massar.core.audit import api as audit_log
from massar.domain.campaigns import api as campaigns
from massar.domain.campaigns.api import CampaignFacts, Kind, State
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.people import api as people
from massar.journeys.messages import sms_budget
from massar.journeys.outcomes import Done, Problem

FOUR_EYES_ABOVE = 1000  # people: then the one who approves is not the one who confirmed
GOOD_FOR = timedelta(days=1)  # how long a count may be confirmed
SLOWEST, FASTEST = 60, 36_000  # people an hour: one a minute, ten a second
LONGEST_NAME = 80
LATEST = timedelta(days=400)  # of a day that reminders name


class Forecast(NamedTuple):
    """How long it takes at its pace, and at what the SMS budget leaves to it; the longer one counts."""

    by_pace: timedelta
    by_budget: timedelta

    @property
    def longest(self) -> timedelta:
        return max(self.by_pace, self.by_budget)


class Listed(NamedTuple):
    """People of a typed list, and how many lines of it name nobody."""

    ids: list[int]
    unknown: int


def branch(unit: people.units.UnitFacts | None) -> int | None:
    """What a plan names for a unit: nothing for the ministry itself, which is everybody."""
    return None if unit is None or unit.kind == people.units.Kind.MINISTRY else unit.id


def read_list(lines: Iterable[str], *, now: datetime) -> Listed:
    """Find the people of a list of logins, one a line; empty lines are nothing."""
    named = [people.directory.by_login(text.login(line), now=now) for line in filter(None, map(str.strip, lines))]
    ids = [person.id for person in named if person]
    return Listed(ids, len(named) - len(ids))


@transaction.atomic
def make(plan: campaigns.Plan, *, by: int | None, now: datetime, targets: Sequence[int] | None = None) -> int | Problem:
    """Add it; workers count it then. by: the person who does; None: a command. targets: the people of a list."""
    wrong = _judge(plan, targets, now)
    if wrong:
        return wrong
    last = max(targets) if targets else people.selection.last_id()
    campaign_id = campaigns.store.add(plan, by=by, targets=targets, last=last, now=now)
    _record("made", campaign_id, by, now, kind=str(plan.kind), why=plan.why)
    return campaign_id


def _judge(plan: campaigns.Plan, targets: Sequence[int] | None, now: datetime) -> Problem | None:
    if not 0 < len(plan.name.strip()) <= LONGEST_NAME:
        return Problem("campaign_name")
    if not SLOWEST <= plan.pace <= FASTEST:
        return Problem("campaign_pace", {"least": SLOWEST, "most": FASTEST})
    if targets is not None and not targets:
        return Problem("campaign_nobody")
    if plan.kind == Kind.CHANGE and plan.why not in campaigns.Why.values:
        return Problem("campaign_why")
    today = local_time.local(now).date()
    if plan.due_day and not today < plan.due_day <= today + LATEST:
        return Problem("campaign_day")
    return None


def forecast(one: CampaignFacts) -> Forecast:
    """How long it would take from its beginning to its end."""
    by_budget = one.segments / sms_budget.campaign_pace() if one.segments else 0
    return Forecast(one.pause(one.people), timedelta(hours=by_budget))


def ends_at(one: CampaignFacts, *, now: datetime) -> datetime | None:
    """When one that runs ends, as fast as it went until now; None: it has not begun, or goes too slowly to tell."""
    if one.state != State.RUNNING or not one.done or one.started_at is None or now <= one.started_at:
        return None
    return now + (now - one.started_at) * (max(0, one.people - one.done) / one.done)


def rate(one: CampaignFacts, *, now: datetime) -> float:
    """People an hour, since it began."""
    until = one.ended_at or now
    hours = (until - one.started_at) / timedelta(hours=1) if one.started_at else 0
    return one.done / hours if hours > 0 else 0.0


@transaction.atomic
def count_again(campaign_id: int, *, by: int | None, now: datetime) -> Done | Problem:
    """Have it counted anew: who is meant changes from day to day."""
    one = campaigns.store.by_id(campaign_id)
    last = one.last if one and one.listed else people.selection.last_id()
    if not campaigns.store.recount(campaign_id, last=last, now=now):
        return Problem("campaign_moved")
    _record("recounted", campaign_id, by, now)
    return Done()


@transaction.atomic
def confirm(campaign_id: int, *, number: int, by: int | None, now: datetime) -> Done | Problem:
    """Confirm how many people it is, by typing that number. Of few it begins; of many it waits for a second person.
    A command is given at the machine itself, by whoever could change this program: it waits for nobody."""
    one = campaigns.store.by_id(campaign_id)
    if one is None or one.state != State.COUNTED or one.counted_at is None:
        return Problem("campaign_moved")
    if not_any_more := _too_late(one, one.counted_at, now):
        return not_any_more
    if number != one.people:
        return Problem("campaign_number")
    if not one.people:
        return Problem("campaign_nobody")
    waits = one.people > FOUR_EYES_ABOVE and by is not None
    moved = (
        campaigns.store.move(campaign_id, State.CONFIRMED, now=now, changes={"by": by}) if waits
        else campaigns.store.start(campaign_id, last=_last(one), now=now, among=(State.COUNTED,))
    )  # fmt: skip
    if not moved:
        return Problem("campaign_moved")
    _record("confirmed", campaign_id, by, now, people=one.people)
    return Done()


@transaction.atomic
def approve(campaign_id: int, *, by: int, now: datetime) -> Done | Problem:
    """Let one begin that another person has confirmed, who depends on this one in no role."""
    one = campaigns.store.by_id(campaign_id)
    if one is None or one.state != State.CONFIRMED or one.counted_at is None:
        return Problem("campaign_moved")
    if one.by == by or (one.by and people.roles.depend(one.by, by, on=local_time.local(now).date())):
        return Problem("campaign_own")
    if not_any_more := _too_late(one, one.counted_at, now):
        return not_any_more
    if not campaigns.store.start(campaign_id, last=_last(one), now=now, approved_by=by, among=(State.CONFIRMED,)):
        return Problem("campaign_moved")
    _record("approved", campaign_id, by, now, people=one.people)
    return Done()


def _too_late(one: CampaignFacts, counted_at: datetime, now: datetime) -> Problem | None:
    if one.is_over(local_time.local(now).date()):
        return Problem("campaign_over")
    return Problem("campaign_stale") if now - counted_at > GOOD_FOR else None


def _last(one: CampaignFacts) -> int:
    return one.last if one.listed else people.selection.last_id()


@transaction.atomic
def stop(campaign_id: int, *, by: int | None, now: datetime) -> Done | Problem:
    """Stop it: nobody more is dealt with, and what waits in the queue stays there until it goes on."""
    if not campaigns.store.move(campaign_id, State.STOPPED, now=now):
        return Problem("campaign_moved")
    _record("stopped", campaign_id, by, now)
    return Done()


@transaction.atomic
def resume(campaign_id: int, *, by: int | None, now: datetime) -> Done | Problem:
    """Go on where it was stopped."""
    one = campaigns.store.by_id(campaign_id)
    if one and one.is_over(local_time.local(now).date()):
        return Problem("campaign_over")
    if not campaigns.store.move(campaign_id, State.RUNNING, now=now, among=(State.STOPPED,)):
        return Problem("campaign_moved")
    _record("resumed", campaign_id, by, now)
    return Done()


@transaction.atomic
def cancel(campaign_id: int, *, by: int | None, now: datetime) -> Done | Problem:
    """End it for good. Whoever was asked for another password, and has not changed it, is asked no more; messages that
    wait do not leave. Of reminders that have all left nothing can be taken back."""
    one = campaigns.store.by_id(campaign_id)
    if one is None or (one.state == State.DONE and one.kind != Kind.CHANGE):
        return Problem("campaign_moved")
    ended: dict[str, object] = {} if one.ended_at else {"ended_at": now}
    if not campaigns.store.move(campaign_id, State.CANCELLED, now=now, changes=ended):
        return Problem("campaign_moved")
    taken_back = credentials.passwords.ask_no_more(campaign_id)
    kept_back = delivery.outbox.cancel_all(now=now, reason="the campaign was cancelled", about=one.about)
    _record("cancelled", campaign_id, by, now, taken_back=taken_back, kept_back=kept_back)
    return Done()


def _record(what: str, campaign_id: int, by: int | None, now: datetime, **more: str | int) -> None:
    detail: dict[str, str | int] = {"campaign": campaign_id, "by": by or "command", **more}
    audit_log.record_event(f"campaign_{what}", now=now, **detail)  # type: ignore[arg-type]
