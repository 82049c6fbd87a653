"""The registered sites as cards, in the order and the words of the registry."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings

from massar.domain.sites.api import Site


def cards(language: str) -> list[dict]:
    """What the cards of all shown sites say, in the language of the page."""
    return [_card(site, language) for site in settings.MASSAR.sites.sites if site.icon and site.for_people]


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
