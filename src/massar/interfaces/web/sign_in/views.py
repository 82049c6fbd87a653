"""The sign-in page and the way out."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpResponse
from django.urls import reverse
from django.utils import translation
from django.views.decorators.http import require_http_methods, require_POST

from massar.core import text
from massar.interfaces.base import cookies, page, saved_request
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import add_retry_after, redirect_to, redirect_to_logout_status, start_session
from massar.interfaces.web.home import sites
from massar.interfaces.web.sign_in.forms import SignIn
from massar.journeys.account import change_password, close_sessions
from massar.journeys.account import sign_in as journey
from massar.journeys.outcomes import (
    MustChangePassword,
    Overloaded,
    SecretExpired,
    SessionOpened,
    TooManyAttempts,
    WrongSecret,
)
from massar.journeys.sso import log_out_of_sites

LONG_WAIT = timedelta(hours=1)


@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: Request) -> HttpResponse:
    waits = request.saved_request
    if request.method != "POST":
        if request.signed_in and not waits.get("again"):
            return saved_request.redirect_after_sign_in(request)
        return _page(request, SignIn(initial={"user": waits.get("login_hint", "")}))
    form = SignIn(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    outcome = journey.enter(
        typed_login=form.cleaned_data["user"],
        password=form.cleaned_data["password"],
        browser=request.browser,
        now=request.now,
        earlier=request.signed_in.session if request.signed_in else None,
    )
    return _answer(request, form, outcome)


def _answer(request, form, outcome) -> HttpResponse:
    match outcome:
        case SessionOpened(person=person, session_id=session_id):
            if request.signed_in and request.signed_in.session.id != session_id:
                _leave_earlier(request)
            response = start_session(request, saved_request.redirect_after_sign_in(request), outcome)
            return _in_own_language(request, response, person)
        case MustChangePassword(cookie=cookie):
            _leave_earlier(request)
            response = redirect_to("password_expired")
            cookies.CHANGE.write(response, cookie)
            cookies.SESSION.drop(response)
            return response
        case WrongSecret():
            if text.login(form.cleaned_data["user"]) is None:  # known by the text alone
                form.add_error("user", "error.login_shape")
            return _page(request, form, "wrong", status=422)
        case SecretExpired():
            return _page(request, form, "expired_code", status=422)
        case TooManyAttempts(until=until):
            return _wait(request, form, until)
        case Overloaded():
            response = _page(request, form, "busy", status=503)
            response["Retry-After"] = "3"
            return response
    raise TypeError(f"no page for {outcome!r}")


def _leave_earlier(request) -> None:
    """A session that this browser had before and that was not renewed ends on the server too (ATK-081)."""
    if request.signed_in:
        close_sessions.sign_out(signed_in=request.signed_in, browser=request.browser, now=request.now)


def _wait(request, form, until) -> HttpResponse:
    # Who would wait long is told that recovery opens at once.
    long = until - request.now > LONG_WAIT
    page_said = _page(request, form, "wait_recover" if long else "wait", status=429, wait_until=until)
    return add_retry_after(page_said, until, request.now)


def _in_own_language(request, response, person) -> HttpResponse:
    """On a browser that has chosen no language the person's own is used from here on."""
    if not cookies.LANGUAGE.read(request):
        cookies.LANGUAGE.write(response, person.language)
    return response


def _page(request, form, problem=None, *, status=200, wait_until=None) -> HttpResponse:
    waits = request.saved_request
    _speak(request, waits.get("language", ""))
    return page.render(
        request,
        "sign_in/sign_in.html",
        status=status,
        form=form,
        problem=problem,
        wait_until=wait_until,
        form_token=None,
        sites=sites.cards(request.language),
    )


def _speak(request, language: str) -> None:
    """The language a site asks for, on a browser that has chosen none. It is not kept: it is the site's wish."""
    if language and not cookies.LANGUAGE.read(request):
        request.language = language
        translation.activate(language)


@require_POST
def sign_out(request: Request) -> HttpResponse:
    """Ends the session on the server; the cookies go too. Sites that only this browser can tell are listed."""
    response = redirect_to("sign_in")
    if request.signed_in:
        signed_in = request.signed_in
        close_sessions.sign_out(signed_in=signed_in, browser=request.browser, now=request.now)
        if log_out_of_sites.has_left_open(signed_in.person.id, [signed_in.session.id], since=request.now):
            response = redirect_to_logout_status(signed_in, now=request.now)
    else:
        close_sessions.sign_out_left_open(
            cookie=cookies.SESSION.read(request), browser=request.browser, now=request.now
        )
    granted = close_sessions.may_change(cookie=cookies.CHANGE.read(request), now=request.now)
    if granted:
        change_password.close(grant=granted[1], now=request.now)
    cookies.SESSION.drop(response)
    cookies.CHANGE.drop(response)
    if response["Location"] == reverse("sign_in"):  # the list says so by itself
        cookies.write_flash(response, "info", "flash.signed_out")
    return saved_request.discard(request, response)
