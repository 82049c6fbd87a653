"""The pages of a lost second factor: where the code goes, the code, the wait, and the ways to stop it."""

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from massar.domain.factors import api as factors
from massar.interfaces.base import cookies, errors, form_fields, page, way_back
from massar.interfaces.base.request import Request
from massar.interfaces.web import factor_pages, second_step, security
from massar.journeys.account import lose_factors as journey
from massar.journeys.account import sign_in
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.account.second_step import HalfDone
from massar.journeys.outcomes import Done, Gone, Overloaded, Problems, SecondStepRequired, TooManyAttempts


class ContactForm(forms.Form):
    contact = forms.IntegerField(error_messages={"required": "error.choice", "invalid": "error.choice"})


@require_http_methods(["GET", "HEAD", "POST"])
def lost(request: Request) -> HttpResponse:
    waits = second_step.waiting(request)
    if waits is None:
        signed_in = request.recognised
        has_some = signed_in and factors.held.of_person(signed_in.person.id)
        return _begin(request, signed_in) if signed_in and has_some else second_step.ask_to_sign_in(request)
    if not waits.factors:
        return page.redirect_to("second_step")
    form = ContactForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _page(request, waits, form, status=422 if request.method == "POST" else 200)
    contact_id = form.cleaned_data["contact"]
    outcome = journey.send_code(of=waits, contact_id=contact_id, browser=request.browser, now=request.now)
    if isinstance(outcome, TooManyAttempts):
        form_fields.show_wait(form, outcome.until, request)
        return page.add_retry_after(_page(request, waits, form, status=429), outcome.until, request.now)
    return page.redirect_to("factors_lost")  # which shows what is waited for


def _begin(request: Request, signed_in: SignedIn) -> HttpResponse:
    """A session that is asked for a factor its person has lost: the password first, as at a sign-in."""
    form = factor_pages.ProofForm(request.POST if request.method == "POST" else None)
    status = 422 if request.method == "POST" else 200
    if form.is_valid():
        typed, browser, now = form.cleaned_data["password"], request.browser, request.now
        outcome = sign_in.begin_again(signed_in=signed_in, password=typed, browser=browser, now=now)
        match outcome:
            case SecondStepRequired(cookie=cookie):
                response = page.redirect_to("factors_lost")
                cookies.SECOND_STEP.write(response, cookie)
                return response
            case Problems():
                form_fields.show_problems(form, outcome)
            case TooManyAttempts(until=until):
                return errors.render_error(request, 429, wait_until=until)
            case Overloaded():
                return errors.render_error(request, 503)
            case Gone():
                return page.redirect_to("security")
    return page.render(
        request, "factors/lost.html", status=status, form=ContactForm(), code_form=factor_pages.FactorCodeForm(),
        password_form=form, login=signed_in.person.login, hours=_hours(),
        loss=factors.losses.waiting(signed_in.person.id),
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
def code(request: Request) -> HttpResponse:
    waits = second_step.waiting(request)
    if waits is None:
        return second_step.ask_to_sign_in(request)
    form = factor_pages.FactorCodeForm(request.POST if request.method == "POST" else None)
    if request.method != "POST":
        return page.redirect_to("factors_lost")
    if form.is_valid():
        typed, browser, now = form.cleaned_data["code"], request.browser, request.now
        outcome = journey.prove(of=waits, code=typed, browser=browser, now=now, cancel_url=_cancel_url)
        if not isinstance(outcome, Problems):
            return page.redirect_to("factors_lost")
        form_fields.show_problems(form, outcome)
    return _page(request, waits, ContactForm(), code_form=form, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
def cancel_link(request: Request, token: str) -> HttpResponse:
    """Show the button that stops it. Looking changes nothing: mail scanners look too."""
    done = False
    if request.method == "POST":
        outcome = journey.cancel_by_link(token=token, browser=request.browser, now=request.now)
        done = isinstance(outcome, Done)
    gone = not done and (request.method == "POST" or not journey.link_is_live(token=token))
    return page.render(request, "factors/cancel.html", done=done, gone=gone)


@require_POST
@way_back.signed_in_only
def stop(request: Request, signed_in: SignedIn) -> HttpResponse:
    outcome = journey.cancel(person=signed_in.person, browser=request.browser, now=request.now)
    return security.back("info", "flash.saved_nothing" if isinstance(outcome, Gone) else "flash.factors_found")


def _cancel_url(token: str) -> str:
    return settings.MASSAR.public_url + reverse("loss_cancel_link", kwargs={"token": token})


def _page(
    request: Request, waits: HalfDone, form: ContactForm, *, status: int,
    code_form: factor_pages.FactorCodeForm | None = None,
) -> HttpResponse:  # fmt: skip
    person, now = waits.person, request.now
    contacts, proving = journey.contacts_of(person, now=now), factors.losses.proving(person.id, now=now)
    return page.render(
        request, "factors/lost.html", status=status, form=form, code_form=code_form or factor_pages.FactorCodeForm(),
        contacts=contacts, sent_to=next((one for one in contacts if one.id == proving), None), person=None,
        loss=factors.losses.waiting(person.id), recovers=bool(waits.pending.claim),
        hours=_hours(), password_form=None,
    )  # fmt: skip


def _hours() -> int:
    return int(settings.MASSAR.second_factor_lost.total_seconds() // 3600)
