"""The desk's home: for which branches the agent acts, and what may be done there; and the proof of who teaches."""

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_safe

from massar.core import local_time
from massar.domain.people.api import rights
from massar.interfaces.base import cookies, errors, form_fields, page, way_back
from massar.interfaces.base.request import Request
from massar.interfaces.desk import guard
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.desk import agents
from massar.journeys.desk.agents import Agent
from massar.journeys.figures import see_figures
from massar.journeys.outcomes import FactorNotFresh, Gone, Overloaded, Problems, TooManyAttempts

# Pages that the home leads to, for agents who have the right for somebody: (right, name of the address, words).
PAGES = (
    (rights.Right.SEARCH, "desk_people", "agent.search.title"),
    (rights.Right.APPROVE, "desk_cases", "agent.cases"),
    (rights.Right.CONFIRM, "desk_reviews", "review.title"),
    (rights.Right.CODE, "desk_classes", "class.title"),
    (rights.Right.SLIP, "desk_slips", "slips.title"),
    (rights.Right.EXPORT, "desk_exports", "export.title"),
)

# What concerns the whole country: (name of the address, words).
FIGURES = (("desk_figures", "figures.title"),)
MINISTRY = (
    ("desk_campaigns", "campaign.title"), ("desk_season", "season.title"), ("desk_sites", "sites.title"),
    ("desk_lists", "lists.title"),
)  # fmt: skip


class ProveForm(forms.Form):
    password = form_fields.secret()


@require_safe
@way_back.signed_in_only
def home(request: Request, signed_in: SignedIn) -> HttpResponse:
    """An operator who is no agent watches over messages alone."""
    person = signed_in.person
    return page.redirect_to("ops_messages") if person.operates and not person.helps_as else _home(request)


@guard.agents_only
def _home(request: Request, agent: Agent) -> HttpResponse:
    mine = agents.rights_of(agent)
    return page.render(
        request, "desk/home.html", roles=agent.roles, rights=[right for right in rights.Right if right in mine],
        pages=[(name, words) for right, name, words in PAGES if right in mine],
        ministry=[*(MINISTRY if agent.serves_ministry else ()), *(FIGURES if see_figures.sees_any(agent) else ())],
        day_of=lambda day: local_time.in_words(day, request.language),
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@way_back.signed_in_only
def prove(request: Request, signed_in: SignedIn) -> HttpResponse:
    """Type the password again: asked of who only teaches, and needs no second factor."""
    agent = guard.of(request, signed_in)
    form = ProveForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _prove_page(request, form, status=422 if request.method == "POST" else 200)
    outcome = agents.prove(agent, password=form.cleaned_data["password"], browser=request.browser, now=request.now)
    match outcome:
        case Problems():
            form_fields.show_problems(form, outcome)
            return _prove_page(request, form, status=422)
        case TooManyAttempts(until=until):
            form_fields.show_wait(form, until, request)
            return page.add_retry_after(_prove_page(request, form, status=429), until, request.now)
        case FactorNotFresh():
            return page.redirect_to("second_step")
        case Overloaded():
            return errors.render_error(request, 503)
        case Gone():
            return page.redirect_to("sign_in")
    response = way_back.redirect_to_page(request)
    cookies.SESSION.write(response, outcome)
    return response


def _prove_page(request: Request, form: ProveForm, *, status: int) -> HttpResponse:
    return page.render(request, "desk/prove.html", status=status, form=form)
