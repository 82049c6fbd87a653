"""Letting this browser in: ask for a code, type it, then sign in with the password as ever."""

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from massar.interfaces.base import cookies, errors, form_fields, page
from massar.interfaces.base.request import Request
from massar.interfaces.web import recovery
from massar.journeys.account import vouch as journey
from massar.journeys.outcomes import SecretExpired, TooManyAttempts, WrongSecret


class VouchingForm(forms.Form):
    user = form_fields.line()
    code = form_fields.line(40)


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: Request) -> HttpResponse:
    return recovery.ask_for(request, journey.PURPOSE, back="vouch", then="vouch_code")


@require_http_methods(["GET", "HEAD", "POST"])
def code(request: Request) -> HttpResponse:
    """Show the same page whatever was asked. A browser that has asked for nothing hears that codes serve elsewhere."""
    if request.method != "POST":
        asked = bool(request.browser.recovery_browser)
        form = VouchingForm(initial={"user": recovery.typed_login(request)})
        return _page(request, form, None if asked else "not_asked_here")
    form = VouchingForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    outcome = journey.let_in(
        typed_login=form.cleaned_data["user"], code=form.cleaned_data["code"], browser=request.browser, now=request.now
    )
    match outcome:
        case WrongSecret():
            return _page(request, form, "code_wrong", status=422)
        case SecretExpired():
            return _page(request, form, "code_late", status=422)
        case TooManyAttempts(until=until):
            return errors.render_error(request, 429, wait_until=until)
    response = page.redirect_to("sign_in")
    cookies.TRUSTED_DEVICES.write(response, outcome.trusted_devices)
    cookies.write_flash(response, "success", "flash.let_in", to=outcome.person.login)
    return response


def _page(request: Request, form: VouchingForm, problem: str | None = None, *, status: int = 200) -> HttpResponse:
    channel, minutes = recovery.chosen(request)
    return page.render(
        request, "vouch/code.html", status=status, form=form, problem=problem, channel=channel, minutes=minutes
    )
