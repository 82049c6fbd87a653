"""The «password expired» dialog, the change form (forced and voluntary), and the dialog that says it is done."""

from typing import Any

from django import forms
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from massar.domain.factors import api as factors
from massar.domain.people.api import PersonFacts
from massar.domain.policy.api import Rule
from massar.domain.sessions import api as sessions
from massar.interfaces.base import cookies, errors, form_fields, page, way_back
from massar.interfaces.base.jinja import t
from massar.interfaces.base.request import Request
from massar.interfaces.web import second_step
from massar.interfaces.web.devices import logout_statuses
from massar.interfaces.web.home import cards
from massar.journeys.account import change_password as journey
from massar.journeys.account import close_sessions, edit_profile, sign_in
from massar.journeys.outcomes import (
    FactorNotFresh,
    Gone,
    Overloaded,
    Problems,
    SecondStepRequired,
    SessionOpened,
    TooManyAttempts,
)
from massar.journeys.sso.log_out_of_sites import RecentLogout

SHORT = ("length_min", "name")  # rules that pupils read in shorter words
Granted = tuple[PersonFacts, sessions.ChangeFacts]
Changed = SessionOpened | SecondStepRequired | Problems | TooManyAttempts | FactorNotFresh | Gone | Overloaded


class PasswordForm(forms.Form):
    """Three passwords exactly as typed; the rules judge them in the journey. current_known: the form does not ask for
    the first again."""

    current = form_fields.secret()
    new = form_fields.secret()
    confirm = form_fields.secret()

    def __init__(self, data: Any = None, *, current_known: bool = False):
        super().__init__(data)
        self.fields["current"].required = not current_known


class PupilForm(PasswordForm):
    """A child chooses one of `words`, or writes another one and sees it: so it is written once."""

    words = form_fields.line(512, required=False)
    new = form_fields.line(512, required=False)
    confirm = form_fields.line(512, required=False)

    def clean(self) -> dict[str, Any]:
        typed = self.cleaned_data
        new = typed.get("new") or typed.pop("words", "")
        typed.pop("words", None)
        if not new and not self.errors:
            self.add_error("new", "error.required")
        return {**typed, "new": new, "confirm": new}


def _granted(request: Request) -> Granted | None:
    return close_sessions.may_change(cookie=cookies.CHANGE.read(request), now=request.now)


@require_safe
def expired(request: Request) -> HttpResponse:
    granted = _granted(request)
    if granted is None:
        return page.redirect_to("sign_in")
    who, due = granted[0], journey.reason_due(granted[1])
    return page.render(request, "sign_in/expired.html", due=due, calm=who.is_pupil, who=who)


@require_POST
def close(request: Request) -> HttpResponse:
    """Back to sign-in; the temporary password opens the change again while it is in time."""
    granted = _granted(request)
    if granted:
        journey.close(grant=granted[1], now=request.now)
    response = page.redirect_to("sign_in")
    cookies.CHANGE.drop(response)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def change(request: Request) -> HttpResponse:
    """Show one form for both: a change session goes before a full one, as it is what the person just did."""
    granted, signed_in = _granted(request), request.signed_in
    browser, now, posted = request.browser, request.now, request.method == "POST"
    person = granted[0] if granted else signed_in and signed_in.person
    known = granted is not None and not journey.asks_again(*granted)
    kind = PupilForm if person and person.is_pupil else PasswordForm
    form = kind(request.POST if posted else None, current_known=known)
    waits = None if granted else second_step.waiting(request)
    if waits and waits.pending.claim:  # a recovery, whose second step comes first (ATK-050)
        return errors.render_error(request, 403) if posted else page.redirect_to("second_step")
    if not granted and not signed_in:
        response = way_back.remember(request, page.redirect_to("sign_in"))
        return _ask_to_sign_in(response) if cookies.CHANGE.read(request) else response
    if signed_in and not granted and not posted and sign_in.owes_factor(signed_in, now=now):
        return way_back.prove_factor_first(request)
    if not form.is_valid():
        return _page(request, form, granted, status=422 if posted else 200)
    outcome: Changed
    if granted and granted[1].due:
        new, confirm = form.cleaned_data["new"], form.cleaned_data["confirm"]
        outcome = journey.as_due(grant=granted[1], new=new, confirm=confirm, browser=browser, now=now)
    elif granted:
        outcome = journey.by_temporary(grant=granted[1], browser=browser, now=now, **form.cleaned_data)
    elif signed_in:
        outcome = journey.by_owner(signed_in=signed_in, browser=browser, now=now, **form.cleaned_data)
    return _answer(request, form, granted, outcome)


