"""Addresses that are no pages: the language switch, signs of life, and what programs know by heart."""

from datetime import timedelta

from django.conf import settings
from django.http import HttpResponse
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from massar.core import database_trouble, encryption, sql
from massar.core.keyring import api as keyring
from massar.domain.people import api as people
from massar.interfaces.base import addresses, cookies, outage, page, way_back
from massar.interfaces.base.request import LANGUAGES, Request
from massar.journeys.account.close_sessions import SignedIn

GOOD_FOR = timedelta(days=180)  # RFC 9116 §2.5.5: less than a year


@require_POST
def language(request: Request) -> HttpResponse:
    """Keep the chosen language in a cookie, and with the person when one is signed in: messages follow it."""
    response = page.see_other(addresses.own_page(request.POST.get("next", "")))
    chosen = request.POST.get("language", "")
    if chosen in LANGUAGES:
        cookies.LANGUAGE.write(response, chosen)
        if request.signed_in:
            people.directory.set_language(request.signed_in.person.id, chosen)
    return response


@require_safe
@way_back.signed_in_only
def go_on(request: Request, signed_in: SignedIn) -> HttpResponse:
    """Go on to the request of a site that waits for this person, else home."""
    return way_back.redirect_after_sign_in(request)


@require_safe
def health(request: Request) -> HttpResponse:
    """Answer 200 while this process serves: a proxy must not take every node out at once. One that lacks a key does not
    serve, and other nodes do. Nothing is asked; what was met of the database within the last minute is told."""
    if keyring.state.known_trouble():
        return HttpResponse(f"{outage.sentence()}\n", content_type="text/plain", status=503)
    met = f"serving; {outage.sentence()}, see the log" if database_trouble.standing() else "ok"
    return HttpResponse(f"{met}\n", content_type="text/plain")


@outage.answer_when_away(outage.plain)
@require_safe
def ready(request: Request) -> HttpResponse:
    """Whether people can be served: the keys are here, the database is there, and can be written."""
    encryption.data_keys()
    if found := sql.find_trouble():
        database_trouble.meet(found)
    else:
        database_trouble.end(database_trouble.READ_ONLY, database_trouble.REFUSED, database_trouble.UNREACHABLE)
    if database_trouble.standing() is None:
        return HttpResponse("ok\n", content_type="text/plain")
    response = outage.plain(request)
    response.status_code = 503
    response["Retry-After"] = str(outage.RETRY_AFTER)
    vars(response)["_has_been_logged"] = True  # once a minute, not for each look
    return response


@require_safe
def change_password(request: Request) -> HttpResponse:
    """Lead on whom a password manager sends its person (W3C "A Well-Known URL for Changing Passwords")."""
    return page.redirect_to("password_change")


@require_safe
def security_txt(request: Request) -> HttpResponse:
    """Say whom to tell of a hole (RFC 9116). It never expires while the product runs."""
    lines = (
        f"Contact: {settings.MASSAR.security_contact}",
        f"Expires: {request.now + GOOD_FOR:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: ar, fr, en",
        f"Canonical: {settings.MASSAR.public_url}{reverse('security_txt')}",
    )
    return HttpResponse("\r\n".join((*lines, "")), content_type="text/plain; charset=utf-8")


@require_safe
def favicon(request: Request) -> HttpResponse:
    """Lead to the icon what never read a page; pages name theirs."""
    return page.see_other(static("massar/img/mark.svg"))
