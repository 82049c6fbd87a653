"""The page about the sites file says what the registry reads, and the six of the guide stand in the table."""

from __future__ import annotations

import re
import tomllib

from massar.core.settings import settings_of
from massar.domain.sites.site import Site
from tests.house.laws import ROOT
from tests.support.sites import load

PAGE = (ROOT / "docs" / "operate" / "sites.md").read_text("utf-8")
TABLE = (ROOT / "docs" / "integrate" / "README.md").read_text("utf-8")


def documented() -> dict[str, str]:
    """Setting -> documented default."""
    found = {}
    for line in PAGE.splitlines():
        if line.startswith("| `"):
            names, default = line.split("|")[1:3]
            found.update(dict.fromkeys(re.findall(r"`(\w+)`", names), default.strip()))
    return found


def test_every_setting_of_a_site_is_documented_and_no_other():
    assert set(documented()) == set(settings_of(Site))


def test_the_example_of_the_page_is_good(tmp_path, monkeypatch):
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]
    (tmp_path / "sites.toml").write_text(example, "utf-8")
    monkeypatch.setenv("SCHOOLS_SECRET_HASH", "sha256:" + "0" * 64)
    registry = load(tmp_path / "sites.toml")
    assert registry.by_slug["massar"].connected and registry.by_slug["library"].connected
    assert set(tomllib.loads(example)["sites"]) == {"massar", "library"}


def test_the_table_of_the_six_sites_names_them_with_their_protocols():
    words = {"oidc": "OpenID Connect", "saml": "SAML 2.0", "gate": "the gate"}
    for site in load(None).sites:
        row = re.search(rf"^\| {site.slug} \| ([^|]*)\|.*$", TABLE, re.MULTILINE)
        assert row and row[1].startswith(words[site.protocol]), site.slug
        assert ("72 hours" in row[0]) == (site.no_recovery_hours == 72), site.slug
        assert site.algorithm in row[0] or site.protocol != "oidc", site.slug