def _answer(request: Request, form: PasswordForm, granted: Granted | None, outcome: Changed) -> HttpResponse:
    match outcome:
        case SessionOpened(person=person):
            response = page.start_session(request, page.redirect_to("password_changed"), outcome)
            ended = request.signed_in.session.id if request.signed_in and not granted else 0
            cookies.write_recent_logout(response, RecentLogout(person.id, request.now, ended))
            if cookies.RETURN_TO.read(request) == reverse("password_change"):  # it was wanted, and is done
                cookies.RETURN_TO.drop(response)
            return response
        case SecondStepRequired(cookie=cookie):  # the lost factors are gone, and one is needed
            response = page.redirect_to("second_step")
            cookies.SECOND_STEP.write(response, cookie)
            cookies.CHANGE.drop(response)
            return response
        case Problems():
            form_fields.show_problems(form, outcome)
            return _page(request, form, _granted(request) or granted, status=422)
        case FactorNotFresh():
            return way_back.prove_factor_first(request)
        case Gone():
            return _ask_to_sign_in(page.redirect_to("sign_in"))
        case TooManyAttempts(until=until):
            form_fields.show_wait(form, until, request)
            return page.add_retry_after(_page(request, form, granted, status=429), until, request.now)
        case Overloaded():
            return errors.render_error(request, 503)


def _ask_to_sign_in(response: HttpResponse) -> HttpResponse:
    cookies.CHANGE.drop(response)
    cookies.write_flash(response, "warning", "flash.sign_in_again")
    return response


@require_safe
@way_back.signed_in_only
def changed(request: Request, signed_in: close_sessions.SignedIn) -> HttpResponse:
    """Say that it is done; after a recovery also what waits, and what became of contacts that waited."""
    person, now = signed_in.person, request.now
    recovered = signed_in.session.how == "temporary_password"
    return page.render(
        request, "password/changed.html", told=logout_statuses(request),
        later=[card for card in cards(request.language, person=person, now=now) if card.opens_at] if recovered else [],
        undone=edit_profile.undone(person=person, now=now) if recovered else edit_profile.Undone(),
        frozen_until=person.frozen_until,
        factors_gone=recovered and factors.losses.finished_since(person.id, signed_in.session.signed_in_at),
    )  # fmt: skip


def _page(request: Request, form: PasswordForm, granted: Granted | None, *, status: int) -> HttpResponse:
    """granted: as it stands now; None for a change by choice."""
    person = granted[0] if granted else request.signed_in and request.signed_in.person
    if person is None:
        return _ask_to_sign_in(page.redirect_to("sign_in"))
    rules = [
        {"id": i.id, "args": i.args, "live": i.live, "shown": i.shown, "text": _words_of(i, person)}
        for i in journey.rules(person)
        if i.shown or i.live
    ]
    return page.render(
        request, "password/change.html", status=status, form=form, login=person.login, forced=bool(granted),
        due=bool(granted and granted[1].due), calm=person.is_pupil,
        current_known=granted is not None and not journey.asks_again(*granted), rules=rules,
        live_words=[w for w in person.names if len(w) > 2],
        suggestions=journey.suggestions(person, request.language, request.now) if person.is_pupil else [],
    )  # fmt: skip


def _words_of(rule: Rule, person: PersonFacts) -> str:
    if person.is_pupil and rule.id in SHORT:
        return t(f"pupil.rule.{rule.id}", **rule.args)
    return t(f"rule.{rule.id}", **rule.args)
