"""The registered sites: the tables `[sites.NAME]` of the operator's file over the six of `defaults.toml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from massar.core.settings import read as read_table
from massar.core.settings import read_toml
from massar.domain.sites.rules import CONNECTS
from massar.domain.sites.site import Registry, Site

__all__ = ["Registry", "Site", "read"]

DEFAULTS = Path(__file__).with_name("defaults.toml")


def read(given: object, environ: Mapping[str, str]) -> tuple[Registry, list[str]]:
    """Read the operator's tables, which add sites or override single values of the six.

    given: what stands under `sites` in the file. environ: where `env:NAME` is looked up. Returns the registry of what
    can be read, and one sentence for each mistake.
    """
    tables: dict[str, dict[str, Any]] = read_toml(DEFAULTS)["sites"]
    mistakes, sites = [], []
    if not isinstance(given, Mapping):
        mistakes.append("sites must be tables: write [sites.NAME] above the settings of each site.")
        given = {}
    for slug, values in given.items():
        if isinstance(values, Mapping):
            tables[slug] = {**tables.get(slug, {}), **values}
        else:
            head = _called(slug)
            mistakes.append(f"{head} must be a table: write {head} on a line of its own above its settings.")
    for slug, values in tables.items():
        site, told = read_table(Site, values, environ=environ, called=_called(slug), own={"slug": slug})
        sites.append(site)
        mistakes += told
        if "protocol" not in values:  # with `protocol = "none"` a connected site can be closed for a while
            for name in sorted(set(CONNECTS) & set(values)):
                mistakes.append(f'{_called(slug)} has {name} but no protocol: add protocol = "{CONNECTS[name]}".')
    return Registry(sites), [*mistakes, *_twins(sites)]


def _called(slug: str) -> str:
    """The head of a site's table, on one line whatever it holds."""
    return f"[sites.{slug}]" if slug.replace("-", "_").isidentifier() else f"[sites.{slug!r}]"


def _twins(sites: list[Site]) -> list[str]:
    """Sites that share what must be their own."""
    mistakes = []
    for what in ("client_id", "entity_id", "gate_origin"):
        seen: dict[tuple[str, str], str] = {}
        saml = what == "entity_id"
        for site in sites:
            value = getattr(site, what)
            known = (value, site.our_entity if saml else "")
            if value and known in seen:
                wish = ", or an our_entity of its own where the other side has one name for both" if saml else ""
                both = f"{_called(site.slug)} and {_called(seen[known])}"
                mistakes.append(f"{both} have the same {what}: each site needs its own{wish}.")
            seen[known] = site.slug
    return mistakes
