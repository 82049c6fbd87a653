"""The example of the page about the sites file is good, and the six of the guide stand in the table."""

from __future__ import annotations

import re
import tomllib

from tests.house.laws import ROOT
from tests.support.sites import load

PAGE = (ROOT / "docs" / "operate" / "sites.md").read_text("utf-8")
TABLE = (ROOT / "docs" / "integrate" / "README.md").read_text("utf-8")


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
