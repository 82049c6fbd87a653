"""Cases at the desk: a number is typed, a person is recognised, two agents decide; and the receipt on paper."""

from datetime import datetime

from django import forms
from django.conf import settings
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from massar.core import local_time
from massar.domain.people.api import rights
from massar.interfaces.base import cookies, errors, form_fields, page, pdf
from massar.interfaces.base.jinja import n, t
from massar.interfaces.base.request import Request
from massar.interfaces.desk import guard
from massar.journeys.desk import approve as journey
from massar.journeys.desk import begin_loss, link_guardian, watch_cases
from massar.journeys.desk.agents import LONGEST_REASON, Agent, Found
from massar.journeys.outcomes import Done, Gone, Problems, TooManyAttempts

NO_BREAK = "\u00a0"


def _tick() -> forms.BooleanField:
    return forms.BooleanField(error_messages={"required": "error.tick"})


class NumberForm(forms.Form):
    number = form_fields.line(40)


class ProposeForm(forms.Form):
    kind = form_fields.choice(("password", "contact", "factor", "guardian"))
    contact_kind = form_fields.choice(("phone", "email"), required=False)
    contact = form_fields.line(required=False)
    relation = form_fields.choice([str(one.value) for one in link_guardian.Relation], required=False)
    guardian = form_fields.line(required=False)
    guardian_phone = form_fields.line(40, required=False)
    first_ar, last_ar, first_latin, last_latin = (form_fields.line(100, required=False) for _ in range(4))
    identity = _tick()
    present = _tick()
    reason = form_fields.line(LONGEST_REASON)

    def clean(self) -> None:
        if self.cleaned_data.get("kind") == "contact" and not self.cleaned_data.get("contact"):
            self.add_error("contact", "error.required")
        if self.cleaned_data.get("kind") == "guardian":
            if not self.cleaned_data.get("relation"):
                self.add_error("relation", "error.desk_choice")
            if not self.cleaned_data.get("guardian") and not self.cleaned_data.get("guardian_phone"):
                self.add_error("guardian", "error.guardian_empty_desk")

    @property
    def named(self) -> link_guardian.NamedGuardian:
        """Who is to answer for a pupil."""
        typed = self.cleaned_data
        relation = int(typed["relation"] or link_guardian.Relation.TUTOR)
        names = [typed[name] for name in ("first_ar", "last_ar", "first_latin", "last_latin")]
        return link_guardian.NamedGuardian(relation, typed["guardian"], typed["guardian_phone"], *names)


class ConfirmForm(forms.Form):
    aware = _tick()


class ReasonForm(forms.Form):
    reason = form_fields.line(LONGEST_REASON)


@require_http_methods(["GET", "HEAD", "POST"])
@guard.agents_only
def cases(request: Request, agent: Agent) -> HttpResponse:
    form = NumberForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _list(request, agent, form, status=422 if request.method == "POST" else 200)
    found = journey.find(agent=agent, typed=form.cleaned_data["number"], now=request.now)
    match found:
        case Problems():
            form_fields.show_problems(form, found)
            return _list(request, agent, form, status=422)
        case TooManyAttempts(until=until):
            form_fields.show_wait(form, until, request)
            return page.add_retry_after(_list(request, agent, form, status=429), until, request.now)
    return page.redirect_to("desk_case", number=found.case.number)


def _list(request: Request, agent: Agent, form: NumberForm, *, status: int) -> HttpResponse:
    seen = watch_cases.of_agent(agent=agent, now=request.now)
    return page.render(
        request, "desk/cases.html", status=status, form=form, seen=seen,
        age=lambda moment: local_time.elapsed(moment, request.now),
    )  # fmt: skip


@require_safe
@guard.agents_only
def case(request: Request, agent: Agent, number: str) -> HttpResponse:
    return _page(request, agent, number)


