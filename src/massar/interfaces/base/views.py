"""What belongs to no journey: the language switch and the sign of life."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_POST, require_safe

from massar.core import sql
from massar.domain.people import api as people
from massar.interfaces.base import cookies, outage, saved_request
from massar.interfaces.base.addresses import own_page
from massar.interfaces.base.request import LANGUAGES, Request
from massar.interfaces.base.responses import see_other
from massar.interfaces.base.resume import signed_in_only
from massar.journeys.account.close_sessions import SignedIn


@require_POST
def language(request: Request) -> HttpResponse:
    """Keep the chosen language in a cookie, and with the person when one is signed in: messages follow it."""
    response = see_other(own_page(request.POST.get("next", "")))
    chosen = request.POST.get("language", "")
    if chosen in LANGUAGES:
        cookies.LANGUAGE.write(response, chosen)
        if request.signed_in:
            people.directory.set_language(request.signed_in.person.id, chosen)
    return response


@require_safe
@signed_in_only
def go_on(request: Request, signed_in: SignedIn) -> HttpResponse:
    """Go on to the request of a site that waits for this person, else home."""
    return saved_request.redirect_after_sign_in(request)


@require_safe
def health(request: Request) -> HttpResponse:
    """Answer 200 while this process serves: a proxy must not take every node out at once."""
    return HttpResponse("ok\n", content_type="text/plain")


@outage.answer_when_away(outage.plain)
@require_safe
def ready(request: Request) -> HttpResponse:
    """Answer 200 when the database answers too, else 503."""
    sql.row("SELECT 1")
    return HttpResponse("ok\n", content_type="text/plain")
