"""Find a person, see how the account stands, see one whole contact, start a recovery."""

from collections.abc import Sequence

from django import forms
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from massar.core import local_time
from massar.domain.people.api import PersonFacts, rights
from massar.interfaces.base import cookies, errors, form_fields, page
from massar.interfaces.base.request import Request
from massar.interfaces.desk.actions import ACTIONS
from massar.interfaces.desk.guard import agents_only, for_person
from massar.journeys.desk import agents, search, see_account, start_recovery, unmask
from massar.journeys.desk.agents import Agent, Found
from massar.journeys.outcomes import Gone, Problems, TooManyAttempts

Right = rights.Right


class SearchForm(forms.Form):
    who = form_fields.line(search.LONGEST)
    place = form_fields.line(32, required=False)


class UnmaskForm(forms.Form):
    reason = form_fields.choice(unmask.REASONS)


class RecoverForm(forms.Form):
    contact = forms.IntegerField(error_messages={"required": "error.desk_choice", "invalid": "error.desk_choice"})


@require_http_methods(["GET", "HEAD", "POST"])
@agents_only
def people(request: Request, agent: Agent) -> HttpResponse:
    """The form. What was typed leads, sealed, to the page of what was found: names stand in no address and no log."""
    form = SearchForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _search_page(request, agent, form, status=422 if request.method == "POST" else 200)
    typed, place = form.cleaned_data["who"], form.cleaned_data["place"]
    outcome = search.ask(agent, typed=typed, place=place, now=request.now)
    match outcome:
        case Problems():
            form_fields.show_problems(form, outcome)
            return _search_page(request, agent, form, status=422)
        case TooManyAttempts(until=until):
            form_fields.show_wait(form, until, request, sentence="error.desk_searches")
            return page.add_retry_after(_search_page(request, agent, form, status=429), until, request.now)
    return page.redirect_to("desk_found", token=outcome)


@require_safe
@agents_only
def found(request: Request, agent: Agent, token: str) -> HttpResponse:
    results = search.results(agent, token, now=request.now)
    if results is None:
        return page.redirect_to("desk_people")
    if isinstance(results, TooManyAttempts):
        return errors.render_error(request, 429, wait_until=results.until)
    form = SearchForm(initial={"who": results.typed, "place": results.place.code if results.place else ""})
    rows = [(person, reverse("desk_person", args=[agents.reference(agent, person.id)])) for person in results.found]
    return _search_page(request, agent, form, results=results, rows=rows)


def _search_page(
    request: Request, agent: Agent, form: SearchForm, *, status: int = 200, results: search.Results | None = None,
    rows: Sequence[tuple[PersonFacts, str]] = (),
) -> HttpResponse:  # fmt: skip
    return page.render(
        request, "desk/people.html", status=status, form=form, results=results, rows=rows,
        places=search.places(agent, now=request.now),
    )  # fmt: skip


@require_safe
@for_person(Right.STATE)
def person(request: Request, agent: Agent, found: Found) -> HttpResponse:
    account = see_account.look(agent, found, now=request.now)
    return page.render(
        request, "desk/person.html", account=account, found=found,
        actions=[action for action in ACTIONS if action.right in account.allowed],
        may_unmask=Right.UNMASK in account.allowed, day_of=lambda day: local_time.in_words(day, request.language),
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@for_person(Right.UNMASK)
def show_contact(request: Request, agent: Agent, found: Found, contact_id: int) -> HttpResponse:
    """Show one whole contact, in the answer to the form that gives the reason, and nowhere else."""
    seen = next((one for one in see_account.contacts(found.person, now=request.now) if one.id == contact_id), None)
    if seen is None:
        raise Http404
    form = UnmaskForm(request.POST if request.method == "POST" else None)
    status, whole = 422 if request.method == "POST" else 200, None
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        outcome = unmask.unmask(agent, found, contact_id, reason=reason, now=request.now)
        match outcome:
            case Gone():
                raise Http404
            case TooManyAttempts(until=until):
                form_fields.show_wait(form, until, request, sentence="error.desk_unmasked")
                status = 429
            case _:
                status, whole = 200, outcome
    return page.render(
        request, "desk/unmask.html", status=status, form=form, whole=whole, seen=seen, reasons=unmask.REASONS,
        found=found,
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@for_person(Right.RECOVER)
def recover(request: Request, agent: Agent, found: Found) -> HttpResponse:
    """Send the person's own recovery to one of their contacts. The agent learns that it is on its way, and no more."""
    form = RecoverForm(request.POST if request.method == "POST" else None)
    status = 422 if request.method == "POST" else 200
    if form.is_valid():
        outcome = start_recovery.start(agent, found, form.cleaned_data["contact"], now=request.now)
        match outcome:
            case TooManyAttempts(until=until):
                form_fields.show_wait(form, until, request, sentence="error.desk_recoveries")
                status = 429
            case Gone():
                form.add_error("contact", "error.desk_choice")
            case _:
                response = page.redirect_to("desk_person", token=found.reference)
                cookies.write_flash(response, "success", "flash.desk_recovery", to=outcome.masked)
                return response
    contacts = start_recovery.contacts(found, now=request.now)
    return page.render(request, "desk/recover.html", status=status, form=form, contacts=contacts, found=found)