def _page(
    request: Request, agent: Agent, number: str, *, form: forms.Form | None = None, status: int = 200
) -> HttpResponse:
    seen = journey.find(agent=agent, typed=number, now=request.now)
    if isinstance(seen, TooManyAttempts):
        return errors.render_error(request, 429, wait_until=seen.until)
    if isinstance(seen, Problems):
        raise Http404
    fresh = (
        ConfirmForm() if seen.may == "confirm" else ProposeForm(initial={"kind": "password", "contact_kind": "phone"})
    )
    # What another form brought than the page's own says nothing to it: a declining one, one that came too early.
    wrong = form if type(form) is type(fresh) else None
    return page.render(
        request, "desk/case.html", status=status, seen=seen, case=seen.case, form=wrong or fresh,
        relations=list(link_guardian.Relation),
        guardian=link_guardian.proposed(seen.case, request.language, now=request.now),
    )  # fmt: skip


@require_POST
@guard.agents_only
def propose(request: Request, agent: Agent, number: str) -> HttpResponse:
    form = ProposeForm(request.POST)
    if not form.is_valid():
        return _page(request, agent, number, form=form, status=422)
    typed = form.cleaned_data
    outcome = journey.propose(
        agent=agent, number=number, kind=typed["kind"], reason=typed["reason"], browser=request.browser,
        contact=(typed["contact_kind"] or "phone", typed["contact"]), now=request.now, stop_url=_stop_url,
        guardian=form.named,
    )  # fmt: skip
    return _answer(request, agent, number, form, outcome)


@require_POST
@guard.agents_only
def confirm(request: Request, agent: Agent, number: str) -> HttpResponse:
    form = ConfirmForm(request.POST)
    if not form.is_valid():
        return _page(request, agent, number, form=form, status=422)
    outcome = journey.confirm(agent=agent, number=number, browser=request.browser, now=request.now, stop_url=_stop_url)
    return _answer(request, agent, number, form, outcome)


@require_POST
@guard.agents_only
def decline(request: Request, agent: Agent, number: str) -> HttpResponse:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _page(request, agent, number, form=form, status=422)
    outcome = journey.decline(agent=agent, number=number, reason=form.cleaned_data["reason"], now=request.now)
    if isinstance(outcome, TooManyAttempts):  # the page has another form than this one to say it
        response = page.redirect_to("desk_case", number=number)
        cookies.write_flash(response, "warning", "flash.desk_declines")
        return response
    return _answer(request, agent, number, form, outcome)


def _answer(
    request: Request, agent: Agent, number: str, form: forms.Form, outcome: Done | Problems | TooManyAttempts | Gone
) -> HttpResponse:
    match outcome:
        case Problems():
            form_fields.show_problems(form, outcome)
            return _page(request, agent, number, form=form, status=422)
        case TooManyAttempts(until=until, instead=instead):
            sentence = "error.case_cap" if instead == "colleague" else "error.wait"
            form_fields.show_wait(form, until, request, sentence=sentence)
            return page.add_retry_after(_page(request, agent, number, form=form, status=429), until, request.now)
        case Gone():
            response = page.redirect_to("desk_cases")
            cookies.write_flash(response, "warning", "flash.desk_case_over")
            return response
    return page.redirect_to("desk_case", number=number)


@require_http_methods(["GET", "HEAD", "POST"])
@guard.for_person(rights.Right.FACTOR)
def lost(request: Request, agent: Agent, found: Found) -> HttpResponse:
    """Begin the wait of a lost factor. The page says what happens; nothing is removed here."""
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        status = 422 if request.method == "POST" else 200
        return page.render(request, "desk/lost.html", status=status, form=form, helped=found.person)
    outcome = begin_loss.begin(
        agent=agent, person=found.person, permission=found.permission, reason=form.cleaned_data["reason"],
        browser=request.browser, now=request.now, cancel_url=_stop_url,
    )  # fmt: skip
    match outcome:
        case TooManyAttempts(until=until):
            form_fields.show_wait(form, until, request)
            answer = page.render(request, "desk/lost.html", status=429, form=form, helped=found.person)
            return page.add_retry_after(answer, until, request.now)
        case Gone():
            form.add_error(None, "error.no_factor")
            return page.render(request, "desk/lost.html", status=422, form=form, helped=found.person)
    return page.redirect_to("desk_case", number=outcome)


