"""What belongs to no journey: the language switch and the sign of life."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve, reverse
from django.views.decorators.http import require_GET, require_POST

from massar.core import sql
from massar.domain.people import api as people
from massar.interfaces.frame import cookies, outage, waiting
from massar.interfaces.frame.answers import see_other, signed_in_only

LANGUAGES = ("ar", "fr", "en")
GET_ONLY = (
    "home",
    "site",
    "sign_in",
    "recovery",
    "recovery_asked",
    "password_expired",
    "password_change",
    "password_changed",
    "profile",
    "contact_cancel_link",
    "devices",
    "everywhere",
    "desk_messages",
    "demo",
)


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Keeps the chosen language in a cookie, and with the person when one is signed in: messages follow it."""
    response = see_other(own_page(request.POST.get("next", "")))
    chosen = request.POST.get("language", "")
    if chosen in LANGUAGES:
        cookies.LANGUAGE.write(response, chosen)
        if request.here:
            people.directory.speak(request.here.person.id, chosen)
    return response


def own_page(wanted: str) -> str:
    """`wanted` if it is one of our pages that can be asked for with GET, else home (ATK-090: an allow-list, no parsing)."""
    path, mark, query = wanted.partition("?")
    try:
        match = resolve(path)
    except Resolver404:
        return reverse("home")
    if (
        match.url_name not in GET_ONLY
        or not path.isascii()
        or not path.startswith("/")
        or path.startswith("//")
    ):
        return reverse("home")
    safe_query = query if query.isascii() and query.isprintable() and len(query) < 100 else ""
    return reverse(match.view_name, kwargs=match.kwargs) + (mark + safe_query if safe_query else "")


@require_GET
@signed_in_only
def go_on(request: HttpRequest) -> HttpResponse:
    """To the request of a site that waits for this person, else home."""
    return waiting.onwards(request)


@require_GET
def health(request: HttpRequest) -> HttpResponse:
    """200 while this process serves, whatever its neighbours do: a proxy must not take every node out at once."""
    return HttpResponse("ok\n", content_type="text/plain")


@outage.said_when_away(outage.plain)
@require_GET
def ready(request: HttpRequest) -> HttpResponse:
    """200 when the database answers too, else 503."""
    sql.row("SELECT 1")
    return HttpResponse("ok\n", content_type="text/plain")
