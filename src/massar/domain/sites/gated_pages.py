"""Addresses that the gate believes: a registered origin and a plain path under it. Everything else is refused.

Proxies, frameworks and file systems read odd paths in different ways, and a gate that reads one in yet another way has
a hole (CVE-2021-32637). So nothing is repaired here: a path has one reading, or it is not let through. The origin is
never parsed either; it stands letter for letter in the registry.
"""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from massar.domain.sites.registry import Registry, Site

LONGEST = 4096
OWN_FOLDER = ".massar"  # what the site's proxy hands to the gate itself
_ORIGIN_AND_URI = re.compile(r"(https?://[^/?#\\@\s]{1,260})(/[\x21-\x7e]*)")
_URI = re.compile(r"(/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)(?:\?[\x21\x22\x24-\x7e]*)?")
_ENCODED_AGAIN = re.compile(r"%[0-9A-Fa-f]{2}")
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, format, surrogates, line and paragraph separators


@dataclass(frozen=True)
class GatedPage:
    """A page of a gated site: its path and query as they stand on the request line."""

    site: Site
    uri: str

    @property
    def address(self) -> str:
        return self.site.gate_origin + self.uri


def page_at(address: str, registry: Registry) -> GatedPage | None:
    """The page at an absolute address; None unless it lies under the registered origin of a gated site."""
    parts = _ORIGIN_AND_URI.fullmatch(address[: LONGEST + 300])
    return page_under(parts[1], parts[2], registry) if parts else None


def page_under(origin: str, uri: str, registry: Registry) -> GatedPage | None:
    site = registry.by_gate.get(origin)
    return page_of(site, uri) if site is not None and site.protocol == "gate" else None


def page_of(site: Site, uri: str) -> GatedPage | None:
    """The page `uri` of a gated site; None if the path is odd in any way."""
    return GatedPage(site, uri) if is_plain(uri) else None


def is_plain(uri: str) -> bool:
    """Whether everybody reads this path (with its query) alike, and it is none of the gate's own."""
    parts = _URI.fullmatch(uri) if len(uri) <= LONGEST else None
    if parts is None:
        return False
    try:
        path = unquote_to_bytes(parts[1]).decode("utf-8")
    except UnicodeDecodeError:
        return False
    folded = unicodedata.normalize("NFKC", path)  # some servers take a full-width slash for a slash
    same_steps = parts[1].count("/") == path.count("/") == folded.count("/")
    steps = folded[1:].split("/")
    if steps[-1] == "":  # the address of a folder
        steps.pop()
    unseen = any(unicodedata.category(sign) in _HIDDEN for sign in folded)
    hiding = unseen or "\\" in folded or _ENCODED_AGAIN.search(folded)  # the last would change if decoded again
    return same_steps and not hiding and all(_is_step(step) for step in steps)


def _is_step(step: str) -> bool:
    """Not empty, no dots alone (with or without `;parameters`), not the gate's own folder."""
    name = step.partition(";")[0].lower().strip()
    return name.strip(". ") != "" and name.rstrip(". ") != OWN_FOLDER