class EndForm(ReasonForm):
    who = form_fields.line(1000)


@require_http_methods(["GET", "HEAD", "POST"])
@guard.for_person(rights.Right.LINK)
def guardians(request: Request, agent: Agent, found: Found) -> HttpResponse:
    """Who answers for a pupil, and the end of that."""
    form = EndForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _guardians_page(request, agent, found, form, status=422 if request.method == "POST" else 200)
    outcome = link_guardian.end(
        agent, found, form.cleaned_data["who"], reason=form.cleaned_data["reason"], browser=request.browser,
        now=request.now,
    )  # fmt: skip
    match outcome:
        case Problems():
            form_fields.show_problems(form, outcome)
            return _guardians_page(request, agent, found, form, status=422)
        case TooManyAttempts(until=until):
            form_fields.show_wait(form, until, request)
            return page.add_retry_after(_guardians_page(request, agent, found, form, status=429), until, request.now)
        case Gone():
            form.add_error("who", "error.guardian_gone")
            return _guardians_page(request, agent, found, form, status=422)
    response = page.redirect_to("desk_case", number=outcome)
    cookies.write_flash(response, "success", "flash.guardian_ended")
    return response


def _guardians_page(request: Request, agent: Agent, found: Found, form: EndForm, *, status: int) -> HttpResponse:
    return page.render(
        request, "desk/guardians.html", status=status, form=form, found=found,
        standing=link_guardian.of(agent, found, now=request.now),
        day_of=lambda day: local_time.in_words(day, request.language),
    )  # fmt: skip


def _stop_url(token: str) -> str:
    return settings.MASSAR.public_url + reverse("loss_cancel_link", kwargs={"token": token})


@require_safe
@guard.agents_only
def receipt(request: Request, agent: Agent, number: str) -> HttpResponse:
    """On paper, in the language of the person."""
    found = watch_cases.receipt(agent=agent, number=number, now=request.now)
    if found is None:
        raise Http404
    if isinstance(found, TooManyAttempts):
        return errors.render_error(request, 429, wait_until=found.until)
    with translation.override(found.person.language):
        content = pdf.render("receipt.typ", _on_paper(found, request.now))
    return page.file(content, f"massar-{found.case.shown}.pdf", inline=True)


def _on_paper(found: watch_cases.CaseReceipt, now: datetime) -> dict[str, object]:
    case, person, language = found.case, found.person, found.person.language
    named = found.unit.name(language) if found.unit else ""
    moments = {"opened": case.opened_at, "proposed": case.proposed_at, "approved": case.approved_at,
               "ended": case.ended_at, "counts": found.ends_at}  # fmt: skip
    rows = [
        ("number", case.shown, True), ("branch", named, False), ("person", person.name(language), False),
        ("login", person.login, True), ("what", _words(f"case.kind.{case.kind}"), False),
        ("state", _words(f"case.state.{case.state}"), False),
        *((name, local_time.day_time(at, language), False) for name, at in moments.items() if at),
    ]  # fmt: skip
    if case.minutes is not None:
        rows.append(("took", n("receipt.minutes", case.minutes).unescape(), False))
    shown = [
        {"label": _words(f"receipt.{name}"), "value": {"text": text, "ltr": ltr}} for name, text, ltr in rows if text
    ]
    # A number stays on one line, and is read from left to right.
    help_line = f"\u2068{settings.MASSAR.help_contact.replace(' ', NO_BREAK)}\u2069"
    return {
        "lang": language, "product": _words("frame.brand"), "title": _words("receipt.title"), "rows": shown,
        "note": _words("receipt.note"), "wrong": _words("receipt.wrong", help=help_line),
        "made": _words("receipt.made", at=local_time.day_time(now, language)),
    }  # fmt: skip


def _words(message_id: str, **args: object) -> str:
    """As plain text: what is made of it is no HTML."""
    return t(message_id, **args).unescape()
