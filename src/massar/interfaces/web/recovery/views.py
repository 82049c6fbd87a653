"""Recovery: ask, and the page that says what happens next. One insert, one page, whatever was typed."""

from __future__ import annotations

from dataclasses import replace

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from massar.core import ids, text
from massar.interfaces.base import cookies, errors, page, saved_request
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import see_other
from massar.interfaces.web.recovery.forms import RecoveryForm
from massar.interfaces.web.sign_in.forms import SignInForm
from massar.journeys.account import recover_password as journey
from massar.journeys.outcomes import TooManyAttempts


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: Request) -> HttpResponse:
    if request.method != "POST":
        return _page(request, RecoveryForm(initial={"channel": "email", "ask_id": ids.token()}))
    form = RecoveryForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    typed, recovery_browser = form.cleaned_data, request.browser.recovery_browser or ids.token()
    outcome = journey.ask(
        typed_login=typed["user"],
        channel=typed["channel"],
        typed_contact=typed[typed["channel"]],
        ask_id=typed["ask_id"],
        browser=replace(request.browser, recovery_browser=recovery_browser),
        now=request.now,
    )
    if isinstance(outcome, TooManyAttempts):
        return errors.render_error(request, 429, wait_until=outcome.until)
    saved_request.extend_for_recovery(request, channel="sms" if typed["channel"] == "phone" else "email")
    response = see_other(f"{reverse('recovery_asked')}?by={typed['channel']}")
    cookies.RECOVERY_BROWSER.write(response, recovery_browser)
    # The next page has the sign-in form at hand: nobody types a long address twice on a small phone.
    cookies.RECOVERY_LOGIN.write(response, text.login(typed["user"]) or "")
    return response


@require_safe
def asked(request: Request) -> HttpResponse:
    """Read nothing: a reload sends nothing and shows the same."""
    channel = "phone" if request.GET.get("by") == "phone" else "email"
    life = settings.MASSAR.temporary_sms if channel == "phone" else settings.MASSAR.temporary_email
    return page.render(
        request,
        "recovery/asked.html",
        sign_in_form=SignInForm(initial={"user": text.login(cookies.RECOVERY_LOGIN.read(request)) or ""}),
        channel=channel,
        minutes=int(life.total_seconds() // 60),
        per_hour=settings.MASSAR.recoveries_per_hour,
    )


def _page(request: Request, form: RecoveryForm, status: int = 200) -> HttpResponse:
    return page.render(
        request, "recovery/ask.html", status=status, form=form, per_hour=settings.MASSAR.recoveries_per_hour
    )
