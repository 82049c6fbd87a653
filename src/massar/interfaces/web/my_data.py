"""“My data”: what is kept, why, for how long; and a copy of it for its owner, as pages or as a file for programs."""

import json
from datetime import datetime

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.utils.html import strip_tags
from django.views.decorators.http import require_http_methods

from massar.core import local_time
from massar.interfaces.base import errors, form_fields, page, pdf, way_back
from massar.interfaces.base.jinja import n, t
from massar.interfaces.base.request import Request
from massar.journeys import personal_data
from massar.journeys.account import my_data as journey
from massar.journeys.account import sign_in
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.account.my_data import DataCopy, Section
from massar.journeys.account.see_history import SHOWN
from massar.journeys.outcomes import FactorNotFresh, Problems, TooManyAttempts
from massar.journeys.personal_data import Kept

MOST_ROWS = 40  # of one kind in the pages; the file for programs has all but old refusals
_HAVE_WORDS = frozenset(
    "email phone sms paper voice active disabled staff operator ar fr en proposed proved cancelled issued claimed "
    "consumed dead removed enrolled app passkey pupil guardian ministry_desk academy_desk directorate_desk head "
    "teacher mother father tutor".split()
)
_ARABIC = frozenset(("first_name_ar", "last_name_ar", "establishment_ar", "guardian", "pupil"))


class ExportForm(forms.Form):
    form = form_fields.choice(("pdf", "json"))
    password = form_fields.secret()


@require_http_methods(["GET", "HEAD", "POST"])
@way_back.signed_in_only
def my_data(request: Request, signed_in: SignedIn) -> HttpResponse:
    if request.method != "POST":
        locked = sign_in.owes_factor(signed_in, now=request.now)
        return _page(request, ExportForm(initial={"form": "pdf"}), locked=locked)
    form = ExportForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    wish = form.cleaned_data["form"]
    outcome = journey.export(
        signed_in=signed_in, password=form.cleaned_data["password"], form=wish,
        most=MOST_ROWS + 1 if wish == "pdf" else 0, browser=request.browser, now=request.now,
    )  # fmt: skip
    match outcome:
        case DataCopy():
            return _as_pdf(request, outcome) if wish == "pdf" else _as_json(outcome)
        case Problems():
            form_fields.show_problems(form, outcome)
            return _page(request, form, status=422)
        case TooManyAttempts(until=until):
            form_fields.show_wait(form, until, request)
            return page.add_retry_after(_page(request, form, status=429), until, request.now)
        case FactorNotFresh():
            return way_back.prove_factor_first(request)
    return errors.render_error(request, 503)


def _page(request: Request, form: ExportForm, *, status: int = 200, locked: bool = False) -> HttpResponse:
    """locked: a factor is to be proved before the form, and then the person comes back here."""
    kinds = personal_data.TABLE
    response = page.render(
        request, "profile/my_data.html", status=status, form=form, kinds=kinds, lasts=_lasts, locked=locked
    )
    return way_back.come_back(request, response) if locked else response


def _lasts(kept: Kept) -> str:
    days = kept.kept_days()
    return n("data.lasts.days", days) if days else t(f"data.lasts.{kept.lasts}")


def _as_json(export: DataCopy) -> HttpResponse:
    """Everything, but refusals beyond so many, which it says; moments in UTC (RFC 3339)."""
    kinds = [
        {
            "kind": section.kept.name, "what": t(f"data.kind.{section.kept.name}"),
            "why": t(f"data.kind.{section.kept.name}.why"), "kept": _lasts(section.kept), "rows": section.rows,
        }
        for section in export.sections
    ]  # fmt: skip
    most = _words("data.most_refusals", count=personal_data.MOST_REFUSALS)
    told = {"account": export.person.login, "made_at": export.made_at, "note": most, "kept": kinds}
    text = json.dumps(told, ensure_ascii=False, indent=1, default=lambda value: value.isoformat())
    return page.file(text.encode(), f"massar-data-{export.made_at:%Y-%m-%d}.json")


def _as_pdf(request: Request, export: DataCopy) -> HttpResponse:
    """The same as pages in the language of the page, the newest rows of each kind."""
    login, at = export.person.login, local_time.day_time(export.made_at, request.language)
    told = {
        "lang": request.language, "title": _words("data.title"), "product": _words("frame.brand"),
        "intro": f"{_words('data.lead')} {_words('data.of', login=_apart(login))}. {_words('data.never')}",
        "made": _words("data.made", at=at),
        "kinds": [_kind(section, request.language) for section in export.sections],
        "correct": {
            "title": _words("data.correct.title"),
            "text": " ".join((
                _words("data.correct.self"), _words("data.correct.others", help=_apart(settings.MASSAR.help_contact)),
                _words("data.correct.object"),
            )),
        },
    }  # fmt: skip
    return page.file(pdf.render("my_data.typ", told), f"massar-data-{export.made_at:%Y-%m-%d}.pdf")


def _kind(section: Section, language: str) -> dict[str, object]:
    name, rows = section.kept.name, section.rows
    note = "data.nothing" if not rows else "data.more" if rows[MOST_ROWS:] else ""
    return {
        "title": _words(f"data.kind.{name}"), "why": _words(f"data.kind.{name}.why"),
        "lasts": f"{_words('data.period')} {strip_tags(_lasts(section.kept))}",
        "rows": [_row(row, language) for row in rows[:MOST_ROWS]],
        "note": _words(note) if note else "",
    }  # fmt: skip


def _row(row: dict[str, object], language: str) -> list[dict[str, object]]:
    """What is empty is left out."""
    filled = {column: value for column, value in row.items() if value not in (None, "")}
    return [
        {"label": _words(f"data.column.{column}"), "value": _value(column, value, language)}
        for column, value in filled.items()
    ]


def _value(column: str, value: object, language: str) -> dict[str, object]:
    """Its words in the language of the page where it has any; else as it is stored, left to right."""
    if isinstance(value, datetime):
        return {"text": local_time.day_time(value, language), "ltr": False}
    if isinstance(value, bool):
        return {"text": _words(f"data.value.{'yes' if value else 'no'}"), "ltr": False}
    text = str(value)
    if column == "event" and text in SHOWN:
        return {"text": _words(f"activity.{text}"), "ltr": False}
    if column in ("kind", "state", "channel", "role", "language", "relation") and text in _HAVE_WORDS:
        return {"text": _words(f"data.value.{text}"), "ltr": False}
    return {"text": text, "ltr": column not in _ARABIC}


def _words(message_id: str, **args: object) -> str:
    """As plain text: what is made of it is no HTML."""
    return t(message_id, **args).unescape()


def _apart(text: str) -> str:
    """Keep it from turning with the sentence around it (UAX #9: first strong isolate)."""
    return f"\u2066{text}\u2069" if text.isascii() else f"\u2068{text}\u2069"
