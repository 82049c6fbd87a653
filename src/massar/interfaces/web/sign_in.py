"""The sign-in page and the way out."""

from datetime import datetime, timedelta

from django import forms
from django.http import HttpResponse
from django.urls import reverse
from django.utils import translation
from django.views.decorators.http import require_http_methods, require_POST

from massar.core import text
from massar.interfaces.base import cookies, form_fields, page, rush, way_back
from massar.interfaces.base.request import Request
from massar.interfaces.web import challenge, second_step
from massar.interfaces.web.home import cards
from massar.journeys import outcomes
from massar.journeys.account import change_password, close_sessions, defend, use_passkey
from massar.journeys.account import sign_in as journey
from massar.journeys.sso import log_out_of_sites

LONG_WAIT = timedelta(hours=1)


class SignInForm(forms.Form):
    user = form_fields.line()
    password = form_fields.secret()


@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: Request) -> HttpResponse:
    signed_in, waits = request.signed_in, request.saved_request
    if request.method != "POST":
        if signed_in and not waits.get("again"):
            return way_back.redirect_after_sign_in(request)
        if request.recognised and not signed_in:
            return page.redirect_to("second_step")
        _, said, about = cookies.read_flash(request) or ("", "", {})  # a browser that was just let in knows its name
        user = about["to"] if said == "flash.let_in" else waits.get("login_hint", "")
        return show(request, SignInForm(initial={"user": user}))
    answer = challenge.read(request, journey.ACTION)
    if challenge.FIELD in request.POST and not answer:
        return show(request, SignInForm(), "challenge_over", status=422)
    form = SignInForm(_typed(answer) if answer else request.POST)
    if not form.is_valid():
        return show(request, form, status=422)
    outcome = journey.enter(
        typed_login=form.cleaned_data["user"], password=form.cleaned_data["password"], browser=request.browser,
        now=request.now, earlier=request.recognised.session if request.recognised else None, answer=answer,
    )  # fmt: skip
    match outcome:
        case outcomes.SessionOpened() | outcomes.MustChangePassword():
            return second_step.enter(request, outcome)
        case outcomes.SecondStepRequired(cookie=cookie):
            response = page.redirect_to("second_step")
            cookies.SECOND_STEP.write(response, cookie)
            return response
    return _refuse(request, form, outcome)


def _typed(answer: defend.ChallengeAnswer) -> dict[str, str]:
    kept = answer.challenge.typed
    return {"user": kept["login"], "password": kept["password"]}


def _refuse(request: Request, form: SignInForm, outcome: journey.Refused) -> HttpResponse:
    match outcome:
        case outcomes.WrongSecret():
            if text.login(form.cleaned_data["user"]) is None:  # known by the text alone
                form.add_error("user", "error.login_shape")
            return show(request, form, "wrong", status=422)
        case outcomes.SecretExpired(handed=handed):
            return show(request, form, "expired_slip" if handed else "expired_code", status=422)
        case outcomes.AccountFrozen():
            response = show(request, form, "frozen", status=422)
            cookies.RECOVERY_LOGIN.write(response, text.login(form.cleaned_data["user"]) or "")
            return response
        case outcomes.TooManyAttempts(until=until):  # who would wait long is told that recovery opens at once
            problem = "wait_recover" if until - request.now > LONG_WAIT else "wait"
            response = show(request, form, problem, status=429, until=until)
            return page.add_retry_after(response, until, request.now)
        case outcomes.ChallengeRequired():
            return challenge.render(request, outcome, back="sign_in")
        case outcomes.PasswordSprayed():
            return show(request, form, "sprayed", status=429)
        case outcomes.Overloaded():
            return rush.here.come_back(request)


def show(
    request: Request, form: SignInForm | None = None, problem: str | None = None, *, status: int = 200,
    until: datetime | None = None,
) -> HttpResponse:  # fmt: skip
    wished = request.saved_request.get("language", "")
    if wished and not request.chosen_language:  # the site's wish: it is not kept
        request.language = wished
        translation.activate(wished)
    return page.render(
        request, "sign_in/sign_in.html", status=status, form=form or SignInForm(), problem=problem, wait_until=until,
        sites=cards(request.language),
        passkey=use_passkey.question(form_secret=page.form_secret(request), now=request.now),
    )  # fmt: skip


@require_POST
def sign_out(request: Request) -> HttpResponse:
    """End the session on the server; the cookies go too. Sites that only this browser can tell are listed."""
    response = page.redirect_to("sign_in")
    signed_in = request.recognised
    if signed_in:
        close_sessions.sign_out(signed_in=signed_in, browser=request.browser, now=request.now)
        if log_out_of_sites.has_left_open(signed_in.person.id, [signed_in.session.id], since=request.now):
            response = page.redirect_to_logout_status(signed_in, now=request.now)
    else:
        left = cookies.SESSION.read(request)
        close_sessions.sign_out_left_open(cookie=left, browser=request.browser, now=request.now)
    granted = close_sessions.may_change(cookie=cookies.CHANGE.read(request), now=request.now)
    if granted:
        change_password.close(grant=granted[1], now=request.now)
    second_step.give_up(request)
    cookies.SESSION.drop(response)
    cookies.CHANGE.drop(response)
    cookies.SECOND_STEP.drop(response)
    if response["Location"] == reverse("sign_in"):  # the list says so by itself
        cookies.write_flash(response, "info", "flash.signed_out")
    return way_back.discard(request, response)
