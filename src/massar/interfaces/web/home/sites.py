"""The registered sites as cards, in the order and the words of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from massar.domain.people.api import PersonFacts
from massar.domain.sites.api import Site
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
    """Make the cards of all shown sites. person: as that person sees them now."""
    shown = [site for site in settings.MASSAR.sites.sites if site.icon and site.for_people]
    later = access.opening_times(shown, person=person, now=now) if person and now else {}
    return [
        Card(
            slug=site.slug,
            name=site.called(language),
            purpose=site.serves(language),
            host=site.host,
            icon=site.icon,
            start=_start(site) if site.connected else "",
            opens_at=later.get(site.slug),
        )
        for site in shown
    ]


def card(slug: str, language: str) -> Card | None:
    """Return the card of one site; None if there is none."""
    return next((card for card in cards(language) if card.slug == slug), None)


def _start(site: Site) -> str:
    """Return where one press on the card leads: the address that the site gave, else the front door of its protocol."""
    if site.home:
        return site.home
    if site.protocol == "saml":
        return reverse("saml_start", kwargs={"slug": site.slug})
    if site.protocol == "gate":
        return f"{site.gate_origin}/"
    parts = urlsplit(site.redirect_uris[0])
    return f"{parts.scheme}://{parts.netloc}/"
