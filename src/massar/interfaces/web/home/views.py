"""Home: the six sites, and the banner until a contact is proved and messages reach it."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from massar.interfaces.base import page
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import see_other
from massar.interfaces.base.resume import signed_in_only
from massar.interfaces.web.home import sites
from massar.journeys.account import edit_profile
from massar.journeys.account.close_sessions import SignedIn


@require_safe
@signed_in_only
def home(request: Request, signed_in: SignedIn) -> HttpResponse:
    return page.render(
        request,
        "home/home.html",
        sites=sites.cards(request.language, person=signed_in.person, now=request.now),
        put_right=edit_profile.to_put_right(person=signed_in.person, now=request.now),
    )


@require_safe
@signed_in_only
def site(request: Request, signed_in: SignedIn, slug: str) -> HttpResponse:
    """Until a site is connected its card leads here; never to the ministry's live site (decision 26)."""
    card = sites.card(slug, request.language)
    if card is None:
        raise Http404
    return see_other(card.start) if card.start else page.render(request, "home/site.html", site=card)
