"""Passkeys: sign-in without a name or password, the second step, and adding one.

What the browser answers comes in a hidden field of an ordinary form, and is judged like anything that is typed."""

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from massar.domain.factors import api as factors
from massar.domain.people.api import PersonFacts
from massar.interfaces.base import cookies, form_fields, page, way_back
from massar.interfaces.base.jinja import t
from massar.interfaces.base.request import Request
from massar.interfaces.web import factor_pages, second_step, security
from massar.interfaces.web import sign_in as sign_in_page
from massar.journeys.account import add_passkey, use_passkey
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.outcomes import AccountFrozen, Gone, PasskeyRefused


class AnswerForm(forms.Form):
    answer = form_fields.line(factors.webauthn.LONGEST_ANSWER, required=False)
    name = form_fields.line(required=False)
    spare = forms.BooleanField(required=False)


class BeginForm(factor_pages.ProofForm):
    name = form_fields.line(required=False)


def _posted(request: Request) -> AnswerForm:
    """What can't be read at all is an empty answer, which is refused like any other."""
    form = AnswerForm(request.POST)
    form.is_valid()
    return form


@require_POST
def sign_in(request: Request) -> HttpResponse:
    form, earlier = _posted(request), request.recognised
    outcome = use_passkey.enter(
        answer=form.cleaned_data.get("answer", ""), form_secret=page.form_secret(request), browser=request.browser,
        now=request.now, earlier=earlier.session if earlier else None,
    )  # fmt: skip
    if isinstance(outcome, AccountFrozen):
        return sign_in_page.show(request, problem="frozen", status=422)
    if isinstance(outcome, PasskeyRefused):
        return sign_in_page.show(request, problem="passkey_late" if outcome.late else "passkey", status=422)
    return second_step.enter(request, outcome)


@require_POST
def second(request: Request) -> HttpResponse:
    """The second step, or a person who is signed in and is asked for it."""
    waits, signed_in, form = second_step.waiting(request), request.recognised, _posted(request)
    of = waits or signed_in
    if of is None:
        return second_step.ask_to_sign_in(request)
    outcome = use_passkey.enter_second(
        of=of, answer=form.cleaned_data.get("answer", ""), spare=form.cleaned_data["spare"], browser=request.browser,
        now=request.now, earlier=signed_in.session if signed_in else None,
    )  # fmt: skip
    match outcome:
        case PasskeyRefused(late=late):
            problem = "problem.passkey_late" if late else "problem.passkey_step"
            return second_step.show(request, waits, problem=problem, status=422)
        case Gone():
            return second_step.ask_to_sign_in(request)
    return second_step.enter(request, outcome)


@require_POST
@way_back.signed_in_only
def begin(request: Request, signed_in: SignedIn) -> HttpResponse:
    form = BeginForm(request.POST)
    if not form.is_valid():
        return security.show(request, signed_in, status=422, problem=("passkey", t("error.required")))
    outcome = add_passkey.begin(
        signed_in=signed_in, language=request.language, browser=request.browser, now=request.now, **form.cleaned_data
    )
    if isinstance(outcome, add_passkey.Begun):
        return _ask(request, outcome, signed_in.person)
    return security.refuse(request, signed_in, "passkey", outcome)


@require_POST
@way_back.signed_in_only
def add(request: Request, signed_in: SignedIn) -> HttpResponse:
    form = _posted(request)
    outcome = add_passkey.add(
        of=signed_in, answer=form.cleaned_data.get("answer", ""), name=form.cleaned_data.get("name", ""),
        browser=request.browser, now=request.now,
    )  # fmt: skip
    if isinstance(outcome, PasskeyRefused | Gone):
        return security.back("warning", "flash.passkey_not_added")
    return security.added(request, signed_in, outcome)


@require_http_methods(["GET", "HEAD", "POST"])
def first(request: Request) -> HttpResponse:
    """The passkey of somebody who must have a second factor and has none, instead of an app."""
    waits, form = second_step.waiting(request), _posted(request)
    if waits is None:
        return second_step.ask_to_sign_in(request)
    if request.method != "POST":
        begun = add_passkey.begin_first(
            waiting=waits, language=request.language, browser=request.browser, now=request.now
        )
        return _ask(request, begun, waits.person) if begun else page.redirect_to("second_step")
    earlier = request.signed_in.session if request.signed_in else None
    outcome = add_passkey.add(
        of=waits, answer=form.cleaned_data.get("answer", ""), name=form.cleaned_data.get("name", ""),
        browser=request.browser, now=request.now, earlier=earlier,
    )  # fmt: skip
    if isinstance(outcome, PasskeyRefused | Gone):
        response = page.redirect_to("second_step")
        cookies.write_flash(response, "warning", "flash.passkey_not_added")
        return response
    return second_step.show_first_codes(request, waits, outcome)


def _ask(request: Request, begun: add_passkey.Begun, person: PersonFacts) -> HttpResponse:
    return page.render(
        request, "factors/passkey.html", begun=begun, login=person.login, must=not request.signed_in,
        person=person if request.signed_in else None,
    )  # fmt: skip
