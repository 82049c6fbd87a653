"""Lists of people and units by the page: sent by an agent of the ministry's desk, compared, approved, written. A list
may name people of any branch, so it takes the desk that has all of them.

Lists that change more than a few in a day are approved by another agent than the one who sent them, or who said what
their columns hold (ASVS 5.0 2.3.5; security design ADM-02): one of them alone can't make accounts that lead to his own
phone, nor turn a colleague's list into one that does. Whoever has a role is never
touched by such a list, nor is any contact of an account in use."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from massar.core import local_time
from massar.core.audit import api as audit_log
from massar.core.sheets import api as sheets
from massar.domain.people import api as people
from massar.domain.people.api import list_jobs
from massar.journeys.desk.agents import Agent
from massar.journeys.outcomes import Done, Problem

Job = list_jobs.ListFacts
Piece = list_jobs.Piece
State = list_jobs.State
ALONE = 50  # changes in a day that the agent who sent the lists may approve
DAY = timedelta(hours=24)
MOST_OPEN = 5
SHOWN = 20
LONGEST_NAME = 100


@transaction.atomic
def send(agent: Agent, content: bytes, *, holds: str, name: str, language: str, now: datetime) -> str | Problem:
    """Keep a list and have it compared; return its uid. Nothing else is changed."""
    if not content:
        return Problem("list_missing")
    if len(content) > sheets.BY_PAGE.file:
        return Problem("list_large", {"most": sheets.BY_PAGE.file // sheets.MIB})
    if list_jobs.count_open() >= MOST_OPEN:
        return Problem("list_many", {"most": MOST_OPEN})
    uid = list_jobs.add(
        content, holds=holds, name=name[:LONGEST_NAME], said={}, sent_by=agent.person.id, language=language, now=now
    )
    _record("list_sent", agent, uid, now, size=len(content))
    return uid


def newest() -> list[Job]:
    return list_jobs.newest(SHOWN)


def find(uid: str) -> Job | None:
    return list_jobs.by_uid(uid)


def told(job: Job) -> dict[str, Any]:
    """What the last comparison, or the writing, told."""
    kept = list_jobs.get(job.id, Piece.TOLD)
    found: dict[str, Any] = json.loads(kept) if kept else {}
    return {"header": [], "columns": {}, "notes": [], "changes": [], "reasons": [], "args": {}, **found}


def report(job: Job) -> bytes:
    """The refused rows as a workbook; b'' where there are none."""
    return list_jobs.get(job.id, Piece.REPORT)


@transaction.atomic
def say(agent: Agent, job: Job, said: Mapping[str, Any], *, now: datetime) -> Done | Problem:
    """Have it compared anew, as it is said to be. Who says it is as much its author as who sent it."""
    if not list_jobs.move(job, State.WAITING, now=now, said=said, said_by=agent.person.id):
        return Problem("list_moved")
    _record("list_said", agent, job.uid, now)
    return Done()


def needs_second(agent: Agent, job: Job, *, now: datetime) -> bool:
    """Whether this agent can't approve the list: one of its authors, or made an agent by one of them, or the other way
    round."""
    authors, today = {job.sent_by, job.said_by or job.sent_by}, local_time.local(now).date()
    mine = agent.person.id in authors
    if not mine and not any(people.roles.depend(agent.person.id, one, on=today) for one in authors):
        return False
    before = list_jobs.written_alone(agent.person.id, beside=job.id, since=now - DAY)
    return before + job.added + job.changed > ALONE


@transaction.atomic
def approve(agent: Agent, job: Job, *, turn: int, now: datetime) -> Done | Problem:
    """Have it written. turn: of the comparison that the agent has seen."""
    if job.state is not State.COMPARED or job.turn != turn:
        return Problem("list_moved")
    if job.holds == "units" and job.refused:
        return Problem("list_whole")
    if not job.added + job.changed:
        return Problem("list_nothing")
    authors = people.directory.by_ids({job.sent_by, job.said_by or job.sent_by}, now=now)
    if not all(author.active for author in authors.values()):  # it may be a thief's list
        return Problem("list_author_shut")
    people.contacts.lock(agent.person.id)  # two lists approved at once are counted together
    if needs_second(agent, job, now=now):
        return Problem("list_second", {"most": ALONE})
    if not list_jobs.move(job, State.APPROVED, now=now, approved_by=agent.person.id):
        return Problem("list_moved")
    _record("list_approved", agent, job.uid, now, added=job.added, changed=job.changed)
    return Done()


@transaction.atomic
def stop(agent: Agent, job: Job, *, now: datetime) -> Done | Problem:
    """End it. What was written stays written: each batch holds as a whole."""
    if not list_jobs.move(job, State.CANCELLED, now=now):
        return Problem("list_moved")
    for part in Piece:
        list_jobs.put(job.id, part, b"")
    _record("list_stopped", agent, job.uid, now)
    return Done()


def _record(event: str, agent: Agent, uid: str, now: datetime, **more: int) -> None:
    detail: dict[str, str | int] = {"of": uid, **more}
    audit_log.record_event(event, now=now, person_id=agent.person.id, session_id=agent.session.id, **detail)  # type: ignore[arg-type]
