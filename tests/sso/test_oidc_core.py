"""The OpenID Provider where the certification plans don't look: ends, keys, waiting requests, what a page may do."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.conf import settings as live
from django.db import connection
from django.test.utils import CaptureQueriesContext

from massar.domain.people import api as people
from massar.domain.sessions.models import Session
from massar.domain.sites import api as sites
from massar.interfaces.base.cookies import SAVED_REQUEST
from massar.journeys.sso.access import ACR_NO_RECENT_RECOVERY, ACR_PASSWORD
from massar.journeys.sso.oidc import claims as oidc_claims
from massar.journeys.sso.oidc import request
from tests.cast import JAMAL, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.sso.relying_party import SITES, STRICT, RelyingParty, Surfer, party
from tests.support.steps import shows

NEW = "Rivière#4827-ocre"
RECOVERY = replace(STRICT, slug="transfers", client_id="transfers", scopes=(*STRICT.scopes, "recovery"))
PUBLIC = replace(STRICT, slug="app", client_id="app", client_auth="none", client_secret="")
CLOSED = replace(STRICT, slug="inspectors", client_id="inspectors", roles=("inspector",))


@pytest.fixture(autouse=True)
def registered(cast, settings):
    all_of_them = sites.Registry([*SITES, RECOVERY, PUBLIC, CLOSED])
    settings.MASSAR = replace(settings.MASSAR, sites=all_of_them)


@pytest.fixture
def rp(clock) -> RelyingParty:
    return party(clock, STRICT, scope="openid profile email school offline_access")


def is_dead(rp: RelyingParty, machine: RelyingParty, tokens) -> bool:
    """Nothing that came of this visit opens anything."""
    active = machine.post("introspection_endpoint", token=tokens.access).json()
    refreshed = rp.refresh(tokens.refresh)
    assert refreshed.status_code == 200 or refreshed.json()["error"] == "invalid_grant"
    return (rp.userinfo(tokens.access).status_code, refreshed.status_code, active) == (
        401, 400, {"active": False},
    )  # fmt: skip


# Ends ---------------------------------------------------------------------------------------------------------------


def test_a_disabled_person_and_an_ended_session_open_nothing(rp, machine, browser):
    tokens = rp.enter(browser)
    assert rp.userinfo(tokens.access).status_code == 200
    people.directory.disable(facts(YOUSSEF).id)
    assert rp.userinfo(tokens.access).status_code == 401
    assert machine.post("introspection_endpoint", token=tokens.access).json() == {"active": False}
    people.directory.enable(facts(YOUSSEF).id)
    assert rp.userinfo(tokens.access).status_code == 200
    browser.get("/").submit("/sign-out/")
    assert is_dead(rp, machine, tokens)


def test_a_session_that_gave_way_to_newer_ones_takes_its_tokens_along(rp, machine, browser, clock):
    """Its end is written by one statement that knows nothing of sites."""
    tokens = rp.enter(browser)
    Session.objects.update(ended_at=clock(), ended_why="too_many")
    assert is_dead(rp, machine, tokens)


def test_tokens_never_outlive_the_longest_life_of_the_session(rp, browser, clock):
    tokens = rp.enter(browser)
    session = Session.objects.get()
    clock.set(session.expires_at - timedelta(seconds=30))
    said = rp.refresh(tokens.refresh).json()
    assert said["expires_in"] == 30
    clock.advance(seconds=31)
    assert rp.userinfo(said["access_token"]).status_code == 401
    assert rp.refresh(said["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_changed_password_ends_all_and_tells_the_site(rp, machine, browser):
    tokens = rp.enter(browser)
    browser.change(YOUSSEF.password, NEW)
    assert browser.path == "/password/changed/"
    assert is_dead(rp, machine, tokens) and told() == {"strict"}


def test_a_site_that_gave_its_token_back_is_still_told(rp, machine, browser):
    tokens = rp.enter(browser)
    assert rp.post("revocation_endpoint", token=tokens.refresh).status_code == 200
    assert is_dead(rp, machine, tokens) and told() == set()
    browser.get("/").submit("/sign-out/")
    assert told() == {"strict"}


def told() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT about FROM delivery_message WHERE purpose = 'site_logout'")
        return {row[0] for row in cursor.fetchall()}


# Sites for themselves, and sites without a secret -------------------------------------------------------------------


def test_a_service_gets_a_token_that_is_nobody_s(machine, rp):
    said = machine.post("token_endpoint", grant_type="client_credentials", scope="email").json()
    assert said["token_type"] == "Bearer" and said["scope"] == "email" and "refresh_token" not in said
    about = machine.post("introspection_endpoint", token=said["access_token"]).json()
    assert (about["active"], about["client_id"], about["sub"]) == (True, "machine", "machine")
    assert "username" not in about
    assert machine.userinfo(said["access_token"]).status_code == 401
    refused = rp.post("token_endpoint", grant_type="client_credentials")
    assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")


def test_an_app_without_a_secret_needs_its_verifier(clock, browser):
    app = party(clock, PUBLIC)
    asked, code = app.send(browser)
    assert app.redeem(asked, code, code_verifier="x" * 43).json()["error"] == "invalid_grant"
    assert app.enter(browser).claims["aud"] == "app"
    assert app.post("token_endpoint", grant_type="client_credentials").json()["error"] == "unauthorized_client"


@pytest.mark.parametrize(("kind", "needed"), [("authorization_code", "code"), ("refresh_token", "refresh_token")])
def test_a_token_request_without_what_it_turns_is_malformed(rp, kind, needed):
    for given in ({}, {needed: ""}):
        answer = rp.post("token_endpoint", grant_type=kind, redirect_uri=rp.redirect_uri, **given)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), given


# What the pages do --------------------------------------------------------------------------------------------------


def test_form_post_carries_the_answer_in_a_form(rp, browser):
    asked, code = rp.send(browser, response_mode="form_post")
    assert browser.arrived.status == 200 and rp.tokens(asked, rp.redeem(asked, code))
    assert "form-action 'self' https:;" in browser.page.headers["Content-Security-Policy"]


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
    browser.get("/sign-in/").submit("/sign-in/", user=YOUSSEF.login, password=secret)
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
    browser.get("/").submit("/sign-out/")
    assert SAVED_REQUEST.name not in browser.cookies
    browser.sign_in(YOUSSEF.login, YOUSSEF.password)
    assert browser.path == "/" and browser.arrived is None


def test_a_role_without_entry_gets_a_page_and_the_silent_way_an_error(clock, browser):
    closed = party(clock, CLOSED)
    browser.open(closed.ask().url).prove()
    assert browser.page.status_code == 403 and browser.arrived is None
    assert shows(browser, "sso.not_for_you.role", "fr")
    asked = closed.start(browser, prompt="none")
    assert closed.error(browser, asked) == "access_denied"


# Strength -----------------------------------------------------------------------------------------------------------


def recovered(browser, post) -> None:
    browser.ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    secret = post.secret(YOUSSEF_EMAIL)
    browser.get("/sign-in/").submit("/sign-in/", user=YOUSSEF.login, password=secret)
    browser.change(secret, NEW)
    assert browser.signed_in


@pytest.mark.parametrize(
    "wish",
    [
        {"acr_values": ACR_NO_RECENT_RECOVERY},
        {"claims": json.dumps({"id_token": {"acr": {"essential": True, "values": [ACR_NO_RECENT_RECOVERY]}}})},
    ],
    ids=["acr_values", "claims"],
)
def test_a_site_may_wait_until_a_recovery_has_settled(clock, browser, post, wish):
    rp = party(clock, RECOVERY, scope="openid recovery")
    recovered(browser, post)
    moment = int(clock().timestamp())
    browser.open(rp.ask(**wish).url)
    assert browser.page.status_code == 403 and shows(browser, "sso.not_for_you.recovered_why")
    either = rp.enter(browser, acr_values=f"{ACR_NO_RECENT_RECOVERY} {ACR_PASSWORD}")
    assert either.claims["acr"] == ACR_PASSWORD
    assert rp.about(either)["recovered_at"] == moment
    clock.advance(hours=73)
    browser.open(rp.ask(**wish).url)
    assert browser.at_sign_in
    browser.submit("/sign-in/", user=YOUSSEF.login, password=NEW)
    assert browser.arrived and "code" in browser.arrived.fields


def test_an_unknown_level_can_not_be_promised(rp, browser):
    wish = {"id_token": {"acr": {"essential": True, "value": "urn:example:gold"}}}
    asked = rp.start(browser, claims=json.dumps(wish))
    assert rp.error(browser, asked) == "unmet_authentication_requirements"


def test_a_hint_of_another_person_asks_once_and_then_says_so(rp, browser):
    """Else the two would send each other round for ever."""
    jamal = rp.enter(Surfer(), person=JAMAL)
    rp.enter(browser, person=YOUSSEF)
    asked = rp.start(browser, id_token_hint=jamal.id_token)
    assert browser.at_sign_in
    assert rp.error(browser.prove(YOUSSEF), asked) == "login_required"
    asked = rp.start(browser, id_token_hint=jamal.id_token)
    assert rp.code(browser.prove(JAMAL), asked)


# Claims and requests ------------------------------------------------------------------------------------------------


def test_claims_by_scope_and_never_more_than_the_site_may_have(clock, browser, rp):
    jamal = rp.enter(browser, person=JAMAL)
    about = rp.about(jamal)
    assert about["role"] == "staff" and about["school"] == "Lycée Ibn Khaldoun"
    assert about["school_ar"] == "ثانوية ابن خلدون التأهيلية" and "recovered_at" not in about
    wish = {
        "userinfo": {"recovered_at": None, "phone_number": None},
        "id_token": {"email": None, "role": None},
    }
    modest = party(clock, replace(STRICT, slug="modest", client_id="modest", scopes=("openid", "email")))
    modest.site = live.MASSAR.sites.by_slug["modest"]
    tokens = modest.enter(browser, claims=json.dumps(wish))
    assert tokens.claims["email"] == JAMAL.login and "role" not in tokens.claims
    assert set(modest.about(tokens)) == {"sub"}


@pytest.mark.parametrize("scope", [" ".join(oidc_claims.OF_SCOPE), "openid"])
def test_all_claims_at_once_are_no_error(rp, scope):
    """OIDC Core §5.5: a voluntary claim that is not said is none. With their scopes granted, all are said."""
    every = replace(STRICT, scopes=tuple(oidc_claims.OF_SCOPE))
    wanted = dict.fromkeys(oidc_claims.SUPPORTED)
    claims = json.dumps({"userinfo": wanted, "id_token": wanted})
    given = {name: [value] for name, value in {**rp.ask(scope=scope).fields, "claims": claims}.items()}
    found = request.read(given, sites.Registry([every]))
    assert isinstance(found, request.AuthorizationRequest) and len(found.scope) <= oidc_claims.LONGEST_SCOPE
    if scope != "openid":
        assert (
            oidc_claims.for_userinfo(found.scope) == oidc_claims.for_id_token(found.scope) == set(oidc_claims.SUPPORTED)
        )


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
def test_malformed_forms_are_refused_before_anybody_is_asked(rp, path):
    twice = urlencode([("grant_type", "a"), ("grant_type", "b")])
    kinds = {"application/x-www-form-urlencoded": twice, "application/json": "{}"}
    for kind, body in kinds.items():
        answer = rp.wire.post(path, body, content_type=kind)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert answer.headers["Cache-Control"] == "no-store"


# Keys ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_rotation_is_noticed_by_no_site(clock, algorithm):
    """A site that asked for the key set an hour ago verifies whatever is signed now, on every hour of four days."""
    site = live.MASSAR.sites.by_slug["strict" if algorithm == "ES256" else "suite"]
    rp = party(clock, site)
    published = rp.keys
    used = set()
    for hour in range(0, 96, 6):
        if hour in (6, 60):
            sites.keys.rotate(now=clock())
        sites.keys.forget_opened()
        kept = published()
        clock.advance(hours=1)
        rp.keys = lambda kept=kept: kept
        tokens = rp.enter(Surfer())
        used.add(tokens.id_token.partition(".")[0])
        clock.advance(hours=5)
    assert len(used) == 3, "each key signed in its time"
    assert len([k for k in published() if k["alg"] == algorithm]) == 2, "the first is gone"


def test_a_stolen_key_is_gone_at_once_with_those_that_wait(rp, browser, clock):
    tokens = rp.enter(browser)
    sites.keys.rotate(now=clock())
    sites.keys.rotate(now=clock(), at_once=True)
    held = sites.keys.statuses(now=clock())
    assert [(k.use, k.state) for k in held] == [("ES256", "active"), ("RS256", "active")]
    browser.open(rp.end_session(id_token_hint=tokens.id_token))
    assert browser.arrived is None and browser.signed_in, "what it signed proves nothing any more"


# Cost ---------------------------------------------------------------------------------------------------------------


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
    with CaptureQueriesContext(connection) as seen:
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


def test_without_openid_an_access_token_tells_nothing_about_the_person(rp, browser):
    said = rp.refresh(rp.enter(browser).refresh, scope="email").json()
    assert said["scope"] == "email" and rp.userinfo(said["access_token"]).status_code == 401


def test_a_single_claim_does_not_survive_a_narrower_scope(rp, browser):
    wish = json.dumps({"userinfo": {"email": None}})
    tokens = rp.enter(browser, scope="openid school offline_access", claims=wish)
    assert "email" in rp.about(tokens)
    said = rp.refresh(tokens.refresh, scope="openid school").json()
    assert "email" not in rp.userinfo(said["access_token"]).json()
    again = rp.refresh(said["refresh_token"]).json()
    assert "email" in rp.userinfo(again["access_token"]).json()


@pytest.mark.parametrize("scope", ["openid phone", "nonsense"])
def test_a_scope_that_was_never_granted_changes_nothing(rp, browser, scope):
    tokens = rp.enter(browser)
    assert rp.refresh(tokens.refresh, scope=scope).json()["error"] == "invalid_scope"
    assert rp.refresh(tokens.refresh).status_code == 200, "the token was not used up"
