"""What the pages tell operators to write, and what they say: the registries of docs/operate/sites.md, docs/integrate/
dovecot.md and moodle.md load and need no repair, endpoints and names are the account's, the files of deploy/ fit.

moodle.md: a client does what auth_oidc does, and what the setting behind it, `id_token_claims`, says and does not say.
"""

import json
import re
from dataclasses import replace

import pytest
from django.urls import reverse

from massar.domain.sites import api as sites
from massar.interfaces.commands import main
from massar.interfaces.web import home
from massar.journeys.sso.oidc import request
from tests.cast import YOUSSEF
from tests.house.laws import ROOT
from tests.sso.relying_party import SECRET, STRICT, RelyingParty, party, register
from tests.support.sites import load

PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text("utf-8")
         for name in ("operate/sites", "integrate/README", "integrate/dovecot", "integrate/moodle")}  # fmt: skip
MAIL, MOODLE = PAGES["integrate/dovecot"], PAGES["integrate/moodle"]
THUNDERBIRD = json.loads(re.search(r"```json\n(.*?)```", MAIL, re.DOTALL)[1])["oauth_provider"]
DOVECOT = (ROOT / "deploy" / "dovecot" / "massar.conf").read_text("utf-8")
SUBMISSION = ROOT / "deploy" / "submission"
SECRETS = {f"{name}_SECRET_HASH": sites.hashed_secret(SECRET) for name in ("WEBMAIL", "DOVECOT", "MOODLE", "SCHOOLS")}


@pytest.fixture
def written(tmp_path, settings):
    """The registry that a page has written, in use."""

    def read(page: str, **changed):
        (tmp_path / "sites.toml").write_text(re.search(r"```toml\n(.*?)```", PAGES[page], re.DOTALL)[1], "utf-8")
        registry = load(tmp_path / "sites.toml", SECRETS)
        register(settings, *registry.sites, **changed)
        return registry

    return read


@pytest.mark.django_db
@pytest.mark.both_databases
@pytest.mark.parametrize(("page", "slugs"), [
    ("operate/sites", {"massar", "library"}), ("integrate/moodle", {"moodle"}),
    ("integrate/dovecot", {"webmail", "mailprogram", "dovecot"}),
])  # fmt: skip
def test_the_check_of_its_registry_says_nothing(written, capsys, page, slugs):
    registry = written(page, mode="production")
    main.main(["sites", "check"])
    said = capsys.readouterr().out
    assert slugs <= set(registry.by_slug) and all(registry.by_slug[slug].connected for slug in slugs - {"dovecot"})
    assert not [slug for slug in slugs if f" {slug}: " in said], said


def test_the_table_of_the_six_sites_names_them_with_their_protocols():
    words = {"oidc": "OpenID Connect", "saml": "SAML 2.0", "gate": "the gate"}
    for site in load(None).sites:
        row = re.search(rf"^\| {site.slug} \| ([^|]*)\|.*$", PAGES["integrate/README"], re.MULTILINE)
        assert row and row[1].startswith(words[site.protocol]), site.slug
        assert ("72 hours" in row[0]) == (site.no_recovery_hours == 72), site.slug
        assert site.algorithm in row[0] or site.protocol != "oidc", site.slug


@pytest.mark.parametrize("port", ["", ":50123"], ids=["inside the program", "in the browser"])
def test_the_add_on_for_thunderbird_asks_what_the_registry_allows(written, port):
    """Thunderbird takes the code at the address as it is written, or listens there at a port of the system's."""
    asked = {
        "response_type": "code", "client_id": THUNDERBIRD["clientId"], "scope": THUNDERBIRD["scopes"],
        "redirect_uri": THUNDERBIRD["redirectionEndpoint"].replace("127.0.0.1", f"127.0.0.1{port}"),
        "code_challenge": "x" * 43, "code_challenge_method": "S256",
    }  # fmt: skip
    ask = request.read({name: [value] for name, value in asked.items()}, written("integrate/dovecot"))
    assert isinstance(ask, request.AuthorizationRequest)
    assert set(ask.scope.split()) == set(THUNDERBIRD["scopes"].split()) == {"openid", "email", "mail", "offline_access"}
    assert THUNDERBIRD["usePKCE"] is True and "clientSecret" not in THUNDERBIRD
    for name, route in (("authorizationEndpoint", "oidc_authorize"), ("tokenEndpoint", "oidc_token")):
        assert THUNDERBIRD[name] == f"https://{THUNDERBIRD['issuer']}{reverse(route)}"


