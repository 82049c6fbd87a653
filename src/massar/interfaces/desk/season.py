"""The switch of the season: seen and turned by the ministry's desk and by operators."""

from datetime import UTC, datetime

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from massar.core import local_time
from massar.interfaces.base import form_fields, page
from massar.interfaces.base.request import Request
from massar.interfaces.desk.guard import ministry_only
from massar.journeys import season as journey
from massar.journeys.desk.agents import Agent
from massar.journeys.outcomes import Problem

_TIME = dict.fromkeys(("required", "invalid"), "error.season_time")


class SeasonForm(forms.Form):
    """Until when, as a day and an hour of the country."""

    day = forms.DateField(error_messages=_TIME)
    hour = forms.TimeField(error_messages=_TIME)


@require_http_methods(["GET", "HEAD", "POST"])
@ministry_only
def season(request: Request, agent: Agent) -> HttpResponse:
    posted, off = request.method == "POST", request.POST.get("mode") == "off"
    form = SeasonForm(request.POST if posted and not off else None)
    if off or form.is_valid():
        outcome = journey.order(None if off else _until(form, request.now), by=agent.person.id, now=request.now)
        if not isinstance(outcome, Problem):
            return page.redirect_to("desk_season")
        form.add_error("day", form_fields.as_error(outcome))
    return page.render(
        request, "desk/season.html", status=422 if posted else 200, form=form, rush=journey.look(now=request.now)
    )


def _until(form: SeasonForm, now: datetime) -> datetime:
    zone = local_time.local(now).tzinfo
    typed = datetime.combine(form.cleaned_data["day"], form.cleaned_data["hour"])
    return typed.replace(tzinfo=zone).astimezone(UTC)
