"""Home: the registered sites as cards, and the banner until a contact is proved and messages reach it."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from massar.core import local_time
from massar.domain.people.api import PersonFacts
from massar.domain.sites.api import Site
from massar.interfaces.base import page, way_back
from massar.interfaces.base.request import Request
from massar.journeys.account import edit_factors, edit_profile
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.sso import access


@dataclass(frozen=True)
class Card:
    """What a card says, in the language of the page. opens_at: from when, where it waits after a recovery."""

    slug: str
    name: str
    purpose: str
    host: str
    icon: str
    start: str
    opens_at: datetime | None = None


def cards(language: str, *, person: PersonFacts | None = None, now: datetime | None = None) -> list[Card]:
    """Make the cards of all shown sites, in the order of the registry. person: as that person sees them now, without
    those that this kind of person never enters."""
    shown = [site for site in settings.MASSAR.sites.sites if site.icon and site.for_people]
    if person:
        shown = [site for site in shown if access.has_role(site, person)]
    later = access.opening_times(shown, person=person, now=now) if person and now else {}
    return [
        Card(site.slug, site.called(language), site.serves(language), site.host, site.icon,
             start_of(site) if site.connected else "", later.get(site.slug))
        for site in shown
    ]  # fmt: skip


def start_of(site: Site) -> str:
    """Return where one press on the card leads: the address that the site gave, else the front door of its protocol."""
    if site.home:
        return site.home
    if site.protocol == "saml":
        return reverse("saml_start", kwargs={"slug": site.slug})
    if site.protocol == "gate":
        return f"{site.gate_origin}/"
    parts = urlsplit(site.redirect_uris[0])
    return f"{parts.scheme}://{parts.netloc}/"


@require_safe
@way_back.signed_in_only
def home(request: Request, signed_in: SignedIn) -> HttpResponse:
    person, now = signed_in.person, request.now
    put_right = edit_profile.to_put_right(person=person, now=now)
    sites = cards(request.language, person=person, now=now)
    begins = edit_factors.asked_from(person=person, now=now)
    return page.render(
        request, "home/home.html", sites=sites, put_right=put_right,
        second_factor_from=local_time.in_words(begins, request.language) if begins else "",
    )  # fmt: skip


@require_safe
@way_back.signed_in_only
def site(request: Request, signed_in: SignedIn, slug: str) -> HttpResponse:
    """Until a site is connected its card leads here; never to the ministry's live site (decision 26)."""
    card = next((card for card in cards(request.language) if card.slug == slug), None)
    if card is None:
        raise Http404
    return page.see_other(card.start) if card.start else page.render(request, "home/site.html", site=card)