def test_it_adds_no_card_and_says_for_how_many_days_its_program_stays_signed_in(written):
    days = written("integrate/dovecot").by_slug["mailprogram"].offline_days
    assert f"`offline_days = {days}`" in MAIL and f"| {days} days after" in MAIL
    assert [card.slug for card in home.cards("fr")] == [site.slug for site in load(None).sites]


def test_it_makes_what_the_files_of_deploy_need():
    """User and folder of the mailboxes; the alias is the one in the map; Postfix asks where Dovecot listens."""
    user, group, home = re.search(r"uid=(\w+) gid=(\w+) home=(/\w+/\w+)/", DOVECOT).groups()
    assert user == group and f"adduser --system --group --home {home} {user}\n" in MAIL
    assert f"chmod 0700 {home}\n" in MAIL
    assert f"#{re.search(r'^/.* .*@.*$', MAIL, re.MULTILINE)[0]}\n" in (SUBMISSION / "senders").read_text("utf-8")
    asked = re.search(r"smtpd_sasl_path=(\S+)", (SUBMISSION / "master.cf").read_text("utf-8"))[1]
    assert f"unix_listener /var/spool/postfix/{asked} {{" in DOVECOT


def test_moodle_learns_who_it_is_by_the_id_token_alone_and_is_led_back(cast, written, clock, browser):
    """As auth_oidc asks: form_post, `resource`, no PKCE, the secret in the form; UserInfo is not asked."""
    site, scope = written("integrate/moodle").by_slug["moodle"], re.search(r"\| Scope \| `(.*?)` \|", MOODLE)[1]
    moodle = RelyingParty(clock, site, secret=SECRET, scope=scope)
    claims = moodle.enter(browser, response_mode="form_post", resource="https://graph.microsoft.com").claims
    said = {name: claims.get(name) for name in ("given_name", "family_name", "email")}
    assert said == {"given_name": "Youssef", "family_name": "Benali", "email": YOUSSEF.login} and claims["sub"]
    for route in ("oidc_authorize", "oidc_token"):
        assert f"| `https://compte.example.ma{reverse(route)}` |" in MOODLE
    out = re.search(r"`https://compte\.example\.ma(/logout\S+)`", MOODLE)[1]
    assert out.startswith(f"{reverse('oidc_logout')}?client_id=moodle")
    browser.get(out).submit("/logout")
    assert browser.arrived.address == site.post_logout_redirect_uris[0] and not browser.signed_in


TELLING = replace(STRICT, id_token_claims=("name", "email", "email_verified", "school"))


def test_no_scope_no_claim(cast, clock, settings, browser):
    """Nor without the setting; a refresh says them as far as its scope goes."""
    scopes = {"openid": set(), "openid email": {"email", "email_verified"}, "openid profile school": {"name", "school"}}
    for site, told in ((TELLING, scopes), (STRICT, {"openid profile email": set()})):
        register(settings, site)
        for scope, names in told.items():
            claims = party(clock, site, scope=scope).enter(browser).claims
            said = set(claims) & {"name", "given_name", "email", "email_verified", "school", "role"}
            assert said == names, (site.id_token_claims, scope)
    register(settings, TELLING)
    rp = party(clock, TELLING, scope="openid email profile offline_access")
    first = rp.enter(browser)
    said = rp.refresh(first.refresh).json()
    claims = rp.believed(said["id_token"], None)
    assert (claims["email"], claims["name"], claims["sub"]) == (YOUSSEF.login, "Youssef Benali", first.claims["sub"])
    narrow = rp.refresh(said["refresh_token"], scope="openid profile").json()
    claims = rp.believed(narrow["id_token"], None)
    assert claims["name"] and "email" not in claims
