"""Slips on the desk's pages: printed for a class, a school or one person, listed, withdrawn."""

from collections.abc import Sequence

from django import forms
from django.http import Http404, HttpResponse
from django.views.decorators.http import require_http_methods

from massar.domain.people.api import Kind, rights, units
from massar.interfaces.base import cookies, form_fields, page
from massar.interfaces.base.pdf import slips as pages
from massar.interfaces.base.request import Request
from massar.interfaces.desk.guard import agents_only, for_person
from massar.journeys.desk import print_slips, see_class, void_slips
from massar.journeys.desk.agents import LONGEST_REASON, Agent, Found
from massar.journeys.desk.print_slips import Holder
from massar.journeys.outcomes import Problem, TooManyAttempts

Right = rights.Right
MOST = 200  # of one answer: half a megabyte of the server's memory each; a whole school's are printed by the command
WHO = {"pupil": (Kind.PUPIL,), "staff": (Kind.STAFF, Kind.COMPLEMENT), "guardian": (Kind.GUARDIAN,)}
LANGUAGES = ("own", "ar", "fr", "en")


class UnitForm(forms.Form):
    code = form_fields.line(32)


class PrintForm(forms.Form):
    """who: as which kind people belong; one person needs none."""

    who = form_fields.choice(WHO)
    language = form_fields.choice(LANGUAGES)
    reason = form_fields.line(LONGEST_REASON)


class VoidForm(forms.Form):
    """place: of one slip; without it the whole batch."""

    place = forms.IntegerField(required=False, min_value=1)
    reason = form_fields.line(LONGEST_REASON)


@require_http_methods(["GET", "HEAD", "POST"])
@agents_only
def choose(request: Request, agent: Agent) -> HttpResponse:
    """The agent's own classes and establishments, or one by its code."""
    form = UnitForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        unit = see_class.by_code(agent, form.cleaned_data["code"], Right.SLIP, now=request.now)
        if unit:
            return page.redirect_to("desk_slips_unit", unit_id=unit.id)
        form.add_error("code", "error.desk_no_unit")
    return page.render(
        request, "desk/slips.html", status=422 if request.method == "POST" else 200, form=form,
        own=see_class.own(agent, Right.SLIP, now=request.now), class_kind=units.Kind.CLASS,
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@agents_only
def unit(request: Request, agent: Agent, unit_id: int) -> HttpResponse:
    """Print slips for whoever has no password yet; what was printed before."""
    branch = see_class.branch(agent, unit_id, Right.SLIP, now=request.now)
    if branch is None:
        raise Http404
    who = [one for one, kinds in WHO.items() if set(kinds) & set(branch.kinds)]
    form = PrintForm(request.POST if request.method == "POST" else None, initial={"who": who[0], "language": "own"})
    if not form.is_valid():
        return _unit_page(request, agent, branch, form, who, 422 if request.method == "POST" else 200)
    kinds = [one for one in WHO[form.cleaned_data["who"]] if one in branch.kinds]
    holders = print_slips.choose(branch.unit, kinds, agent=agent, now=request.now).holders
    if not holders or len(holders) > MOST:
        form.add_error("who", "error.slip_many" if holders else "error.slip_nobody")
        return _unit_page(request, agent, branch, form, who, 422)
    return _print(request, agent, holders, branch.unit, form) or _unit_page(request, agent, branch, form, who, 429)


def _unit_page(
    request: Request, agent: Agent, branch: see_class.SchoolOrClass, form: PrintForm, who: Sequence[str], status: int
) -> HttpResponse:
    at = branch.unit
    counted = {one: print_slips.choose(at, WHO[one], agent=agent, now=request.now) for one in who}
    return page.render(
        request, "desk/slips_unit.html", status=status, form=form, at=at, counted=counted, spoken=LANGUAGES,
        classes=see_class.classes(at, now=request.now), batches=void_slips.batches(at, now=request.now),
    )  # fmt: skip


def _print(
    request: Request, agent: Agent, holders: Sequence[Holder], at: units.UnitFacts | None, form: PrintForm
) -> HttpResponse | None:
    """The PDF, this once; None where the agent's slips of a day are spent, which the form then says."""
    printing = print_slips.begin(holders, unit=at, agent=agent, now=request.now)
    if isinstance(printing, TooManyAttempts):
        form_fields.show_wait(form, printing.until, request, sentence="error.slips_spent")
        return None
    chosen, reason = form.cleaned_data["language"], form.cleaned_data["reason"]
    content = pages.print_slips(printing.slips, language="" if chosen == "own" else chosen)
    print_slips.finish(printing, agent=agent, reason=reason, now=request.now)
    return page.file(content, f"massar-slips-{printing.batch_id}.pdf")


@require_http_methods(["GET", "HEAD", "POST"])
@agents_only
def batch(request: Request, agent: Agent, batch_id: int) -> HttpResponse:
    """The slips of a batch that are the agent's to see, and a form that withdraws one of them or all."""
    listed = void_slips.slips_of(batch_id, agent=agent, now=request.now)
    if not listed:
        raise Http404
    form = VoidForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        ended = void_slips.void(
            batch_id, form.cleaned_data["place"], agent=agent, reason=form.cleaned_data["reason"], now=request.now
        )
        response = page.redirect_to("desk_slip_batch", batch_id=batch_id)
        cookies.write_flash(response, "success" if ended else "info", "flash.slips_voided", count=str(len(ended)))
        return response
    status = 422 if request.method == "POST" else 200
    return page.render(
        request, "desk/slips_batch.html", status=status, form=form, listed=listed, batch_id=batch_id,
        waits=any(one.stands in ("waits", "spent") for one in listed),
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@for_person(Right.SLIP)
def one(request: Request, agent: Agent, found: Found) -> HttpResponse:
    """One slip. For an account in use where it is a pupil's alone, and then it is a recovery."""
    recovers = print_slips.may_recover(agent, found.person.id, now=request.now)
    holder = print_slips.for_one(found.person, permission=found.permission, recovers=recovers, now=request.now)
    data = {**request.POST.dict(), "who": "pupil"} if request.method == "POST" else None
    form, status, refused = PrintForm(data, initial={"language": "own"}), 200, ""
    if isinstance(holder, Problem):
        refused = holder.id
    elif form.is_valid():
        printed = _print(request, agent, [holder], holder.unit, form)
        if printed:
            return printed
        status = 429
    elif data is not None:
        status = 422
    return page.render(
        request, "desk/slip.html", status=status, found=found, form=form, spoken=LANGUAGES, refused=refused,
        recovers=isinstance(holder, Holder) and holder.recovers,
    )  # fmt: skip
