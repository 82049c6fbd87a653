"""A guardian's children: how their accounts stand, a new password for one, and an end of one that is under way."""

from dataclasses import replace

from django import forms
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from massar.core import ids
from massar.interfaces.base import cookies, errors, form_fields, page, way_back
from massar.interfaces.base.jinja import t
from massar.interfaces.base.request import Request
from massar.journeys.account import children as journey
from massar.journeys.account import sign_in
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.outcomes import Done, FactorNotFresh, Gone, Overloaded, Problems, TooManyAttempts

Wrong = tuple[str, str]  # which form, and the sentence


class StartForm(forms.Form):
    """ask_id: the form's own number, so that a reload asks nothing twice."""

    contact = forms.IntegerField(min_value=1)
    ask_id = forms.RegexField(r"^[A-Za-z0-9_-]{43}\Z")
    password = form_fields.secret()


class StopForm(forms.Form):
    password = form_fields.secret()


@require_safe
@way_back.signed_in_only
def children(request: Request, signed_in: SignedIn) -> HttpResponse:
    return _page(request, signed_in)


@require_POST
@way_back.signed_in_only
def start(request: Request, signed_in: SignedIn, child_id: int) -> HttpResponse:
    form, place = StartForm(request.POST), f"start-{child_id}"
    if not form.is_valid():
        missing = "required" if form.errors.keys() == {"password"} else "choice"
        return _page(request, signed_in, status=422, wrong=(place, t(f"error.{missing}")))
    recovery_browser = request.browser.recovery_browser or ids.token()
    typed = form.cleaned_data
    outcome = journey.start(
        signed_in=signed_in, child_id=child_id, contact_id=typed["contact"], password=typed["password"],
        ask_id=typed["ask_id"], browser=replace(request.browser, recovery_browser=recovery_browser), now=request.now,
    )  # fmt: skip
    response = _answer(request, signed_in, place, outcome, "flash.child_started")
    cookies.RECOVERY_BROWSER.write(response, recovery_browser)  # the child may well sit at this browser
    return response


@require_POST
@way_back.signed_in_only
def stop(request: Request, signed_in: SignedIn, child_id: int) -> HttpResponse:
    form, place = StopForm(request.POST), f"stop-{child_id}"
    if not form.is_valid():
        return _page(request, signed_in, status=422, wrong=(place, t("error.required")))
    outcome = journey.stop(
        signed_in=signed_in, child_id=child_id, browser=request.browser, now=request.now, **form.cleaned_data
    )
    return _answer(request, signed_in, place, outcome, "flash.child_stopped")


def _answer(
    request: Request, signed_in: SignedIn, place: str, outcome: Done | journey.Refused, done: str
) -> HttpResponse:
    match outcome:
        case Done(masked=masked):
            return _back("success", done, **({"to": masked} if masked else {}))
        case Problems(of=of):
            problem = next(iter(of.values()))[0]
            return _page(request, signed_in, status=422, wrong=(place, t(f"error.{problem.id}")))
        case Gone():
            return _back("info", "flash.child_gone")
        case FactorNotFresh():
            return _back_here(way_back.prove_factor_first(request))
        case TooManyAttempts(until=until):
            return errors.render_error(request, 429, wait_until=until)
        case Overloaded():
            return errors.render_error(request, 503)


def _back(kind: str, message_id: str, **args: str) -> HttpResponse:
    response = page.redirect_to("children")
    cookies.write_flash(response, kind, message_id, **args)
    return response


def _page(request: Request, signed_in: SignedIn, *, status: int = 200, wrong: Wrong | None = None) -> HttpResponse:
    guardian, now = signed_in.person, request.now
    locked = sign_in.owes_factor(signed_in, now=now)
    response = page.render(
        request, "children/children.html", status=status, children=journey.of(guardian, now=now), wrong=wrong,
        ways=journey.ways(guardian, now=now), ask_id=ids.token(), locked=locked,
    )  # fmt: skip
    return _back_here(response) if locked else response


def _back_here(response: HttpResponse) -> HttpResponse:
    """From the second step, which unlocks this page."""
    cookies.RETURN_TO.write(response, reverse("children"))
    return response
