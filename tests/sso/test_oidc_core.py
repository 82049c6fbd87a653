"""The OpenID Provider where the certification plans don't look: ends, keys, waiting requests, what a page may do."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings as live

from massar.domain.delivery.models import Message
from massar.domain.sessions.models import Session
from massar.domain.sites import api as sites
from massar.interfaces.base.cookies import SAVED_REQUEST
from massar.journeys.sso.access import ACR_NO_RECENT_RECOVERY, ACR_PASSWORD
from massar.journeys.sso.oidc import claims as oidc_claims
from massar.journeys.sso.oidc import request
from tests.cast import JAMAL, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.sso.relying_party import SITES, STRICT, RelyingParty, Surfer, party, register
from tests.support.captured import captured
from tests.support.steps import recover, shows

NEW = "Rivière#4827-ocre"
RECOVERY = replace(STRICT, slug="transfers", client_id="transfers", scopes=(*STRICT.scopes, "recovery"))
PUBLIC = replace(STRICT, slug="app", client_id="app", client_auth="none", client_secret="")


@pytest.fixture(autouse=True)
def registered(cast, settings):
    register(settings, *SITES, RECOVERY, PUBLIC)


@pytest.fixture
def rp(clock) -> RelyingParty:
    return party(clock, STRICT, scope="openid profile email school offline_access")


def is_dead(rp: RelyingParty, tokens) -> bool:
    """Nothing that came of this visit opens anything."""
    refreshed = rp.refresh(tokens.refresh)
    assert refreshed.status_code == 200 or refreshed.json()["error"] == "invalid_grant"
    return (rp.userinfo(tokens.access).status_code, refreshed.status_code) == (401, 400)


def test_tokens_never_outlive_the_longest_life_of_the_session(rp, browser, clock):
    tokens = rp.enter(browser)
    clock.set(Session.objects.get().expires_at - timedelta(seconds=30))
    said = rp.refresh(tokens.refresh).json()
    assert said["expires_in"] == 30
    clock.advance(seconds=31)
    assert rp.userinfo(said["access_token"]).status_code == 401
    assert rp.refresh(said["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_site_is_told_of_the_end_also_when_it_gave_its_token_back(rp, browser):
    tokens = rp.enter(browser)
    browser.change(YOUSSEF.password, NEW)
    assert browser.path == "/password/changed/" and is_dead(rp, tokens) and told() == ["strict"]
    browser.sign_out()
    tokens = rp.enter(browser, replace(YOUSSEF, password=NEW))
    assert rp.post("revocation_endpoint", token=tokens.refresh).status_code == 200
    assert is_dead(rp, tokens) and told() == ["strict"]
    browser.sign_out()
    assert told() == ["strict"] * 2


def told() -> list[str]:
    return list(Message.objects.filter(purpose="site_logout").values_list("about", flat=True))


def test_an_app_without_a_secret_needs_its_verifier(clock, browser):
    app = party(clock, PUBLIC)
    asked, code = app.send(browser)
    assert app.redeem(asked, code, code_verifier="x" * 43).json()["error"] == "invalid_grant"
    assert app.enter(browser).claims["aud"] == "app"


def test_the_page_with_the_password_sends_it_nowhere_else_and_a_page_leads_on(rp, browser):
    """A site's own redirects after ours would be held against the form's policy: a page stands between."""
    browser.open(rp.ask().url)
    assert "form-action 'self';" in browser.page.headers["Content-Security-Policy"]
    browser.prove()
    assert browser.page.status_code == 200 and browser.arrived.address == rp.redirect_uri
    assert "form-action 'self';" in browser.page.headers["Content-Security-Policy"]
    assert browser.page.headers["Cache-Control"] == "no-store" and f'href="{rp.redirect_uri}?' in browser.html


def test_a_request_survives_recovery_and_the_forced_change(rp, browser, post):
    """Guide: asked for a site, forgot the password, chose another, and stands at the site's door."""
    asked = rp.start(browser)
    browser.ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    secret = post.secret(YOUSSEF_EMAIL)
    browser.sign_in(YOUSSEF.login, secret)
    assert browser.path == "/password/expired/"
    browser.get("/continue/")
    assert browser.at_sign_in, "a change session reaches no site"
    browser.change(secret, NEW)
    assert browser.path == "/password/changed/" and 'href="/continue/"' in browser.html
    browser.get("/continue/")
    assert rp.finish(browser, asked).claims["acr"] == ACR_PASSWORD
    assert browser.get("/continue/").path == "/", "answered once"


