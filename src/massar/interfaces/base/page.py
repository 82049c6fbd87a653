"""Rendering a page with what every page has."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.template.loader import get_template
from markupsafe import Markup

from massar.domain.sites.api import Site
from massar.interfaces.base import cookies
from massar.interfaces.base.jinja import ltr, t
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import see_other

# Of a Location. All headers of an answer together must fit into the 4 KiB that nginx as it comes keeps for them
# (proxy_buffer_size); ours beside it take a kilobyte.
LONGEST_LOCATION = 2500
LANGUAGES = (("ar", "العربية"), ("fr", "Français"), ("en", "English"))


class Shown:
    """The signed-in person as the frame shows one."""

    def __init__(self, person, language: str):
        self.name, self.login, self.operates = person.name(language), person.login, person.operates


def render(request: Request, template: str, *, status: int = 200, **context) -> HttpResponse:
    """A page in the request's language. A pending flash message is shown once."""
    signed_in = request.signed_in
    flash = cookies.read_flash(request)
    response = HttpResponse(
        get_template(template).render(
            {
                "lang": request.language,
                "dir": "rtl" if request.language == "ar" else "ltr",
                "languages": LANGUAGES,
                "person": Shown(signed_in.person, request.language) if signed_in else None,
                "page_address": _address(request),
                "help_contact": settings.MASSAR.help_contact,
                "demo": settings.MASSAR.demo,
                "flash": [_spoken(flash)] if flash else [],
                "now": request.now,
                "status": status,
                "csrf_field": lambda: Markup('<input type="hidden" name="csrfmiddlewaretoken" value="{}">').format(
                    get_token(request)
                ),
                **context,
            }
        ),
        status=status,
    )
    if flash:
        cookies.FLASH.drop(response)
    return response


def redirect_by_page(request: Request, address: str, site: Site | None) -> HttpResponse:
    """On to a site after a form of ours: a page of its own, at once, without scripts too (see `policy`)."""
    return render(request, "sso/go_on.html", site=site, address=address)


def redirect_to_site(request: Request, address: str, site: Site | None) -> HttpResponse:
    """To a site where no form of ours was sent before: a redirect, or a page where the address is long (state, RelayState)."""
    return see_other(address) if len(address) <= LONGEST_LOCATION else redirect_by_page(request, address, site)


def _spoken(flash) -> dict:
    kind, message_id, args = flash
    return {"kind": kind, "text": t(message_id, **{k: ltr(v) if k == "to" else v for k, v in args.items()})}


def _address(request) -> str:
    """Where the language switch comes back to: a page that can be asked for with GET."""
    return request.get_full_path() if request.method in ("GET", "HEAD") else request.path
