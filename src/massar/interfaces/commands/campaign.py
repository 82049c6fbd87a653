"""`massar campaign`: what is asked of many people, from the draft to the end."""

import argparse
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from django.utils import translation
from django.utils.translation import gettext

from massar.core import clock, local_time
from massar.domain.campaigns import api as campaigns
from massar.domain.campaigns.api import CampaignFacts, Kind, State
from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.interfaces.commands.progress import CommandProgress
from massar.journeys.campaigns import carry_out, manage
from massar.journeys.outcomes import Done, Problem

HELD = {
    "season": "the end of the season", "queue": "reminders that stand in the queue",
    "budget": "the SMS budget, half of which is everybody else's",
}  # fmt: skip
KINDS: Mapping[str, people.Kind] = {one.name.lower(): one for one in people.Kind}
LOOK = 1.0  # seconds


def run(options: argparse.Namespace) -> int:
    now = clock.now()
    if options.action == "list":
        return _list()
    if options.action == "draft":
        return _draft(options, now)
    if options.action == "show":
        return _show(options)
    outcome = _do(options, now)
    if isinstance(outcome, Problem):
        return _refused(outcome)
    print(f"Campaign {options.id}: {_DONE[options.action]}.")
    return 0


_DONE = {
    "count": "it is counted anew by the workers",
    "confirm": "confirmed, it begins",
    "stop": "stopped; messages that wait stay in the queue",
    "resume": "it goes on",
    "cancel": "cancelled",
}


def _do(options: argparse.Namespace, now: datetime) -> Done | Problem:
    if options.action == "confirm":
        return manage.confirm(options.id, number=options.people, by=None, now=now)
    acts = {"count": manage.count_again, "stop": manage.stop, "resume": manage.resume, "cancel": manage.cancel}
    return acts[options.action](options.id, by=None, now=now)


def _refused(problem: Problem) -> int:
    with translation.override("en"):
        sentence = gettext(f"error.{problem.id}")
    print(sentence % problem.args if problem.args else sentence, file=sys.stderr)
    return 1


def _list() -> int:
    for one in campaigns.store.newest():
        print(f"{one.id:>5}  {one.kind:<9} {one.state:<10} {one.done:>9,} of {one.people:>9,}  {one.name}")
    return 0


def _draft(options: argparse.Namespace, now: datetime) -> int:
    unit = people.units.by_code(options.at) if options.at else None
    if options.at and unit is None:
        print(f"{options.at}: there is no such unit; `massar units show` lists them.", file=sys.stderr)
        return 1
    if options.list and (unit or options.belongs_as or options.role):
        print("--list names the people: leave --at, --as and --role away.", file=sys.stderr)
        return 1
    targets = _targets(options.list, now) if options.list else None
    plan = campaigns.Plan(
        Kind(options.kind), options.name.strip(), why=options.why, pace=options.pace, due_day=options.before,
        unit_id=manage.branch(unit), role=options.role,
        belongs_as=KINDS[options.belongs_as] if options.belongs_as else None,
        changed_before=now - timedelta(days=options.older_than) if options.older_than else None,
    )  # fmt: skip
    made = manage.make(plan, by=None, targets=targets, now=now)
    if isinstance(made, Problem):
        return _refused(made)
    print(f"Campaign {made} is written down. Workers count whom it means: `massar campaign show {made} --follow`.")
    return 0


def _targets(file: Path, now: datetime) -> list[int]:
    listed = manage.read_list(file.read_text("utf-8").splitlines(), now=now)
    if listed.unknown:
        print(f"{listed.unknown} line(s) name no account; they are left out.", file=sys.stderr)
    return listed.ids


def _show(options: argparse.Namespace) -> int:
    one = campaigns.store.by_id(options.id)
    if one is None:
        print(f"There is no campaign {options.id}.", file=sys.stderr)
        return 1
    while options.follow and one.state in (State.COUNTING, State.RUNNING):
        one = _follow(one)
    _print(one, clock.now())
    return 0


def _follow(one: CampaignFacts) -> CampaignFacts:
    """Show how far it is until it is in another state."""
    counting, state = one.state == State.COUNTING, one.state
    bar = CommandProgress(one.last if counting else one.people, "ids" if counting else "people")
    bar.add(one.place if counting else one.done)
    while one.state == state:
        time.sleep(LOOK)
        before, one = one, campaigns.store.by_id(one.id) or one  # none is ever removed
        if one.state == state:
            bar.add(one.place - before.place if counting else one.done - before.done)
    bar.end()
    return one


def _print(one: CampaignFacts, now: datetime) -> None:
    print(f"Campaign {one.id}, {one.name}: {one.kind}, {one.state}")
    if one.counted_at:
        told = manage.forecast(one)
        print(f"  People          {one.people}   (counted {local_time.stamp(one.counted_at)})")
        print(f"  Messages        {one.emails} by e-mail, {one.texts} by SMS in {one.segments} segments")
        print(f"  Cost            {one.cost / 1000:.2f} by the first provider's price")
        print(f"  Time            {_hours(told.by_pace)} at {one.pace} people an hour", end="")
        print(f", {_hours(told.by_budget)} by the SMS budget" if one.segments else "")
    else:
        print(f"  Counting        {100 * one.share:.0f} %")
    if one.started_at:
        ends = manage.ends_at(one, now=now)
        print(f"  Done            {one.done} of {one.people}, {manage.rate(one, now=now):.0f} an hour", end="")
        print(f", until about {local_time.stamp(ends)}" if ends else "")
        if held := carry_out.held_by(one, now=now):
            print(f"  Waits for       {HELD[held]}")
    if one.kind == Kind.CHANGE and one.started_at:
        print(f"  Still to change {credentials.passwords.still_due(one.id)}")
    if one.state == State.COUNTED:
        print(f"  To let it begin: massar campaign confirm {one.id} --people {one.people}")


def _hours(span: timedelta) -> str:
    minutes = int(span.total_seconds() + 59) // 60
    return f"{minutes // 60}:{minutes % 60:02d} h"