def test_the_language_a_site_asks_for_is_not_kept(rp, browser):
    browser.open(rp.ask(ui_locales="en").url)
    assert '<html lang="en"' in browser.html
    browser.prove()
    assert facts(YOUSSEF).language == "fr" and '<html lang="fr"' in browser.get("/").html


def test_signing_out_gives_up_what_waits(rp, browser):
    browser.open(rp.ask().url)
    assert SAVED_REQUEST.name in browser.cookies
    browser.prove()
    browser.open(rp.ask(prompt="login").url)
    assert SAVED_REQUEST.name in browser.cookies
    browser.sign_out()
    assert SAVED_REQUEST.name not in browser.cookies
    browser.sign_in(YOUSSEF.login, YOUSSEF.password)
    assert browser.path == "/" and browser.arrived is None


ESSENTIAL = {"id_token": {"acr": {"essential": True, "values": [ACR_NO_RECENT_RECOVERY]}}}


def test_a_site_may_wait_until_a_recovery_has_settled(clock, browser, post):
    rp = party(clock, RECOVERY, scope="openid recovery")
    recover(post, YOUSSEF, YOUSSEF_EMAIL, NEW)
    browser.sign_in(YOUSSEF.login, NEW)
    moment = int(clock().timestamp())
    wishes = ({"acr_values": ACR_NO_RECENT_RECOVERY}, {"claims": json.dumps(ESSENTIAL)})
    for wish in wishes:
        browser.open(rp.ask(**wish).url)
        assert browser.page.status_code == 403 and shows(browser, "sso.not_for_you.recovered_why", "fr")
    either = rp.enter(browser, acr_values=f"{ACR_NO_RECENT_RECOVERY} {ACR_PASSWORD}")
    assert either.claims["acr"] == ACR_PASSWORD
    assert rp.about(either)["recovered_at"] == moment
    clock.advance(hours=73)
    for wish in wishes:
        assert rp.enter(browser, replace(YOUSSEF, password=NEW), **wish).claims["acr"] == ACR_NO_RECENT_RECOVERY


def test_an_unknown_level_can_not_be_promised(rp, browser):
    wish = {"id_token": {"acr": {"essential": True, "value": "urn:example:gold"}}}
    assert rp.error(browser, rp.start(browser, claims=json.dumps(wish))) == "unmet_authentication_requirements"


def test_a_hint_of_another_person_asks_once_and_then_says_so(rp, browser):
    """Else the two would send each other round for ever."""
    jamal = rp.enter(Surfer(), person=JAMAL)
    rp.enter(browser, person=YOUSSEF)
    asked = rp.start(browser, id_token_hint=jamal.id_token)
    assert browser.at_sign_in
    assert rp.error(browser.prove(YOUSSEF), asked) == "login_required"
    asked = rp.start(browser, id_token_hint=jamal.id_token)
    assert rp.code(browser.prove(JAMAL), asked)


def test_claims_by_scope_and_never_more_than_the_site_may_have(clock, browser, rp):
    about = rp.about(rp.enter(browser, person=JAMAL))
    assert about["role"] == "staff" and about["school"] == "Lycée Ibn Khaldoun"
    assert about["school_ar"] == "ثانوية ابن خلدون التأهيلية" and "recovered_at" not in about
    wish = {"userinfo": {"recovered_at": None, "phone_number": None}, "id_token": {"email": None, "role": None}}
    modest = party(clock, live.MASSAR.sites.by_slug["modest"])
    tokens = modest.enter(browser, claims=json.dumps(wish))
    assert tokens.claims["email"] == JAMAL.login and "role" not in tokens.claims
    assert set(modest.about(tokens)) == {"sub"}


