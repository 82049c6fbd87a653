"""Lists of the branch that an agent takes away: the form, the desk's register with how far each is, the file."""

from django import forms
from django.http import Http404, HttpResponse
from django.views.decorators.http import require_http_methods, require_safe

from massar.interfaces.base import form_fields, page
from massar.interfaces.base.request import Request
from massar.interfaces.desk.guard import exporters_only
from massar.journeys.desk import exports as desk_exports
from massar.journeys.desk.agents import LONGEST_REASON, Agent
from massar.journeys.outcomes import Problems, TooManyAttempts
from massar.journeys.people import branch_list

EVERYBODY = "all"
WHO = (EVERYBODY, *filter(None, desk_exports.WHO))


class TakeForm(forms.Form):
    code = form_fields.line(32)
    who = form_fields.choice(WHO)
    ending = form_fields.choice(branch_list.ENDINGS)
    reason = form_fields.line(LONGEST_REASON)


@require_http_methods(["GET", "HEAD", "POST"])
@exporters_only
def exports(request: Request, agent: Agent) -> HttpResponse:
    first = desk_exports.desks(agent)[0]
    initial = {"code": first.code, "who": WHO[0], "ending": branch_list.ENDINGS[0]}
    form = TakeForm(request.POST if request.method == "POST" else None, initial=initial)
    if not form.is_valid():
        return _page(request, agent, form, status=422 if request.method == "POST" else 200)
    said = form.cleaned_data
    outcome = desk_exports.ask(
        agent, code=said["code"], who="" if said["who"] == EVERYBODY else said["who"], ending=said["ending"],
        reason=said["reason"], language=request.language, now=request.now,
    )  # fmt: skip
    match outcome:
        case Problems():
            form_fields.show_problems(form, outcome)
            return _page(request, agent, form, status=422)
        case TooManyAttempts(until=until):
            form_fields.show_wait(form, until, request, sentence="error.export_spent")
            return page.add_retry_after(_page(request, agent, form, status=429), until, request.now)
    return page.redirect_to("desk_exports")


def _page(request: Request, agent: Agent, form: TakeForm, *, status: int) -> HttpResponse:
    taken = desk_exports.register(agent, now=request.now)
    return page.render(
        request, "desk/exports.html", status=status, form=form, taken=taken, me=agent.person.id, whom=WHO,
        endings=branch_list.ENDINGS, at_work=any(one.export.state in desk_exports.AT_WORK for one in taken),
        own=desk_exports.desks(agent),
    )  # fmt: skip


@require_safe
@exporters_only
def file(request: Request, agent: Agent, uid: str) -> HttpResponse:
    """The file, for who asked for it."""
    found = desk_exports.fetch(agent, uid, now=request.now)
    if found is None:
        raise Http404
    one, pieces = found
    return page.file(b"".join(pieces), f"massar-{one.number}.{one.ending}")
