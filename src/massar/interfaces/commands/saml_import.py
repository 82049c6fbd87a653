"""`massar sites import-metadata FILE [SLUG]`: a SAML site's metadata as the table to paste into MASSAR_CONFIG."""

import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

from massar.core import clock
from massar.domain.sites import api as sites


def run(file: str, slug: str = "") -> int:
    """Print the table, and on the error stream what is not in it; 1 if the file can't be used."""
    try:
        document = Path(file).read_bytes()
        table, left_out = sites.saml_metadata.read(document, now=clock.now())
    except (OSError, sites.saml_metadata.MetadataRefused) as trouble:
        print(f"{file} can't be used: {trouble}.", file=sys.stderr)
        return 1
    print(sites.saml_metadata.as_toml(slug or _named(table["entity_id"]), table), end="")
    for sentence in dict.fromkeys(left_out):
        print(f"note: {sentence}", file=sys.stderr)
    return 0


def _named(entity_id: str) -> str:
    """A name for the site from its host: `retraite` of https://retraite.example.ma/saml."""
    first = (urlsplit(entity_id).hostname or "").removeprefix("www.").partition(".")[0]
    name = re.sub(r"[^a-z0-9_-]", "", first.lower())
    return name if re.fullmatch(r"[a-z][a-z0-9_-]+", name) else "new-site"
