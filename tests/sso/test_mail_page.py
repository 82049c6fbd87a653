"""docs/integrate/dovecot.md: its registry loads and needs no repair; it makes what the files of deploy/ need."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from django.urls import reverse

from massar.interfaces.commands import main
from massar.interfaces.web.home import cards
from massar.journeys.sso.oidc import request
from tests.house.laws import ROOT
from tests.support.sites import load

pytestmark = pytest.mark.both_databases

PAGE = (ROOT / "docs" / "integrate" / "dovecot.md").read_text("utf-8")
THUNDERBIRD = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1])
DOVECOT = (ROOT / "deploy" / "dovecot" / "massar.conf").read_text("utf-8")
SUBMISSION = ROOT / "deploy" / "submission"


@pytest.fixture
def registry(tmp_path):
    (tmp_path / "sites.toml").write_text(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1], "utf-8")
    secrets = {f"{name}_SECRET_HASH": f"sha256:{number * 64}" for name, number in (("WEBMAIL", "0"), ("DOVECOT", "1"))}
    return load(tmp_path / "sites.toml", secrets)


@pytest.fixture
def registered(registry, settings):
    settings.MASSAR = replace(settings.MASSAR, sites=registry, mode="production")


@pytest.mark.django_db
def test_the_check_of_its_registry_says_nothing(registered, capsys):
    assert main.main(["sites", "check"]) == 0
    said = capsys.readouterr().out
    assert not [slug for slug in ("webmail", "mailprogram", "dovecot") if slug in said], said


def test_it_adds_no_card(registered):
    assert [card.slug for card in cards("fr")] == [site.slug for site in load(None).sites]


def test_its_program_may_ask_for_mail_at_any_port(registry):
    asked = {
        "response_type": "code", "client_id": "mailprogram", "redirect_uri": "http://127.0.0.1:50123/",
        "scope": "openid email mail offline_access", "code_challenge": "x" * 43, "code_challenge_method": "S256",
    }  # fmt: skip
    ask = request.read({name: [value] for name, value in asked.items()}, registry)
    assert isinstance(ask, request.AuthorizationRequest) and set(ask.scope.split()) == {
        "openid",
        "email",
        "mail",
        "offline_access",
    }


@pytest.mark.parametrize("port", ["", ":50123"], ids=["inside the program", "in the browser"])
def test_its_add_on_for_thunderbird_asks_what_the_registry_allows(registry, port):
    """Thunderbird takes the code at the address as it is written, or listens there at a port of the system's."""
    asks = THUNDERBIRD["oauth_provider"]
    asked = {
        "response_type": "code", "client_id": asks["clientId"], "scope": asks["scopes"],
        "redirect_uri": asks["redirectionEndpoint"].replace("127.0.0.1", f"127.0.0.1{port}"),
        "code_challenge": "x" * 43, "code_challenge_method": "S256",
    }  # fmt: skip
    ask = request.read({name: [value] for name, value in asked.items()}, registry)
    assert isinstance(ask, request.AuthorizationRequest) and set(ask.scope.split()) == set(asks["scopes"].split())
    assert asks["usePKCE"] is True and "clientSecret" not in asks


def test_its_add_on_for_thunderbird_names_the_endpoints_of_the_account():
    asks = THUNDERBIRD["oauth_provider"]
    for name, route in (("authorizationEndpoint", "oidc_authorize"), ("tokenEndpoint", "oidc_token")):
        assert asks[name] == f"https://{asks['issuer']}{reverse(route)}"


def test_it_says_for_how_many_days_its_program_stays_signed_in(registry):
    days = registry.by_slug["mailprogram"].offline_days
    assert f"`offline_days = {days}`" in PAGE and f"| {days} days after" in PAGE


def test_it_makes_the_user_and_the_folder_of_the_mailboxes():
    user, group, home = re.search(r"uid=(\w+) gid=(\w+) home=(/\w+/\w+)/", DOVECOT).groups()
    assert user == group and f"adduser --system --group --home {home} {user}\n" in PAGE
    assert f"chmod 0700 {home}\n" in PAGE


def test_its_alias_is_the_one_in_the_map():
    shown = re.search(r"^/.* .*@.*$", PAGE, re.MULTILINE)[0]
    assert f"#{shown}\n" in (SUBMISSION / "senders").read_text("utf-8")


def test_postfix_asks_where_dovecot_listens():
    asked = re.search(r"smtpd_sasl_path=(\S+)", (SUBMISSION / "master.cf").read_text("utf-8"))[1]
    assert f"unix_listener /var/spool/postfix/{asked} {{" in DOVECOT
