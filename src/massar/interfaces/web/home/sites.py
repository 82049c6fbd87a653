"""The six sites of the guide, as cards. (The registry with protocols and keys joins in the room `sites`.)"""

from massar.interfaces.web.frame.jinja import t

HOSTS = {
    "taalim": ("www.taalim.ma", "mail"),
    "massar": ("massar.men.gov.ma", "school"),
    "haraka": ("haraka.men.gov.ma", "transfer"),
    "notifrh": ("notifrh.men.gov.ma", "notice"),
    "retraite": ("retraite.men.gov.ma", "sunset"),
    "esise": ("sise.men.gov.ma", "chart"),
}


def card(slug: str) -> dict:
    """What a card shows, in the language of the page."""
    host, icon = HOSTS[slug]
    return {
        "slug": slug,
        "name": t(f"site.{slug}.name"),
        "purpose": t(f"site.{slug}.purpose"),
        "host": host,
        "icon": icon,
    }
