"""The profile: two contacts, each proved by a code typed on this page."""

from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from massar.core import local_time
from massar.domain.people import api as people
from massar.interfaces.base import cookies, errors, form_fields, page, way_back
from massar.interfaces.base.jinja import t
from massar.interfaces.base.request import Request
from massar.journeys.account import edit_profile, sign_in
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.account.edit_profile import Saved
from massar.journeys.outcomes import (
    ContactsFrozen,
    Done,
    FactorNotFresh,
    Gone,
    Overloaded,
    Problems,
    TooManyAttempts,
)


class ContactsForm(forms.Form):
    """The two contacts and the password; an empty contact stays as it is."""

    email = form_fields.line(required=False)
    phone = form_fields.line(60, required=False)
    password = form_fields.secret()

    def clean(self) -> dict[str, Any]:
        if not (self.cleaned_data.get("email") or self.cleaned_data.get("phone") or self.errors):
            self.add_error("email", "error.required")
        return self.cleaned_data


class CodeForm(forms.Form):
    code = form_fields.line(60)


class RemoveForm(forms.Form):
    password = form_fields.secret()


@require_http_methods(["GET", "HEAD", "POST"])
@way_back.signed_in_only
def profile(request: Request, signed_in: SignedIn) -> HttpResponse:
    if request.method != "POST":
        if sign_in.owes_factor(signed_in, now=request.now):  # what was typed waits on
            return way_back.come_back(request, _page(request, signed_in, locked=True))
        typed = way_back.typed_before(request, signed_in.person.id)
        response = _page(request, signed_in, ContactsForm(initial=typed), taken_up=bool(typed))
        cookies.DRAFT.drop(response)
        return response
    form = ContactsForm(request.POST)
    if not form.is_valid():
        return _page(request, signed_in, form, status=422)
    typed = form.cleaned_data
    outcome = edit_profile.save(
        signed_in=signed_in, email=typed["email"], phone_number=typed["phone"], password=typed["password"],
        browser=request.browser, now=request.now,
    )  # fmt: skip
    match outcome:
        case Saved(sent_to=()):
            return _back("info", "flash.saved_nothing")
        case Saved(sent_to=sent):
            return _back("success", "flash.code_sent", to=" · ".join(sent))
        case Problems():
            form_fields.show_problems(form, outcome)
            return _page(request, signed_in, form, status=422)
        case TooManyAttempts(until=until):
            form_fields.show_wait(form, until, request, sentence=_wait_sentence(outcome))
            return page.add_retry_after(_page(request, signed_in, form, status=429), until, request.now)
    return _refuse(request, outcome)


@require_POST
@way_back.signed_in_only
def prove(request: Request, signed_in: SignedIn, contact_id: int) -> HttpResponse:
    form = CodeForm(request.POST)
    if not form.is_valid():
        return _page(request, signed_in, status=422, code_problem=(contact_id, t("error.required")))
    outcome = edit_profile.prove(
        person=signed_in.person, contact_id=contact_id, code=form.cleaned_data["code"], browser=request.browser,
        now=request.now, cancel_url=_cancel_url, session_id=signed_in.session.id,
    )  # fmt: skip
    match outcome:
        case Done(from_when=None):
            return _back("success", "flash.contact_proved")
        case Done(from_when=datetime() as start):
            return _back("success", "flash.contact_waits", **{"from": local_time.day_time(start, request.language)})
        case Problems(of=of):
            text = t(f"error.{of['code'][0].id}", **of["code"][0].args)
            return _page(request, signed_in, status=422, code_problem=(contact_id, text))
    return _refuse(request, outcome)


@require_POST
@way_back.signed_in_only
def resend(request: Request, signed_in: SignedIn, contact_id: int) -> HttpResponse:
    person, browser, now = signed_in.person, request.browser, request.now
    outcome = edit_profile.resend(person=person, contact_id=contact_id, browser=browser, now=now)
    match outcome:
        case Done(masked=masked):
            return _back("success", "flash.code_sent", to=masked)
        case TooManyAttempts(until=until):
            text = local_time.until(until, now, request.language)
            return _back("warning", _wait_sentence(outcome), until=text)
    return _refuse(request, outcome)


