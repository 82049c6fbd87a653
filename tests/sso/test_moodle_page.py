"""docs/integrate/moodle.md: a client that does what auth_oidc does, against the registration on the page. And what the
setting behind it, `id_token_claims`, says and does not say."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

import pytest
from django.urls import reverse

from massar.interfaces.commands import main
from tests.cast import YOUSSEF
from tests.house.laws import ROOT
from tests.sso.relying_party import SECRET, STRICT, RelyingParty, Surfer, party, register
from tests.support.sites import load

PAGE = (ROOT / "docs" / "integrate" / "moodle.md").read_text("utf-8")


@pytest.fixture
def registry(tmp_path):
    (tmp_path / "sites.toml").write_text(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1], "utf-8")
    return load(
        tmp_path / "sites.toml", {"MOODLE_SECRET_HASH": f"sha256:{hashlib.sha256(SECRET.encode()).hexdigest()}"}
    )


@pytest.fixture
def moodle(cast, registry, settings, clock) -> RelyingParty:
    settings.MASSAR = replace(settings.MASSAR, sites=registry)
    scope = re.search(r"\| Scope \| `(.*?)` \|", PAGE)[1]
    return RelyingParty(clock, registry.by_slug["moodle"], secret=SECRET, scope=scope)


def test_the_id_token_alone_says_who_it_is(moodle):
    """As auth_oidc asks: form_post, `resource`, no PKCE, the secret in the form; UserInfo is not asked."""
    claims = moodle.enter(Surfer(), response_mode="form_post", resource="https://graph.microsoft.com").claims
    said = {name: claims.get(name) for name in ("given_name", "family_name", "email")}
    assert said == {"given_name": "Youssef", "family_name": "Benali", "email": YOUSSEF.login} and claims["sub"]


def test_the_check_of_its_registry_says_nothing(registry, settings, capsys, db):
    settings.MASSAR = replace(settings.MASSAR, sites=registry, mode="production")
    assert main.main(["sites", "check"]) == 0
    assert "moodle" not in capsys.readouterr().out


def test_its_endpoints_are_the_accounts():
    for route in ("oidc_authorize", "oidc_token"):
        assert f"| `https://compte.example.ma{reverse(route)}` |" in PAGE
    assert f"`https://compte.example.ma{reverse('oidc_logout')}?client_id=moodle" in PAGE


def test_signing_out_at_moodle_comes_back_there(moodle):
    browser = Surfer()
    moodle.enter(browser)
    out = re.search(r"`https://compte\.example\.ma(/logout\S+)`", PAGE)[1]
    browser.get(out).submit("/logout")
    assert browser.arrived.address == moodle.site.post_logout_redirect_uris[0] and not browser.signed_in


# -- the setting

TELLING = replace(STRICT, id_token_claims=("name", "email", "email_verified", "school"))


def test_no_scope_no_claim(cast, clock, settings):
    register(settings, TELLING)
    for scope, told in (
        ("openid", set()),
        ("openid email", {"email", "email_verified"}),
        ("openid profile school", {"name", "school"}),
    ):
        claims = party(clock, TELLING, scope=scope).enter(Surfer()).claims
        assert set(claims) & {"name", "given_name", "email", "email_verified", "school", "role"} == told, scope


def test_a_refresh_says_them_as_far_as_its_scope_goes(cast, clock, settings):
    register(settings, TELLING)
    rp = party(clock, TELLING, scope="openid email profile offline_access")
    first = rp.enter(Surfer())
    said = rp.refresh(first.refresh).json()
    claims = rp.believed(said["id_token"], None)
    assert (claims["email"], claims["name"]) == (YOUSSEF.login, "Youssef Benali") and claims["sub"] == first.claims[
        "sub"
    ]
    narrow = rp.refresh(said["refresh_token"], scope="openid profile").json()
    claims = rp.believed(narrow["id_token"], None)
    assert claims["name"] and "email" not in claims


def test_a_site_without_the_setting_is_told_nothing_more(cast, clock, settings):
    register(settings, STRICT)
    assert not {"name", "email"} & set(party(clock, STRICT, scope="openid profile email").enter(Surfer()).claims)