@pytest.mark.parametrize("scope", [" ".join(oidc_claims.OF_SCOPE), "openid"])
def test_all_claims_at_once_are_no_error(rp, scope):
    """OIDC Core §5.5: a voluntary claim that is not said is none. With their scopes granted, all are said."""
    every, wanted = replace(STRICT, scopes=tuple(oidc_claims.OF_SCOPE)), dict.fromkeys(oidc_claims.SUPPORTED)
    claims = json.dumps({"userinfo": wanted, "id_token": wanted})
    given = {name: [value] for name, value in {**rp.ask(scope=scope).fields, "claims": claims}.items()}
    found = request.read(given, sites.Registry([every]))
    assert isinstance(found, request.AuthorizationRequest) and len(found.scope) <= oidc_claims.LONGEST_SCOPE
    if scope != "openid":
        in_id_token = oidc_claims.for_id_token(found.scope, always=(), scope="")
        assert oidc_claims.for_userinfo(found.scope) == in_id_token == set(oidc_claims.SUPPORTED)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_rotation_is_noticed_by_no_site(clock, algorithm):
    """A site that asked for the key set an hour ago verifies whatever is signed now, on every half day of four."""
    rp = party(clock, live.MASSAR.sites.by_slug["strict" if algorithm == "ES256" else "suite"])
    published, used = rp.keys, set()
    for hour in range(0, 96, 12):
        if hour in (12, 60):
            sites.keys.rotate(now=clock())
        sites.keys.forget_opened()
        kept = published()
        clock.advance(hours=1)
        rp.keys = lambda kept=kept: kept
        used.add(rp.enter(Surfer()).id_token.partition(".")[0])
        clock.advance(hours=11)
    assert len(used) == 3, "each key signed in its time"
    assert len([k for k in published() if k["alg"] == algorithm]) == 2, "the first is gone"


def test_a_stolen_key_is_gone_at_once_with_those_that_wait(clock):
    """What it signed proves nothing any more: conformance/test_logout.py."""
    sites.keys.active(sites.keys.ES256, now=clock())
    sites.keys.rotate(now=clock())
    sites.keys.rotate(now=clock(), at_once=True)
    held = sites.keys.statuses(now=clock())
    assert [(k.use, k.state) for k in held] == [("ES256", "active"), ("RS256", "active")]


def test_hot_paths_stay_lean(rp, machine, browser, vendor):
    """Statements are what these endpoints cost. SQLite needs a transaction (two statements), PostgreSQL none."""
    tokens = rp.enter(browser)
    apart = vendor == "sqlite"
    assert statements(lambda: rp.userinfo(tokens.access)) == 1
    assert statements(lambda: machine.post("introspection_endpoint", token=tokens.access)) == 1
    assert statements(lambda: machine.post("token_endpoint", grant_type="client_credentials")) == (4 if apart else 1)
    assert statements(lambda: rp.refresh(tokens.refresh)) == (6 if apart else 2)
    assert statements(lambda: rp.wire.get("/jwks")) == 0, "asked half a minute ago"


def statements(work) -> int:
    with captured(perhaps_nothing=True) as seen:
        assert work().status_code == 200
    return len(seen)


# A narrower scope at refresh (RFC 6749 §6) --------------------------------------------------------------------------


def test_a_narrower_scope_is_that_of_the_access_token_alone(rp, browser, machine):
    """UserInfo and introspection obey it; the next refresh token keeps the whole, so does the first access token."""
    before = rp.enter(browser)
    said = rp.refresh(before.refresh, scope="openid school").json()
    assert said["scope"] == "openid school"
    claims = rp.userinfo(said["access_token"]).json()
    assert {"sub", "school"} <= set(claims) and not {"email", "name"} & set(claims)
    assert machine.post("introspection_endpoint", token=said["access_token"]).json()["scope"] == "openid school"
    assert "email" in rp.userinfo(before.access).json()
    whole = rp.refresh(said["refresh_token"]).json()
    assert whole["scope"] == "openid profile email school offline_access"
    assert {"email", "name", "school"} <= set(rp.userinfo(whole["access_token"]).json())
    nobody = rp.refresh(whole["refresh_token"], scope="email").json()
    assert nobody["scope"] == "email" and rp.userinfo(nobody["access_token"]).status_code == 401, "without openid"


def test_a_single_claim_does_not_survive_a_narrower_scope(rp, browser):
    wish = json.dumps({"userinfo": {"email": None}})
    tokens = rp.enter(browser, scope="openid school offline_access", claims=wish)
    assert "email" in rp.about(tokens)
    said = rp.refresh(tokens.refresh, scope="openid school").json()
    assert "email" not in rp.userinfo(said["access_token"]).json()
    again = rp.refresh(said["refresh_token"]).json()
    assert "email" in rp.userinfo(again["access_token"]).json()