@require_POST
@way_back.signed_in_only
def cancel(request: Request, signed_in: SignedIn, contact_id: int) -> HttpResponse:
    person, browser, now = signed_in.person, request.browser, request.now
    outcome = edit_profile.cancel(person=person, contact_id=contact_id, browser=browser, now=now)
    return _back("info", "flash.contact_cancelled" if isinstance(outcome, Done) else "flash.saved_nothing")


@require_POST
@way_back.signed_in_only
def remove(request: Request, signed_in: SignedIn, contact_id: int) -> HttpResponse:
    form = RemoveForm(request.POST)
    if not form.is_valid():
        return _page(request, signed_in, status=422, remove_problem=(contact_id, t("error.required")))
    outcome = edit_profile.remove(
        signed_in=signed_in, contact_id=contact_id, password=form.cleaned_data["password"], browser=request.browser,
        now=request.now, cancel_url=_cancel_url,
    )  # fmt: skip
    match outcome:
        case Done(from_when=datetime() as end):
            return _back("info", "flash.contact_removal", **{"from": local_time.day_time(end, request.language)})
        case Problems():
            return _page(request, signed_in, status=422, remove_problem=(contact_id, t("error.password_wrong")))
    return _refuse(request, outcome)


@require_http_methods(["GET", "HEAD", "POST"])
def cancel_link(request: Request, token: str) -> HttpResponse:
    """Show the button that takes a change back. Looking changes nothing: mail scanners look too."""
    done = False
    if request.method == "POST":
        outcome = edit_profile.cancel_by_link(token=token, browser=request.browser, now=request.now)
        done = isinstance(outcome, Done)
    gone = not done and (request.method == "POST" or not edit_profile.link_is_live(token=token, now=request.now))
    return page.render(request, "profile/cancel.html", done=done, gone=gone)


def _cancel_url(token: str) -> str:
    return settings.MASSAR.public_url + reverse("contact_cancel_link", kwargs={"token": token})


def _wait_sentence(wait: TooManyAttempts) -> str:
    return "error.wait_email" if wait.instead == "email" else "error.wait"


def _refuse(request: Request, outcome: object) -> HttpResponse:
    match outcome:
        case ContactsFrozen():
            return page.redirect_to("profile")  # the page says until when
        case FactorNotFresh():
            return way_back.prove_factor_first(request)
        case Gone():
            return _back("info", "flash.saved_nothing")
        case TooManyAttempts(until=until):
            return errors.render_error(request, 429, wait_until=until)
        case Overloaded():
            return errors.render_error(request, 503)
    raise TypeError(f"no page for {outcome!r}")


def _back(kind: str, message_id: str, **args: str) -> HttpResponse:
    response = page.redirect_to("profile")
    cookies.write_flash(response, kind, message_id, **args)
    return response


def _page(
    request: Request, signed_in: SignedIn, form: ContactsForm | None = None, *, status: int = 200, **more: object
) -> HttpResponse:
    """more: `code_problem`, `remove_problem`: a contact's id, and what is wrong there; `taken_up`: typed before;
    `locked`: a factor is to be proved before anything is changed."""
    person, now = signed_in.person, request.now
    contacts = edit_profile.by_kind(person=person, now=now)

    def resend_of(contact: people.Contact) -> dict[str, datetime | int]:
        at = edit_profile.resend_at(contact, now=now)
        return {"at": at, "seconds": max(0, int((at - now).total_seconds() + 0.999))}

    shown = {"code_problem": None, "remove_problem": None, "taken_up": False, "locked": False, **more}
    return page.render(
        request, "profile/profile.html", status=status, form=form or ContactsForm(), contacts=contacts,
        frozen_until=person.frozen_until if person.frozen_until and person.frozen_until > now else None,
        undone=edit_profile.undone(person=person, now=now), wait_hours=_wait_hours(signed_in, contacts, now),
        resend_of=resend_of, now=now, family=people.guardians.all_of(person.id, now=now), **shown,
    )  # fmt: skip


def _wait_hours(signed_in: SignedIn, contacts: list[edit_profile.KindOfContact], now: datetime) -> int:
    """Return how long what is typed now would wait before it counts; 0 where it would count at once."""
    missing = [kind.kind for kind in contacts if not (kind.current or kind.waiting)]
    if len(missing) == len(contacts):
        return 0
    person, session_id = signed_in.person, signed_in.session.id
    if missing and not edit_profile.would_wait(missing[0], person=person, session_id=session_id, now=now):
        return 0
    return int(settings.MASSAR.contact_wait.total_seconds() // 3600)
