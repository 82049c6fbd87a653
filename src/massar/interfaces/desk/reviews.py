"""Approved cases that were drawn by lot, for agents above those who decided: seen and right, or asked about."""

from django import forms
from django.http import Http404, HttpResponse
from django.views.decorators.http import require_POST, require_safe

from massar.interfaces.base import cookies, form_fields, page
from massar.interfaces.base.request import Request
from massar.interfaces.desk import guard
from massar.journeys.desk import review
from massar.journeys.desk.agents import LONGEST_REASON, Agent
from massar.journeys.outcomes import Gone

ACTS = {review.Review.RIGHT: "flash.review_right", review.Review.ASKED: "flash.review_asked"}


class ReviewForm(forms.Form):
    reason = form_fields.line(LONGEST_REASON)


@require_safe
@guard.agents_only
def reviews(request: Request, agent: Agent) -> HttpResponse:
    return _page(request, agent)


def _page(request: Request, agent: Agent, *, number: str = "", status: int = 200) -> HttpResponse:
    """number: of the case about which something was asked without a reason."""
    drawn = review.waiting(agent, now=request.now)
    return page.render(request, "desk/reviews.html", status=status, drawn=drawn, wrong=number, longest=LONGEST_REASON)


@require_POST
@guard.agents_only
def settle(request: Request, agent: Agent, number: str, act: str) -> HttpResponse:
    """Do one of `ACTS`, whose words tell that it was done; what is asked has to be said."""
    if act not in ACTS or review.look(agent, number, now=request.now) is None:
        raise Http404
    to, form = review.Review(act), ReviewForm(request.POST)
    if to == review.Review.ASKED and not form.is_valid():
        return _page(request, agent, number=number, status=422)
    reason = form.cleaned_data["reason"] if to == review.Review.ASKED else ""
    outcome = review.settle(agent, number=number, to=to, reason=reason, now=request.now)
    response = page.redirect_to("desk_reviews")
    if isinstance(outcome, Gone):
        cookies.write_flash(response, "warning", "flash.review_over")
    else:
        cookies.write_flash(response, "success", ACTS[to])
    return response
