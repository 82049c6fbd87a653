"""Recovery: ask, and the page that says what happens next. One insert, one page, whatever was typed."""

import re
from dataclasses import replace

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from massar.core import ids, text
from massar.interfaces.base import cookies, errors, form_fields, page, way_back
from massar.interfaces.base.request import Request
from massar.interfaces.web import challenge
from massar.interfaces.web.sign_in import SignInForm
from massar.journeys import season
from massar.journeys.account import defend
from massar.journeys.account import recover_password as journey
from massar.journeys.account.edit_profile import read_contact
from massar.journeys.outcomes import ChallengeRequired, Problem, TooManyAttempts

_ASK_ID = re.compile(r"[A-Za-z0-9_-]{43}")


class RecoveryForm(forms.Form):
    """Only the shape is judged here, from what was typed alone: nothing is looked up."""

    user = form_fields.line()
    channel = form_fields.choice(("email", "phone"), said="error.choice")
    email = form_fields.line(required=False)
    phone = form_fields.line(60, required=False)
    ask_id = forms.CharField(max_length=43, required=False)

    def clean_user(self) -> str:
        typed: str = self.cleaned_data["user"]
        if text.login(typed) is None:
            raise forms.ValidationError("error.login_shape")
        return typed

    def clean_ask_id(self) -> str:
        """Return the form's own number; one that is not of our shape is replaced."""
        typed: str = self.cleaned_data["ask_id"]
        return typed if _ASK_ID.fullmatch(typed) else ids.token()

    def clean(self) -> None:
        channel = self.cleaned_data.get("channel")
        if channel and channel not in self.errors:
            typed = self.cleaned_data.get(channel, "")
            problem = read_contact(channel, typed) if typed else Problem("required")
            if isinstance(problem, Problem):
                self.add_error(channel, form_fields.as_error(problem))


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: Request) -> HttpResponse:
    return ask_for(request, "recovery", back="recovery", then="recovery_asked")


def ask_for(request: Request, purpose: str, *, back: str, then: str) -> HttpResponse:
    """Have a secret asked for, for that purpose. back: the name of the page, and of the folder of its template; then:
    that of the page that follows, whatever was typed."""
    posted, per_hour = request.method == "POST", settings.MASSAR.recoveries_per_hour
    typed_before = text.login(cookies.RECOVERY_LOGIN.read(request)) or ""
    fresh = {"user": typed_before, "channel": "email", "ask_id": ids.token()}
    answer = challenge.read(request, purpose)
    over = posted and challenge.FIELD in request.POST and not answer
    data = _typed(answer) if answer else request.POST
    form = RecoveryForm(data) if posted and not over else RecoveryForm(initial=fresh)
    if not form.is_valid():
        status = 422 if posted else 200
        return page.render(request, f"{back}/ask.html", status=status, form=form, per_hour=per_hour, over=over)
    typed, recovery_browser = form.cleaned_data, request.browser.recovery_browser or ids.token()
    outcome = journey.ask(
        typed_login=typed["user"], channel=typed["channel"], typed_contact=typed[typed["channel"]],
        ask_id=typed["ask_id"], browser=replace(request.browser, recovery_browser=recovery_browser), now=request.now,
        purpose=purpose, answer=answer,
    )  # fmt: skip
    if isinstance(outcome, ChallengeRequired):
        return challenge.render(request, outcome, back=back)
    if isinstance(outcome, TooManyAttempts):
        return errors.render_error(request, 429, wait_until=outcome.until)
    way_back.extend_for_recovery(request, channel="sms" if typed["channel"] == "phone" else "email")
    response = page.see_other(f"{reverse(then)}?by={typed['channel']}")
    cookies.RECOVERY_BROWSER.write(response, recovery_browser)
    # The next page has its form at hand: nobody types a long address twice on a small phone.
    cookies.RECOVERY_LOGIN.write(response, text.login(typed["user"]) or "")
    return response


def _typed(answer: defend.ChallengeAnswer) -> dict[str, str]:
    kept = answer.challenge.typed
    names = ("channel", "ask_id")
    return {"user": kept["login"], kept["channel"]: kept["contact"], **{name: kept[name] for name in names}}


@require_safe
def asked(request: Request) -> HttpResponse:
    """Read nothing: a reload sends nothing and shows the same."""
    channel, minutes = chosen(request)
    return page.render(
        request, "recovery/asked.html", sign_in_form=SignInForm(initial={"user": typed_login(request)}),
        channel=channel, minutes=minutes, per_hour=settings.MASSAR.recoveries_per_hour,
    )  # fmt: skip


def chosen(request: Request) -> tuple[str, int]:
    """Return the channel that was chosen when asking, and for how many minutes what it carries is valid."""
    channel = "phone" if request.GET.get("by") == "phone" else "email"
    life = season.lifetime("sms" if channel == "phone" else "email", request.now)
    return channel, int(life.total_seconds() // 60)


def typed_login(request: Request) -> str:
    """Return the user name that was typed when asking; '' where it is forgotten."""
    return text.login(cookies.RECOVERY_LOGIN.read(request)) or ""
