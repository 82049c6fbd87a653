"""Campaigns: the list, a new one, how one stands, and what may be done with it."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

from django import forms
from django.http import Http404, HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from massar.domain.campaigns import api as rooms
from massar.domain.campaigns.api import CampaignFacts, Kind
from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.interfaces.base import cookies, form_fields, numbers, page
from massar.interfaces.base.request import Request
from massar.interfaces.desk.guard import ministry_only
from massar.journeys.campaigns import manage, see_campaign
from massar.journeys.desk.agents import Agent
from massar.journeys.outcomes import Done, Problem

_NUMBER = dict.fromkeys(("required", "invalid", "min_value", "max_value"), "error.campaign_whole")
_DAY = {"invalid": "error.campaign_day"}
KINDS, PEOPLE = tuple(Kind.values), ("", "staff", "pupil", "guardian")
MOST_LISTED = 200_000  # signs of a list that is typed in; a longer one is a command's
# Where what a journey refuses is said.
_AT = {"campaign_name": "name", "campaign_pace": "pace", "campaign_why": "why", "campaign_day": "day",
       "campaign_nobody": "listed", "campaign_unit": "unit"}  # fmt: skip


class NewCampaignForm(forms.Form):
    """What is asked of whom. listed: institution addresses, one a line, instead of unit, people and role."""

    kind = form_fields.choice(KINDS)
    name = form_fields.line(manage.LONGEST_NAME)
    why = form_fields.choice(("", *rooms.Why.values), required=False)
    unit = form_fields.line(32, required=False)
    people = form_fields.choice(PEOPLE, required=False)
    role = form_fields.choice(("", *rights.Role), required=False)
    days = forms.IntegerField(min_value=1, max_value=3650, required=False, error_messages=_NUMBER)
    day = forms.DateField(required=False, error_messages=_DAY)
    listed = form_fields.line(MOST_LISTED, required=False)
    pace = forms.IntegerField(error_messages=_NUMBER)


class CampaignNumberForm(forms.Form):
    number = forms.IntegerField(min_value=0, error_messages=_NUMBER)


@require_safe
@ministry_only
def campaigns(request: Request, agent: Agent) -> HttpResponse:
    return page.render(
        request, "desk/campaigns.html", campaigns=rooms.store.newest(), number=partial(numbers.number, request.language)
    )


@require_http_methods(["GET", "HEAD", "POST"])
@ministry_only
def new(request: Request, agent: Agent) -> HttpResponse:
    initial = {"kind": Kind.CONTACTS, "why": rooms.DEFAULT_WHY, "pace": rooms.Plan._field_defaults["pace"]}
    form = NewCampaignForm(request.POST) if request.method == "POST" else NewCampaignForm(initial=initial)
    if form.is_valid():
        made = _make(form, agent, request)
        if isinstance(made, int):
            return page.redirect_to("desk_campaign", campaign_id=made)
        form.add_error(_AT.get(made.id), form_fields.as_error(made))
    status = 422 if request.method == "POST" else 200
    return page.render(
        request, "desk/campaign_new.html", status=status, form=form, kinds=KINDS, whys=rooms.Why.values, people=PEOPLE,
        roles=("", *rights.Role),
    )  # fmt: skip


def _make(form: NewCampaignForm, agent: Agent, request: Request) -> int | Problem:
    typed, now = form.cleaned_data, request.now
    unit = people.units.by_code(typed["unit"]) if typed["unit"] else None
    if typed["unit"] and unit is None:
        return Problem("campaign_unit")
    kind = Kind(typed["kind"])
    plan = rooms.Plan(
        kind, typed["name"].strip(), why=typed["why"] if kind == Kind.CHANGE else "", unit_id=manage.branch(unit),
        belongs_as=people.Kind.__members__[typed["people"].upper()] if typed["people"] else None, role=typed["role"],
        changed_before=now - timedelta(days=typed["days"]) if typed["days"] else None,
        due_day=typed["day"] if kind != Kind.CHANGE else None, pace=typed["pace"],
    )  # fmt: skip
    listed = manage.read_list(typed["listed"].splitlines(), now=now) if typed["listed"] else None
    return manage.make(plan, by=agent.person.id, now=now, targets=listed.ids if listed else None)


@require_safe
@ministry_only
def campaign(request: Request, agent: Agent, campaign_id: int) -> HttpResponse:
    return _show(request, agent, _found(campaign_id), CampaignNumberForm())


def _found(campaign_id: int) -> CampaignFacts:
    one = rooms.store.by_id(campaign_id)
    if one is None:
        raise Http404
    return one


def _show(
    request: Request, agent: Agent, one: CampaignFacts, form: CampaignNumberForm, *, status: int = 200
) -> HttpResponse:
    seen = see_campaign.look(one, viewer=agent.person.id, now=request.now)
    return page.render(
        request, "desk/campaign.html", status=status, one=one, seen=seen, form=form,
        number=partial(numbers.number, request.language), least=manage.FOUR_EYES_ABOVE,
    )  # fmt: skip


@require_POST
@ministry_only
def act(request: Request, agent: Agent, campaign_id: int, act: str) -> HttpResponse:
    """Do one of `ACTS`, and show how it stands then."""
    one = _found(campaign_id)
    if act == "confirm":
        return _confirm(request, agent, one)
    done = ACTS.get(act)
    if done is None:
        raise Http404
    outcome = done(one.id, by=agent.person.id, now=request.now)
    response = page.redirect_to("desk_campaign", campaign_id=one.id)
    if isinstance(outcome, Problem):
        cookies.write_flash(response, "warning", f"flash.{outcome.id}")
    return response


def _confirm(request: Request, agent: Agent, one: CampaignFacts) -> HttpResponse:
    form = CampaignNumberForm(request.POST)
    if form.is_valid():
        number = form.cleaned_data["number"]
        outcome = manage.confirm(one.id, number=number, by=agent.person.id, now=request.now)
        if isinstance(outcome, Done):
            return page.redirect_to("desk_campaign", campaign_id=one.id)
        form.add_error("number", form_fields.as_error(outcome))
    return _show(request, agent, _found(one.id), form, status=422)


ACTS: Mapping[str, Callable[..., Done | Problem]] = {
    "count": manage.count_again,
    "approve": manage.approve,
    "stop": manage.stop,
    "resume": manage.resume,
    "cancel": manage.cancel,
}
