"""Addresses that programs know by heart: password managers, people who found a hole, browsers that want an icon."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.http import HttpResponse
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_safe

from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import redirect_to, see_other

GOOD_FOR = timedelta(days=180)  # RFC 9116 §2.5.5: less than a year


@require_safe
def change_password(request: Request) -> HttpResponse:
    """Lead on whom a password manager sends its person (W3C "A Well-Known URL for Changing Passwords")."""
    return redirect_to("password_change")


@require_safe
def security_txt(request: Request) -> HttpResponse:
    """Say whom to tell of a hole (RFC 9116). It never expires while the product runs."""
    base = settings.MASSAR.public_url
    lines = (
        f"Contact: {settings.MASSAR.security_contact}",
        f"Expires: {request.now + GOOD_FOR:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: ar, fr, en",
        f"Canonical: {base}{reverse('security_txt')}",
    )
    return HttpResponse("\r\n".join((*lines, "")), content_type="text/plain; charset=utf-8")


@require_safe
def favicon(request: Request) -> HttpResponse:
    """Lead to the icon what never read a page; pages name theirs."""
    return see_other(static("massar/img/mark.svg"))
