"""The person's second factors: what there is, adding an app, new backup codes, removing."""

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from massar.domain.factors import api as factors
from massar.interfaces.base import cookies, errors, form_fields, page, way_back
from massar.interfaces.base.jinja import t
from massar.interfaces.base.request import Request
from massar.interfaces.web import factor_pages, second_step
from massar.journeys.account import add_passkey, close_sessions, sign_in
from massar.journeys.account import edit_factors as journey
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.outcomes import Done, FactorNotFresh, Gone, Overloaded, Problems, TooManyAttempts


@require_safe
@way_back.signed_in_only
def security(request: Request, signed_in: SignedIn) -> HttpResponse:
    return show(request, signed_in)


@require_POST
@way_back.signed_in_only
def begin_app(request: Request, signed_in: SignedIn) -> HttpResponse:
    form = factor_pages.ProofForm(request.POST)
    if not form.is_valid():
        return show(request, signed_in, status=422, problem=("add", t("error.required")))
    outcome = journey.begin_app(signed_in=signed_in, browser=request.browser, now=request.now, **form.cleaned_data)
    return page.redirect_to("factor_app") if isinstance(outcome, Done) else refuse(request, signed_in, "add", outcome)


@require_http_methods(["GET", "HEAD", "POST"])
@way_back.signed_in_only
def app(request: Request, signed_in: SignedIn) -> HttpResponse:
    """Set the app up: its key, and the first code that it shows."""
    person, now, posted = signed_in.person, request.now, request.method == "POST"
    begun = journey.app_of(signed_in, now=now)
    if begun is None:
        return back("info", "flash.factor_begin_again")
    form = factor_pages.FactorCodeForm(request.POST if posted else None)
    if not form.is_valid():
        return factor_pages.app_page(request, form, begun, person, status=422 if posted else 200)
    outcome = journey.prove_app(of=signed_in, typed=form.cleaned_data["code"], browser=request.browser, now=now)
    match outcome:
        case Problems():
            form_fields.show_problems(form, outcome)
            return factor_pages.app_page(request, form, begun, person, status=422)
        case Gone():
            return back("info", "flash.factor_begin_again")
    return added(request, signed_in, outcome)


def added(request: Request, signed_in: SignedIn, outcome: journey.Added) -> HttpResponse:
    """A factor was added: its backup codes, or back to where a site waits."""
    if outcome.codes:
        following = "continue" if request.saved_request else "security"
        response = factor_pages.codes_page(request, outcome.codes, following, signed_in.person)
    else:
        response = page.redirect_to("continue") if request.saved_request else back("success", "flash.factor_added")
    return second_step.start(request, response, outcome.entered)


@require_POST
@way_back.signed_in_only
def renew_codes(request: Request, signed_in: SignedIn) -> HttpResponse:
    form = factor_pages.ProofForm(request.POST)
    if not form.is_valid():
        return show(request, signed_in, status=422, problem=("codes", t("error.required")))
    outcome = journey.renew_codes(signed_in=signed_in, browser=request.browser, now=request.now, **form.cleaned_data)
    if isinstance(outcome, tuple):
        return factor_pages.codes_page(request, outcome, "security", signed_in.person)
    return refuse(request, signed_in, "codes", outcome)


@require_POST
@way_back.signed_in_only
def remove(request: Request, signed_in: SignedIn, factor_id: int) -> HttpResponse:
    form = factor_pages.ProofForm(request.POST)
    if not form.is_valid():
        return show(request, signed_in, status=422, problem=(factor_id, t("error.required")))
    password, browser, now = form.cleaned_data["password"], request.browser, request.now
    outcome = journey.remove(signed_in=signed_in, factor_id=factor_id, password=password, browser=browser, now=now)
    if isinstance(outcome, Done):
        return back("success", "flash.factor_removed")
    return refuse(request, signed_in, factor_id, outcome)


def refuse(
    request: Request, signed_in: SignedIn, place: str | int,
    outcome: Problems | TooManyAttempts | Overloaded | FactorNotFresh | Gone,
) -> HttpResponse:  # fmt: skip
    """place: which form of the page was refused."""
    match outcome:
        case Problems():
            return show(request, signed_in, status=422, problem=(place, t("error.password_wrong")))
        case TooManyAttempts(until=until):
            return errors.render_error(request, 429, wait_until=until)
        case Overloaded():
            return errors.render_error(request, 503)
        case FactorNotFresh():
            return way_back.prove_factor_first(request)
        case Gone():
            return page.redirect_to("security")  # the page shows what there is


def back(kind: str, message_id: str) -> HttpResponse:
    response = page.redirect_to("security")
    cookies.write_flash(response, kind, message_id)
    return response


def show(
    request: Request, signed_in: SignedIn, *, status: int = 200, problem: tuple[str | int, str] | None = None
) -> HttpResponse:
    person, now = signed_in.person, request.now
    response = page.render(
        request, "factors/security.html", status=status, overview=journey.overview(person=person), problem=problem,
        locked=sign_in.owes_factor(signed_in, now=now), must=close_sessions.must_have_factor(person, now=now),
        codes_of_a_set=factors.backup.COUNT, passkeys_possible=add_passkey.possible(person=person),
        passkeys_host=settings.MASSAR.host,
        device=request.browser.label,
        loss=factors.losses.waiting(person.id),
    )  # fmt: skip
    cookies.RETURN_TO.write(response, reverse("security"))  # from the second step, which unlocks this page
    return response
