"""The profile: two contacts, each proved by a code typed on this page."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from massar.core import local_time, phone
from massar.interfaces.base import cookies, form_fields, page
from massar.interfaces.base.errors import render_error
from massar.interfaces.base.jinja import t
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import add_retry_after, redirect_to
from massar.interfaces.base.resume import signed_in_only, typed_before
from massar.interfaces.web.profile.forms import Code, Contacts, Password
from massar.journeys.account import confirm_contact, edit_profile
from massar.journeys.account.edit_profile import Saved
from massar.journeys.outcomes import ContactsFrozen, Done, Gone, Overloaded, Problems, TooManyAttempts


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in_only
def profile(request: Request) -> HttpResponse:
    if request.method != "POST":
        typed = typed_before(request, request.signed_in.person.id)
        response = _page(request, Contacts(initial=typed), taken_up=bool(typed))
        cookies.DRAFT.drop(response)
        return response
    form = Contacts(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    typed = form.cleaned_data
    outcome = edit_profile.save(
        person=request.signed_in.person,
        email=typed["email"],
        phone_number=typed["phone"],
        password=typed["password"],
        browser=request.browser,
        now=request.now,
        session_id=request.signed_in.session.id,
    )
    match outcome:
        case Saved(sent_to=sent):
            return (
                _flashed("success", "flash.code_sent", to=" · ".join(sent))
                if sent
                else _flashed("info", "flash.saved_nothing")
            )
        case Problems():
            form_fields.show_problems(form, outcome)
            return _page(request, form, status=422)
        case TooManyAttempts(until=until):
            form_fields.show_wait(form, until, request, sentence=_wait_sentence(outcome))
            return add_retry_after(_page(request, form, status=429), until, request.now)
    return _refused(request, outcome)


@require_POST
@signed_in_only
def prove(request: Request, contact_id: int) -> HttpResponse:
    form = Code(request.POST)
    if not form.is_valid():
        return _page(request, Contacts(), status=422, code_problem={"id": contact_id, "text": t("error.required")})
    outcome = confirm_contact.prove(
        person=request.signed_in.person,
        contact_id=contact_id,
        code=form.cleaned_data["code"],
        browser=request.browser,
        now=request.now,
        session_id=request.signed_in.session.id,
    )
    match outcome:
        case Done(from_when=None):
            return _flashed("success", "flash.contact_proved")
        case Done(from_when=start):
            return _flashed("success", "flash.contact_waits", **{"from": local_time.day_time(start, request.language)})
        case Problems(of=of):
            problem = of["code"][0]
            text = t(f"error.{problem.id}", **problem.args)
            return _page(request, Contacts(), status=422, code_problem={"id": contact_id, "text": text})
    return _refused(request, outcome)


@require_POST
@signed_in_only
def resend(request: Request, contact_id: int) -> HttpResponse:
    outcome = edit_profile.resend(
        person=request.signed_in.person, contact_id=contact_id, browser=request.browser, now=request.now
    )
    match outcome:
        case Done(masked=masked):
            return _flashed("success", "flash.code_sent", to=masked)
        case TooManyAttempts(until=until) if until:
            text = local_time.until(until, request.now, request.language)
            return _flashed("warning", _wait_sentence(outcome), until=text)
    return _refused(request, outcome)


@require_POST
@signed_in_only
def cancel(request: Request, contact_id: int) -> HttpResponse:
    outcome = confirm_contact.cancel(
        person=request.signed_in.person, contact_id=contact_id, browser=request.browser, now=request.now
    )
    return _flashed("info", "flash.contact_cancelled" if isinstance(outcome, Done) else "flash.saved_nothing")


@require_POST
@signed_in_only
def remove(request: Request, contact_id: int) -> HttpResponse:
    form = Password(request.POST)
    if not form.is_valid():
        return _page(request, Contacts(), status=422, remove_problem=(contact_id, t("error.required")))
    outcome = confirm_contact.remove(
        person=request.signed_in.person,
        contact_id=contact_id,
        password=form.cleaned_data["password"],
        browser=request.browser,
        now=request.now,
    )
    match outcome:
        case Done(from_when=end):
            return _flashed("info", "flash.contact_removal", **{"from": local_time.day_time(end, request.language)})
        case Problems():
            return _page(request, Contacts(), status=422, remove_problem=(contact_id, t("error.password_wrong")))
    return _refused(request, outcome)


@require_http_methods(["GET", "HEAD", "POST"])
def cancel_link(request: Request, token: str) -> HttpResponse:
    """Looking changes nothing (mail scanners look too); the button takes the change back."""
    if request.method == "POST":
        outcome = confirm_contact.cancel_by_link(token=token, browser=request.browser, now=request.now)
        return page.render(
            request, "profile/cancel.html", done=isinstance(outcome, Done), gone=isinstance(outcome, Gone)
        )
    live = confirm_contact.link_is_live(token=token, now=request.now)
    return page.render(request, "profile/cancel.html", done=False, gone=not live)


def _wait_sentence(wait: TooManyAttempts) -> str:
    return "error.wait_email" if wait.instead == "email" else "error.wait"


def _refused(request, outcome) -> HttpResponse:
    match outcome:
        case ContactsFrozen():
            return redirect_to("profile")  # the page says until when
        case Gone():
            return _flashed("info", "flash.saved_nothing")
        case TooManyAttempts(until=until):
            return render_error(request, 429, wait_until=until)
        case Overloaded():
            return render_error(request, 503)
    raise TypeError(f"no page for {outcome!r}")


def _flashed(kind: str, message_id: str, **args: str) -> HttpResponse:
    response = redirect_to("profile")
    cookies.write_flash(response, kind, message_id, **args)
    return response


def _page(
    request, form, *, status: int = 200, code_problem=None, remove_problem=None, taken_up: bool = False
) -> HttpResponse:
    person = request.signed_in.person
    frozen = person.frozen_until if person.frozen_until and person.frozen_until > request.now else None
    standing = edit_profile.standing(person=person, now=request.now)
    contacts = [_shown(s, request.now, frozen, remove_problem) for s in standing]
    identity = {
        "name_ar": f"{person.first_ar} {person.last_ar}".strip(),
        "name_latin": f"{person.first_latin} {person.last_latin}".strip(),
        "establishment": person.establishment(request.language),
    }
    return page.render(
        request,
        "profile/profile.html",
        status=status,
        form=form,
        contacts=contacts,
        identity=identity,
        frozen_until=frozen,
        undone=undone_shown(edit_profile.undone(person=person, now=request.now)),
        wait_hours=_wait_hours(request, standing),
        code_problem=code_problem,
        taken_up=taken_up,
    )


def _wait_hours(request, standing) -> int:
    """How long what is typed now would wait before it counts; 0 where it would count at once."""
    missing = [s.kind for s in standing if not (s.current or s.waiting)]
    if len(missing) == len(standing):
        return 0
    signed_in = request.signed_in
    joins = missing and edit_profile.joins_the_first(
        missing[0], person=signed_in.person, session_id=signed_in.session.id, now=request.now
    )
    return 0 if joins else int(settings.MASSAR.contact_wait.total_seconds() // 3600)


def _shown(standing, now, frozen, remove_problem) -> dict:
    current, waiting, proposed = standing.current, standing.waiting, standing.proposed
    problem = remove_problem[1] if remove_problem and current and remove_problem[0] == current.id else None
    return {
        "kind": standing.kind,
        "current": current
        and {
            "id": current.id,
            "value": _readable(current),
            "since": current.counts_from,
            "came_back": current.bounced_at,
        },
        "waiting": waiting
        and {
            "id": waiting.id,
            "value": _readable(waiting),
            "counts_from": waiting.counts_from,
            "came_back": waiting.bounced_at,
        },
        "proposed": proposed and _proposed(proposed, now),
        "leaving": {"id": current.id, "ends_at": current.ends_at}
        if current and current.ends_at and not waiting
        else None,
        "can_remove": bool(current and current.ends_at is None and not waiting and not frozen),
        "remove_problem": problem,
    }


def _proposed(contact, now) -> dict:
    resend_at = edit_profile.resend_at(contact, now=now)
    return {
        "id": contact.id,
        "value": _readable(contact),
        "resend_at": resend_at,
        "expires_at": contact.code_expires_at,
        "came_back": contact.bounced_at,
        "resend_seconds": max(0, int((resend_at - now).total_seconds() + 0.999)),
    }


def undone_shown(undone: edit_profile.Undone) -> dict[str, list[str]]:
    """What a recovery did to contacts, as people write them."""
    return {"dropped": [_readable(c) for c in undone.dropped], "kept": [_readable(c) for c in undone.kept]}


def _readable(contact) -> str:
    return phone.shown(contact.value) if contact.kind == "phone" else contact.value
