"""Lists of people and units by the page: send one, see what it would change, say what it holds, approve it, see it on
its way, get back what is to be corrected."""

import json
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.cookie import parse_cookie
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from massar.core import clock
from massar.core.sheets import api as sheets
from massar.domain.people.api import list_jobs
from massar.domain.sessions import api as sessions
from massar.interfaces.base import cookies, page, rsgi
from massar.interfaces.base.jinja import t
from massar.interfaces.base.request import Request
from massar.interfaces.desk.guard import ministry_only
from massar.journeys.desk import lists as desk_lists
from massar.journeys.desk.agents import Agent
from massar.journeys.outcomes import Problem
from massar.journeys.people.work_lists import FIELDS

Job = list_jobs.ListFacts
State = list_jobs.State
HOLDS = ("people", "units")
KINDS = ("staff", "pupil", "guardian")
MOST_COLUMNS = 50  # that the page asks about
_AROUND = 64 * 1024  # what a form has beside its file


def largest_body(told: rsgi.Environ) -> int:
    """How much is read of a request, before anybody is recognised: a list, of a browser in
    which somebody who may send lists used the desk just now."""
    if told["REQUEST_METHOD"] != "POST" or told["PATH_INFO"] != reverse("desk_lists"):
        return rsgi.LARGEST_BODY
    request = HttpRequest()
    request.COOKIES = parse_cookie(told.get("HTTP_COOKIE", ""))
    _, at, for_country = cookies.DESK.read_signed(request, "desk") or (0, 0, False)
    fresh = for_country and clock.now().timestamp() - at < sessions.signed_in.PRIVILEGED_IDLE.total_seconds()
    return sheets.BY_PAGE.file + _AROUND if fresh else rsgi.LARGEST_BODY


def _of_list(view: Callable[[Request, Agent, Job], HttpResponse]) -> Callable[..., HttpResponse]:
    """Give the view the list of an address that names one."""

    @wraps(view)
    def guarded(request: Request, agent: Agent, /, uid: str) -> HttpResponse:
        job = desk_lists.find(uid)
        if job is None:
            raise Http404
        return view(request, agent, job)

    return ministry_only(guarded)


@require_http_methods(["GET", "HEAD", "POST"])
@ministry_only
def lists(request: Request, agent: Agent) -> HttpResponse:
    if request.method != "POST":
        return _lists_page(request, agent)
    file, holds = request.FILES.get("file"), request.POST.get("holds", "")
    outcome = desk_lists.send(
        agent, file.read() if file else b"", holds=holds if holds in HOLDS else HOLDS[0],
        name=(file.name if file else "") or "", language=request.language, now=request.now,
    )  # fmt: skip
    if isinstance(outcome, Problem):
        return _lists_page(request, agent, outcome)
    return page.redirect_to("desk_list", uid=outcome)


def _lists_page(request: Request, agent: Agent, problem: Problem | None = None) -> HttpResponse:
    return page.render(
        request, "desk/lists.html", status=422 if problem else 200, problem=problem, jobs=desk_lists.newest(),
        me=agent.person.id, holds=HOLDS, largest=sheets.BY_PAGE.file // sheets.MIB, most=desk_lists.ALONE,
    )  # fmt: skip


@require_safe
@_of_list
def one(request: Request, agent: Agent, job: Job) -> HttpResponse:
    return _page(request, agent, job)


@require_POST
@_of_list
def say(request: Request, agent: Agent, job: Job) -> HttpResponse:
    return _moved(request, agent, job, desk_lists.say(agent, job, _said(request, job), now=request.now))


@require_POST
@_of_list
def approve(request: Request, agent: Agent, job: Job) -> HttpResponse:
    seen = request.POST.get("turn", "")
    turn = int(seen) if seen.isascii() and seen.isdecimal() and len(seen) < 10 else -1
    return _moved(request, agent, job, desk_lists.approve(agent, job, turn=turn, now=request.now))


@require_POST
@_of_list
def stop(request: Request, agent: Agent, job: Job) -> HttpResponse:
    return _moved(request, agent, job, desk_lists.stop(agent, job, now=request.now))


@require_safe
@_of_list
def report(request: Request, agent: Agent, job: Job) -> HttpResponse:
    """The refused rows, to send back."""
    found = desk_lists.report(job)
    if not found or request.now >= list_jobs.kept_until(job):
        raise Http404
    return page.file(found, f"massar-{job.uid[:6]}.xlsx")


def _moved(request: Request, agent: Agent, job: Job, outcome: object) -> HttpResponse:
    if isinstance(outcome, Problem):
        return _page(request, agent, desk_lists.find(job.uid) or job, outcome)
    return page.redirect_to("desk_list", uid=job.uid)


def _page(request: Request, agent: Agent, job: Job, problem: Problem | None = None) -> HttpResponse:
    told, said = desk_lists.told(job), {**_NOTHING_SAID, **json.loads(job.said)}
    sentence = t(job.why, **told["args"]) if job.why and job.state is State.UNUSABLE else ""
    return page.render(
        request, "desk/list.html", status=422 if problem else 200, problem=problem, job=job, told=told, said=said,
        sentence=sentence, mine=job.sent_by == agent.person.id, columns=_columns(job, told),
        second=desk_lists.needs_second(agent, job, now=request.now), fields=list(FIELDS[job.holds]),
        kinds=KINDS, encodings=sheets.ENCODINGS, delimiters=sheets.DELIMITERS, at_work=job.state in list_jobs.GOES_ON,
        may=list_jobs.MOVES[job.state], States=State, rate=_rate(job, request.now), most=desk_lists.ALONE,
        kept_until=list_jobs.kept_until(job), is_kept=request.now < list_jobs.kept_until(job),
    )  # fmt: skip


def _columns(job: Job, told: dict[str, Any]) -> list[tuple[int, str, str]]:
    """Of each title: its place, the title, the field that it is taken for."""
    taken = told["columns"]
    titles = list(enumerate(told["header"]))[:MOST_COLUMNS]
    return [(place, title, taken.get(str(place), "")) for place, title in titles if title.strip()]


def _rate(job: Job, now: datetime) -> tuple[int, int] | None:
    """Rows a second, and how many seconds are left, as far as it is known."""
    seconds = (now - job.began_at).total_seconds() if job.began_at else 0
    if not job.done or seconds <= 0:
        return None
    rate = job.done / seconds
    return max(1, round(rate)), round(max(0, job.total - job.done) / rate)


def _said(request: Request, job: Job) -> dict[str, Any]:
    """What the form says about the list."""
    given, fields = request.POST, FIELDS[job.holds]
    known = _columns(job, desk_lists.told(job))
    columns = {title: given.get(f"column-{place}", "") for place, title, _ in known}
    hidden = {"take": True, "leave": False}.get(given.get("hidden", ""))
    return {
        "columns": {title: name if name in set(fields) else None for title, name in columns.items()},
        "kind": given.get("kind") if given.get("kind") in KINDS else None,
        "encoding": given.get("encoding") if given.get("encoding") in sheets.ENCODINGS else None,
        "delimiter": _DELIMITERS.get(given.get("delimiter", "")),
        "sheet": given.get("sheet", "").strip()[:100] or None,
        "hidden": hidden,
    }


_NOTHING_SAID = dict.fromkeys(("kind", "encoding", "delimiter", "sheet", "hidden"))
_DELIMITERS = {"semicolon": ";", "comma": ",", "tab": "\t"}  # a select holds names, not signs that can't be seen
