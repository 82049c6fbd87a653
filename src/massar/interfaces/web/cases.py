"""At the help desk with nothing but a browser: where the desk is, a number on the screen, and on from there."""

from dataclasses import replace
from datetime import datetime

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from massar.core import ids, local_time, text
from massar.interfaces.base import cookies, errors, form_fields, page
from massar.interfaces.base.request import Request
from massar.interfaces.web import challenge, recovery, second_step
from massar.journeys.desk import link_guardian
from massar.journeys.desk import open_case as journey
from massar.journeys.outcomes import ChallengeRequired, Done, Gone, Problems, SecondStepRequired, TooManyAttempts


class AskForm(forms.Form):
    user = form_fields.line()

    def clean_user(self) -> str:
        """Only the shape is judged, from what was typed alone: nothing is looked up."""
        typed: str = self.cleaned_data["user"]
        if text.login(typed) is None:
            raise forms.ValidationError("error.login_shape")
        return typed


class CaseCodeForm(forms.Form):
    code = form_fields.line(60)


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: Request) -> HttpResponse:
    posted, answer = request.method == "POST", challenge.read(request, journey.ACTION)
    over = posted and challenge.FIELD in request.POST and not answer
    data = {"user": answer.challenge.typed["login"]} if answer else request.POST
    form = AskForm(data) if posted and not over else AskForm(initial={"user": recovery.typed_login(request)})
    if not form.is_valid():
        listed = journey.branches(now=request.now)
        return page.render(
            request, "recovery/desk.html", status=422 if posted else 200, form=form, over=over, branches=listed,
            chosen=journey.choose(listed, request.GET.get("at", "")),
        )  # fmt: skip
    typed, recovery_browser = form.cleaned_data["user"], request.browser.recovery_browser or ids.token()
    browser = replace(request.browser, recovery_browser=recovery_browser)
    outcome = journey.ask(typed_login=typed, browser=browser, answer=answer, now=request.now)
    if isinstance(outcome, ChallengeRequired):
        return challenge.render(request, outcome, back="case_ask")
    if isinstance(outcome, TooManyAttempts):
        return errors.render_error(request, 429, wait_until=outcome.until)
    response = page.redirect_to("case")
    cookies.RECOVERY_BROWSER.write(response, recovery_browser)
    cookies.RECOVERY_LOGIN.write(response, text.login(typed) or "")
    return response


@require_safe
def case(request: Request) -> HttpResponse:
    """Read only: a page that looks again by itself changes nothing."""
    return _page(request, CaseCodeForm())


def _page(request: Request, form: CaseCodeForm, *, status: int = 200) -> HttpResponse:
    shown = journey.look(browser=request.browser, now=request.now)
    if shown is None:
        return _begin_anew(request)
    return page.render(request, "recovery/case.html", status=status, shown=shown, case=shown.case, form=form)


@require_POST
def go_on(request: Request) -> HttpResponse:
    outcome = journey.go_on(browser=request.browser, now=request.now)
    if isinstance(outcome, Gone):
        return _begin_anew(request)
    if isinstance(outcome, SecondStepRequired):
        response = page.redirect_to("second_step")
        cookies.SECOND_STEP.write(response, outcome.cookie)
        return response
    return second_step.start(request, page.redirect_to("password_change"), outcome)


@require_POST
def contact(request: Request) -> HttpResponse:
    form = CaseCodeForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    code, browser, now = form.cleaned_data["code"], request.browser, request.now
    of_guardian = _is_of_guardian(request)
    if of_guardian:
        outcome = link_guardian.prove(code=code, browser=browser, now=now)
    else:
        outcome = journey.prove_contact(code=code, browser=browser, now=now, cancel_url=_cancel_url)
    match outcome:
        case Done(masked=login) if of_guardian:
            response = page.redirect_to("case")
            cookies.write_flash(response, "success", "flash.case_guardian", to=login)
            return response
        case Done(from_when=datetime() as start):
            response = page.redirect_to("case")
            cookies.write_flash(
                response, "success", "flash.case_contact", **{"from": local_time.day_time(start, request.language)}
            )
            return response
        case Problems():
            form_fields.show_problems(form, outcome)
            return _page(request, form, status=422)
    return _begin_anew(request)


@require_POST
def resend(request: Request) -> HttpResponse:
    again = link_guardian.send_again if _is_of_guardian(request) else journey.send_again
    outcome = again(browser=request.browser, now=request.now)
    match outcome:
        case TooManyAttempts(until=until):
            return errors.render_error(request, 429, wait_until=until)
        case Gone():
            return _begin_anew(request)
    response = page.redirect_to("case")
    cookies.write_flash(response, "info", "flash.code_sent", to=outcome.masked)
    return response


def _is_of_guardian(request: Request) -> bool:
    shown = journey.look(browser=request.browser, now=request.now)
    return shown is not None and shown.case.kind == "guardian"


@require_POST
def close(request: Request) -> HttpResponse:
    journey.close(browser=request.browser, now=request.now)
    return page.redirect_to("recovery")


def _begin_anew(request: Request) -> HttpResponse:
    response = page.redirect_to("case_ask")
    cookies.write_flash(response, "info", "flash.case_over")
    return response


def _cancel_url(token: str) -> str:
    return settings.MASSAR.public_url + reverse("contact_cancel_link", kwargs={"token": token})
