"""Slips to hand out, four on a page, and the list of a class."""

import io
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import segno
from django.conf import settings
from django.urls import reverse
from django.utils import translation

from massar.core import ids, local_time
from massar.domain.people import api as people
from massar.interfaces.base import pdf
from massar.interfaces.base.jinja import t
from massar.journeys.desk.print_slips import Slip
from massar.journeys.desk.see_class import Pupil

ON_A_PAGE = 4
_LANGUAGES = ("ar", "fr", "en")


def address(login: str, code: str) -> str:
    """What the square of a slip opens: the sign-in page. User name and code stand behind the #, which browsers send to
    nobody (RFC 9110 §7.1); the page's script takes them from there."""
    return f"{settings.MASSAR.public_url}{reverse('sign_in')}#slip={login}~{code}"


def print_slips(slips: Sequence[Slip], *, language: str = "", tell: Callable[[int], None] = lambda _: None) -> bytes:
    """Return the PDF: each slip in that language, or in its person's own; a new page where a new class begins. tell:
    is told of each slip that is drawn."""
    sheets, last = list[list[dict[str, object]]](), None
    for slip in slips:
        unit = slip.holder.unit.id if slip.holder.unit else None
        if not sheets or len(sheets[-1]) == ON_A_PAGE or unit != last:
            sheets.append([])
        sheets[-1].append(_slip(slip, language or slip.holder.person.language))
        last = unit
        tell(1)
    told = {
        "title": _words("slip.title"), "product": _words("frame.brand"), "host": settings.MASSAR.address,
        "help": settings.MASSAR.help_contact, "words": {one: _slip_words(one) for one in _LANGUAGES}, "sheets": sheets,
    }  # fmt: skip
    return pdf.render("slips.typ", told)


def _slip(slip: Slip, language: str) -> dict[str, object]:
    person, unit = slip.holder.person, slip.holder.unit
    code, last_day = ids.show_temporary_password(slip.code), local_time.local(slip.until - timedelta(seconds=1)).date()
    in_class = unit if unit and unit.kind == people.units.Kind.CLASS else None
    of_class = in_class.name(language) if in_class else ""
    with translation.override(language):
        until = _words("slip.until", day=local_time.in_words(last_day, language))
    return {
        "lang": language, "place": " · ".join(filter(None, (person.establishment(language), of_class))),
        "names": _names(person, language), "login": person.login, "code": code, "number": slip.number,
        "square": _square(address(person.login, code)), "until": until,
    }  # fmt: skip


def _names(person: people.PersonFacts, language: str) -> list[dict[str, object]]:
    """In both scripts, that of the slip first; what is not known is left out."""
    both = [
        {"text": f"{person.first_ar} {person.last_ar}".strip(), "rtl": True},
        {"text": f"{person.first_latin} {person.last_latin}".strip(), "rtl": False},
    ]
    known = [one for one in both if one["text"]]
    return known if language == "ar" else known[::-1]


def _slip_words(language: str) -> dict[str, object]:
    with translation.override(language):
        before, after = _words("slip.step_open", host="\0").split("\0")
        steps = [{"before": before, "host": True, "after": after}]
        steps += [{"before": _words(f"slip.step_{step}"), "host": False, "after": ""} for step in ("type", "choose")]
        words = {one: _words(f"slip.{one}") for one in ("login", "code", "square", "care", "help", "number")}
        return {**words, "product": _words("frame.brand"), "steps": steps}


def print_class(of: people.units.UnitFacts, pupils: Sequence[Pupil], *, language: str, now: datetime) -> bytes:
    """Return the list of a class: names in both scripts, user names, who has a password. No code."""
    with translation.override(language):
        school = pupils[0].person.establishment(language) if pupils else ""
        told = {
            "lang": language, "title": f"{_words('class.of')} {of.name(language)}", "product": _words("frame.brand"),
            "school": school, "made": _words("data.made", at=local_time.day_time(now, language)),
            "heads": [_words(f"class.{one}") for one in ("pupil", "login", "state")],
            "rows": [_pupil(one, language) for one in pupils],
        }  # fmt: skip
    return pdf.render("class.typ", told)


def _pupil(one: Pupil, language: str) -> dict[str, object]:
    state = _words("class.active" if one.active else "class.inactive")
    return {"names": _names(one.person, language), "login": one.person.login, "state": state, "active": one.active}


def _square(text: str) -> str:
    """A QR code as SVG, with the quiet zone that readers want (ISO/IEC 18004 §5.3.8)."""
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(drawn, kind="svg", border=4, xmldecl=False, nl=False)
    return drawn.getvalue().decode()


def _words(message_id: str, **args: object) -> str:
    """As plain text: what is made of it is no HTML."""
    return t(message_id, **args).unescape()
