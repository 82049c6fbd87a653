"""The page of the second step: of a sign-in, of a recovery, or of a person who is signed in and is asked for it.

A half-done sign-in goes first, as it is what the person just did. Who must have a factor and has none sets one up on
this very page's neighbour, before anything else opens."""

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from massar.interfaces.base import cookies, errors, form_fields, page, way_back
from massar.interfaces.base.request import Request
from massar.interfaces.web import factor_pages
from massar.journeys.account import close_sessions, edit_factors, use_passkey
from massar.journeys.account import second_step as journey
from massar.journeys.account.second_step import HalfDone
from massar.journeys.outcomes import Gone, MustChangePassword, Problems, SessionOpened, TooManyAttempts


class StepForm(forms.Form):
    code = form_fields.line(60)
    spare = forms.BooleanField(required=False)


def waiting(request: Request) -> HalfDone | None:
    return journey.waiting(cookie=cookies.SECOND_STEP.read(request), now=request.now)


def give_up(request: Request) -> None:
    """Leave what is half done: the password is asked again."""
    waits = waiting(request)
    if waits:
        journey.give_up(waits, now=request.now)


@require_http_methods(["GET", "HEAD", "POST"])
def step(request: Request) -> HttpResponse:
    waits, signed_in = waiting(request), request.recognised
    if waits and not waits.factors:
        return page.redirect_to("second_step_app")
    of = waits or signed_in
    if of is None:
        return ask_to_sign_in(request)
    form = StepForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return show(request, waits, form, status=422 if request.method == "POST" else 200)
    typed, spare = form.cleaned_data["code"], form.cleaned_data["spare"]
    browser, now, earlier = request.browser, request.now, signed_in.session if signed_in else None
    outcome = journey.enter_code(of=of, typed=typed, spare=spare, browser=browser, now=now, earlier=earlier)
    match outcome:
        case Problems():
            form_fields.show_problems(form, outcome)
            return show(request, waits, form, status=422)
        case TooManyAttempts(until=until):
            form_fields.show_wait(form, until, request)
            return page.add_retry_after(show(request, waits, form, status=429), until, now)
        case Gone():
            return ask_to_sign_in(request)
    return enter(request, outcome)


def enter(request: Request, entered: SessionOpened | MustChangePassword) -> HttpResponse:
    """Lead on: to the change form, to the site that waits, or to the page that was wanted."""
    if isinstance(entered, MustChangePassword):
        return start(request, page.redirect_to("password_expired"), entered)
    return start(request, way_back.redirect_after_sign_in(request), entered)


def start(request: Request, response: HttpResponse, entered: SessionOpened | MustChangePassword) -> HttpResponse:
    """Set the cookies of what was opened. An earlier session that was not renewed ends, on the server too (ATK-081)."""
    earlier = request.recognised
    kept = isinstance(entered, SessionOpened) and earlier is not None and earlier.session.id == entered.session_id
    if earlier and not kept:
        close_sessions.sign_out(signed_in=earlier, browser=request.browser, now=request.now)
    cookies.SECOND_STEP.drop(response)
    if isinstance(entered, MustChangePassword):
        cookies.CHANGE.write(response, entered.cookie)
        cookies.SESSION.drop(response)
        return response
    if not request.chosen_language:  # from here on the person's own
        cookies.LANGUAGE.write(response, entered.person.language)
    return page.start_session(request, response, entered)


def ask_to_sign_in(request: Request) -> HttpResponse:
    """The half-done sign-in is over, or there was none."""
    response = page.redirect_to("sign_in") if request.signed_in is None else page.redirect_to("home")
    if cookies.SECOND_STEP.read(request):
        cookies.SECOND_STEP.drop(response)
        cookies.write_flash(response, "warning", "flash.sign_in_again")
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def set_up(request: Request) -> HttpResponse:
    """The app of somebody who must have a second factor and has none: nothing opens before its first code."""
    waits = waiting(request)
    if waits is None:
        return ask_to_sign_in(request)
    if waits.factors:
        return page.redirect_to("second_step")
    app = edit_factors.app_of(waits, now=request.now)
    if app is None:  # begun with the password (`sign_in`); the factors of that moment were removed since
        return ask_to_sign_in(request)
    form = factor_pages.FactorCodeForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return factor_pages.app_page(request, form, app, waits.person, status=422 if request.method == "POST" else 200)
    earlier = request.signed_in.session if request.signed_in else None
    outcome = edit_factors.prove_app(
        of=waits, typed=form.cleaned_data["code"], browser=request.browser, now=request.now, earlier=earlier
    )
    match outcome:
        case Problems():
            form_fields.show_problems(form, outcome)
            return factor_pages.app_page(request, form, app, waits.person, status=422)
        case Gone():
            return ask_to_sign_in(request)
    return show_first_codes(request, waits, outcome)


def show_first_codes(request: Request, waits: HalfDone, added: edit_factors.Added) -> HttpResponse:
    """The first factor is there: its backup codes, and in."""
    following = "password_expired" if isinstance(added.entered, MustChangePassword) else "continue"
    return start(request, factor_pages.codes_page(request, added.codes, following, waits.person), added.entered)


def show(
    request: Request, waits: HalfDone | None, form: StepForm | None = None, *, status: int, problem: str = ""
) -> HttpResponse:
    of = waits or request.recognised
    if of is None:
        return errors.render_error(request, 404)
    person, passkey = of.person, use_passkey.second_question(of=of, now=request.now)
    factors = waits.factors if waits else edit_factors.overview(person=person).factors
    if not factors:
        response = page.redirect_to("security")
        cookies.write_flash(response, "info", "flash.factor_first")
        return response
    return page.render(
        request, "factors/step.html", status=status, form=form or StepForm(), login=person.login,
        passkey=passkey, problem=problem, kinds=sorted({factor.kind for factor in factors}),
        person=person if request.signed_in and not waits else None, half_done=bool(waits),
        owed=bool(request.factor_owed and not waits),
        recovers=bool(waits and waits.pending.claim), must_wait=status == 429,
        days=factor_pages.spared_days(person, request.now),
    )  # fmt: skip
