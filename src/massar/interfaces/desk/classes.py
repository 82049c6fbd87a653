"""A teacher's own classes: the pupils, a code for one of them, the list on paper."""

from django.http import Http404, HttpResponse
from django.utils import translation
from django.views.decorators.http import require_http_methods, require_safe

from massar.core import ids, local_time
from massar.domain.people.api import rights, units
from massar.interfaces.base import page
from massar.interfaces.base.jinja import t
from massar.interfaces.base.pdf import slips as pages
from massar.interfaces.base.request import Request
from massar.interfaces.desk.guard import agents_only, for_person
from massar.journeys.desk import agents, give_code, see_class
from massar.journeys.desk.agents import Agent, Found
from massar.journeys.outcomes import AccountFrozen, Gone, TooManyAttempts

Right = rights.Right
RTL = ("ar",)


@require_safe
@agents_only
def classes(request: Request, agent: Agent) -> HttpResponse:
    """A list of them; of one class its page."""
    own = [one for one in see_class.own(agent, Right.CODE, now=request.now) if one.kind == units.Kind.CLASS]
    return (
        _class_page(request, agent, own[0].id) if len(own) == 1 else page.render(request, "desk/classes.html", own=own)
    )


@require_safe
@agents_only
def one_class(request: Request, agent: Agent, unit_id: int) -> HttpResponse:
    return _class_page(request, agent, unit_id)


def _class_page(request: Request, agent: Agent, unit_id: int) -> HttpResponse:
    at, pupils = _class(request, agent, unit_id)
    rows = [(one, agents.reference(agent, one.person.id)) for one in pupils]
    return page.render(request, "desk/class.html", at=at, rows=rows)


@require_safe
@agents_only
def sheet(request: Request, agent: Agent, unit_id: int) -> HttpResponse:
    """The class on paper: names, user names, who has a password. No code."""
    at, pupils = _class(request, agent, unit_id)
    content = pages.print_class(at, pupils, language=request.language, now=request.now)
    return page.file(content, f"massar-class-{at.id}.pdf", inline=True)


def _class(request: Request, agent: Agent, unit_id: int) -> tuple[units.UnitFacts, list[see_class.Pupil]]:
    branch = see_class.branch(agent, unit_id, Right.CODE, now=request.now)
    if branch is None or branch.unit.kind != units.Kind.CLASS:
        raise Http404
    return branch.unit, see_class.pupils(branch.unit, now=request.now)


@require_http_methods(["GET", "HEAD", "POST"])
@for_person(Right.CODE)
def code(request: Request, agent: Agent, found: Found) -> HttpResponse:
    """Ask first; then show the code, in the answer to the form and nowhere else, in the pupil's language."""
    outcome = give_code.give(agent, found, now=request.now) if request.method == "POST" else None
    match outcome:
        case Gone():
            raise Http404
        case AccountFrozen():
            return _code_page(request, found, frozen=True)
        case TooManyAttempts(until=until):
            response = _code_page(request, found, wait=local_time.until(until, request.now, request.language))
            return page.add_retry_after(response, until, request.now)
        case give_code.GivenCode():
            return _code_page(request, found, given=_told(found, outcome))
    return _code_page(request, found, frozen=found.person.frozen_at is not None)


def _code_page(
    request: Request, found: Found, *, given: dict[str, str] | None = None, wait: str = "", frozen: bool = False
) -> HttpResponse:
    status = 429 if wait else 422 if frozen and request.method == "POST" else 200
    return page.render(request, "desk/code.html", status=status, found=found, given=given, wait=wait, frozen=frozen)


def _told(found: Found, given: give_code.GivenCode) -> dict[str, str]:
    """What the pupil reads on the teacher's screen."""
    language = found.person.language
    with translation.override(language):
        until = local_time.clock_time(given.until)
        words = {one: str(t(f"code.{one}")) for one in ("name", "code", "do")}
        words["until"] = t("code.until", at=until).unescape()
    shown = ids.show_temporary_password(given.code)
    way = "rtl" if language in RTL else "ltr"
    return {**words, "shown": shown, "login": found.person.login, "lang": language, "dir": way}
