"""What the pages of second factors share: the page that sets an app up, and the page of printed codes."""

from collections.abc import Sequence
from datetime import datetime

import segno
from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from markupsafe import Markup

from massar.domain.factors import api as factors
from massar.domain.people.api import PersonFacts
from massar.interfaces.base import form_fields, page
from massar.interfaces.base.request import Request
from massar.journeys.account import close_sessions


class FactorCodeForm(forms.Form):
    code = form_fields.line(60)


class ProofForm(forms.Form):
    password = form_fields.secret()


def app_page(
    request: Request, form: FactorCodeForm, app: factors.totp.Enrolment, person: PersonFacts, *, status: int
) -> HttpResponse:
    """Show the key in three ways: as a square, as a link for an app on this device, as text to be typed."""
    return page.render(
        request, "factors/app.html", status=status, form=form, app=app, square=_square(app.link), login=person.login,
        person=person if request.signed_in else None, must=not request.signed_in,
        passkey_instead=not request.signed_in and factors.webauthn.possible(),
    )  # fmt: skip


def codes_page(request: Request, codes: Sequence[str], following: str, person: PersonFacts) -> HttpResponse:
    """Show new backup codes, this once. following: name of the page where the person goes on."""
    go_on = reverse(following)
    return page.render(request, "factors/codes.html", codes=codes, go_on=go_on, person=person, login=person.login)


def spared_days(person: PersonFacts, now: datetime) -> int:
    """For how many days this device may be spared; 0 where it may not."""
    must = close_sessions.must_have_factor(person, now=now)
    return 0 if must else settings.MASSAR.second_factor_remember.days


def _square(link: str) -> Markup:
    """A QR code as SVG without styles, for the policy forbids these in a page. It is made of signs of our own."""
    square = segno.make(link, error="m", micro=False)
    drawn = square.svg_inline(border=4, omitsize=True, svgclass="square", lineclass=None, light="#fff")
    return Markup(drawn)  # noqa: S704 - numbers of dots; nothing of what it says stands in it as text
