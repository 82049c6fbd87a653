"""The registered sites as cards, in the order and the words of the registry."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings

from massar.domain.people.api import PersonFacts
from massar.domain.sites.api import Site
from massar.journeys.sso import access


def cards(language: str) -> list[dict]:
    """What the cards of all shown sites say, in the language of the page."""
    return [_card(site, language) for site in _shown()]


def cards_of(person: PersonFacts, language: str, *, now: datetime) -> list[dict]:
    """The cards as that person sees them: one that waits after a recovery says from when it opens (`opens_at`)."""
    later = access.opening_times(_shown(), person=person, now=now)
    return [{**card, "opens_at": later.get(card["slug"])} for card in cards(language)]


def _shown() -> list[Site]:
    return [site for site in settings.MASSAR.sites.sites if site.icon and site.for_people]


def card(slug: str, language: str) -> dict | None:
    """The card of one site; None if there is none."""
    return next((card for card in cards(language) if card["slug"] == slug), None)


def _card(site: Site, language: str) -> dict:
    return {
        "slug": site.slug,
        "name": site.called(language),
        "purpose": site.serves(language),
        "host": site.host,
        "icon": site.icon,
        "start": _start(site) if site.connected else "",
        "opens_at": None,
    }


def _start(site: Site) -> str:
    """Where one press on the card leads: the address that the site gave, else the front door of its protocol."""
    if site.home:
        return site.home
    if site.protocol == "saml":
        return f"/saml/start/{site.slug}/"
    if site.protocol == "gate":
        return f"{site.gate_origin}/"
    parts = urlsplit(site.redirect_uris[0])
    return f"{parts.scheme}://{parts.netloc}/"
