"""Sites that ask for two factors, by the registry or by themselves: the second step on the way, what they are told."""

import json
from dataclasses import replace
from urllib.parse import quote

import pytest

from massar.domain.factors import required
from massar.domain.people.models import Person
from massar.domain.sessions.models import Session
from massar.journeys.sso.access import ACR_NO_RECENT_RECOVERY, ACR_PASSWORD, ACR_TWO_FACTORS
from tests.cast import YOUSSEF
from tests.sso import relying_party, saml_site
from tests.sso.gated_site import NOTIFRH, at_account, opened
from tests.sso.relying_party import STRICT, Surfer, led_on, party
from tests.sso.saml_site import RETRAITE, answered, authn_request, context, redirect
from tests.support.authenticator import App, add_app, second_step
from tests.support.steps import home, shows
from tests.support.visitor import Visitor

pytestmark = pytest.mark.django_db
OIDC = replace(STRICT, slug="two", client_id="two", second_factor=True)
STEP = "/sign-in/second/"


@pytest.fixture
def register(cast, settings):
    return lambda *sites: relying_party.register(settings, *sites)


@pytest.fixture
def app(cast, clock):
    """Youssef has an app."""
    return add_app(home(YOUSSEF), YOUSSEF.password, clock)[0]


def spared(app, clock, browser: Visitor | None = None) -> Visitor:
    """Youssef is signed in with the password alone: he wished not to be asked on this device."""
    visitor = (browser or Visitor()).get("/sign-in/").submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
    second_step(visitor, app.code, spare="on").get("/profile/").submit("/sign-out/")
    visitor.get("/sign-in/").submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
    clock.advance(minutes=2)
    return visitor


def essential(*values: str) -> str:
    return json.dumps({"id_token": {"acr": {"essential": True, "values": list(values)}}})


def test_the_registry_wants_two_factors_and_a_remembered_device_is_none(register, app, clock):
    register(OIDC)
    rp, browser, before = party(clock, OIDC), Surfer(), clock()
    spared(app, clock, browser)
    assert rp.error(browser, rp.start(browser, prompt="none")) == "login_required"
    asked = rp.start(browser)
    assert browser.path == STEP
    second_step(browser, app.code)
    claims = rp.finish(browser, asked).claims
    assert claims["acr"] == ACR_TWO_FACTORS and claims["amr"] == ["pwd", "otp", "mfa"]
    assert claims["auth_time"] == int(before.timestamp()), "a step up is no new sign-in"


def test_a_sign_in_with_both_steps_goes_on_to_the_site(register, app, clock):
    register(OIDC)
    rp, browser = party(clock, OIDC), Surfer()
    asked = rp.start(browser)
    browser.submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
    assert browser.path == STEP
    second_step(browser, app.code)
    assert rp.finish(browser, asked).claims["acr"] == ACR_TWO_FACTORS


def test_who_has_no_factor_sets_one_up_on_the_way(register, cast, clock):
    register(OIDC)
    rp, browser = party(clock, OIDC), Surfer()
    browser.get("/sign-in/").submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
    asked = rp.start(browser)
    assert browser.path == "/profile/security/"
    add_app(browser, YOUSSEF.password, clock)
    browser.get("/continue/")
    assert rp.finish(browser, asked).claims["acr"] == ACR_TWO_FACTORS


@pytest.mark.parametrize("how", ["acr_values", "essential", "prompt too"])
def test_a_site_asks_by_itself(register, app, clock, how):
    register(STRICT)
    wish = {"acr_values": ACR_TWO_FACTORS} if how == "acr_values" else {"claims": essential(ACR_TWO_FACTORS)}
    rp, browser = party(clock, STRICT), Surfer()
    spared(app, clock, browser)
    asked = rp.start(browser, **wish, **({"prompt": "login"} if how == "prompt too" else {}))
    if how == "prompt too":
        browser.submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
    assert browser.path == STEP
    second_step(browser, app.code)
    assert rp.finish(browser, asked).claims["acr"] == ACR_TWO_FACTORS


def test_a_wish_is_no_demand_and_other_sites_hear_what_they_always_heard(register, app, clock):
    register(STRICT)
    rp, browser = party(clock, STRICT), Surfer()
    asked = rp.start(browser, acr_values=f"{ACR_TWO_FACTORS} {ACR_PASSWORD}")
    browser.submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
    second_step(browser, app.code)
    assert rp.finish(browser, asked).claims["acr"] == ACR_TWO_FACTORS
    claims = rp.finish(browser, rp.start(browser)).claims
    assert claims["acr"] == ACR_NO_RECENT_RECOVERY and claims["amr"] == ["pwd", "otp", "mfa"]


def test_without_factors_nothing_is_said_of_two(register, cast, clock):
    register(STRICT)
    rp, browser = party(clock, STRICT), Surfer()
    claims = rp.enter(browser).claims
    assert claims["amr"] == ["pwd"] and claims["acr"] == ACR_NO_RECENT_RECOVERY
    asked = rp.start(browser, acr_values=f"{ACR_TWO_FACTORS} {ACR_PASSWORD}")
    assert rp.finish(browser, asked).claims["acr"] == ACR_PASSWORD, "the first wish that is true"


def test_a_program_that_came_in_with_one_factor_does_not_stay_when_two_are_wanted(register, cast, clock):
    site = replace(STRICT, scopes=("openid", "offline_access"))
    register(site)
    rp, browser = party(clock, site, scope="openid offline_access"), Surfer()
    tokens = rp.enter(browser)
    register(replace(site, second_factor=True))
    refused = rp.refresh(tokens.refresh)
    assert refused.status_code == 400 and refused.json()["error"] == "invalid_grant"


def test_saml_asks_and_is_told(register, app, clock):
    register(RETRAITE)
    visitor = spared(app, clock)
    wants = {"inside": context(ACR_TWO_FACTORS)}
    silent = answered(visitor.get(redirect(authn_request(clock(), IsPassive="true", **wants))))
    assert saml_site.statuses(silent) == ["Responder", "NoPassive"]
    visitor.get(redirect(authn_request(clock(), id="_two", **wants)))
    assert visitor.path == STEP
    second_step(visitor, app.code)
    root = answered(visitor)
    assert root.get("InResponseTo") == "_two"
    assert root.find(".//saml:AuthnContextClassRef", saml_site.NS).text == ACR_TWO_FACTORS
    plain = answered(visitor.get(redirect(authn_request(clock(), id="_plain"))))
    assert plain.find(".//saml:AuthnContextClassRef", saml_site.NS).text.endswith("PasswordProtectedTransport")
    nothing = context(ACR_TWO_FACTORS, comparison="better")
    better = answered(visitor.get(redirect(authn_request(clock(), id="_better", inside=nothing))))
    assert saml_site.statuses(better) == ["Responder", "NoAuthnContext"], "nothing is better"


@pytest.mark.both_databases
def test_the_gate_opens_for_two_factors_and_says_so(register, app, clock):
    register(NOTIFRH)
    visitor = spared(app, clock)
    proxy = opened(visitor)
    assert proxy.check()["X-Massar-Acr"] == quote(ACR_PASSWORD, safe="")
    register(replace(NOTIFRH, second_factor=True))
    assert proxy.check().status_code == 401, "at once"
    assert at_account(visitor, proxy.begin("/dossier/12"))["Location"] == STEP
    second_step(visitor.get(STEP), app.code)
    back = proxy.enter(led_on(visitor.html))
    assert back["Location"].endswith("/dossier/12")
    assert proxy.check("/dossier/12")["X-Massar-Acr"] == quote(ACR_TWO_FACTORS, safe="")


# --- a fresh proof


def types_the_password(visitor: Visitor) -> Visitor:
    return visitor.submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)


@pytest.mark.parametrize("wish", [{"prompt": "login"}, {"max_age": "30"}])
def test_atk_111_a_site_that_asks_for_a_fresh_proof_gets_the_factor_too(register, app, clock, wish):
    """ATK-111: a session left open on a remembered device, and the password. The factor is asked with the password."""
    register(STRICT)
    rp, browser = party(clock, STRICT), Surfer()
    spared(app, clock, browser)
    asked = rp.start(browser, **wish)
    assert browser.at_sign_in
    assert types_the_password(browser).path == STEP, "no device is spared for it"
    second_step(browser, app.code)
    assert rp.finish(browser, asked).claims["amr"] == ["pwd", "otp", "mfa"]
    clock.advance(minutes=2)
    rp.start(browser, **wish)
    assert types_the_password(browser).path == STEP, "nor for the factor that this session has proved earlier"


@pytest.mark.parametrize("wish", [{"prompt": "login"}, {"max_age": "3600"}])
def test_atk_111_nor_does_the_password_do_where_nobody_was_signed_in(register, app, clock, wish):
    """ATK-111: the thief signs the owner out first: the site's request then meets an ordinary sign-in."""
    register(STRICT)
    rp, browser = party(clock, STRICT), Surfer()
    spared(app, clock, browser).get("/profile/").submit("/sign-out/")
    asked = rp.start(browser, **wish)
    assert types_the_password(browser).path == STEP
    second_step(browser, app.code)
    assert rp.finish(browser, asked).claims["amr"] == ["pwd", "otp", "mfa"]


def test_who_has_no_factor_is_asked_for_the_password_alone(register, cast, clock):
    register(STRICT)
    rp, browser = party(clock, STRICT), Surfer()
    types_the_password(browser.get("/sign-in/"))
    clock.advance(minutes=2)
    asked = rp.start(browser, prompt="login")
    types_the_password(browser)
    assert rp.finish(browser, asked).claims["amr"] == ["pwd"]


def test_saml_and_the_gate_ask_for_the_factor_with_a_fresh_proof(register, app, clock):
    """ATK-111: ForceAuthn, and a page of a gated site that wants it."""
    register(RETRAITE, NOTIFRH)
    visitor = spared(app, clock)
    visitor.get(redirect(authn_request(clock(), id="_force", ForceAuthn="true")))
    clock.advance(seconds=1)
    assert types_the_password(visitor).path == STEP
    second_step(visitor, app.code)
    assert answered(visitor).get("InResponseTo") == "_force"
    clock.advance(minutes=1)
    visitor = spared(app, clock)
    proxy = opened(visitor)
    again = proxy.ask("begin/?again=yes", "/dossier/12")["Location"]
    assert at_account(visitor, again)["Location"] == "/sign-in/"
    clock.advance(seconds=1)
    assert types_the_password(visitor.get("/sign-in/")).path == STEP
    second_step(visitor, app.code)
    proxy.enter(led_on(visitor.html))
    assert proxy.check("/dossier/12")["X-Massar-Acr"] == quote(ACR_TWO_FACTORS, safe="")


# --- a rule for the person, while sites are open


@pytest.fixture
def begins(settings):
    """A rule comes into force, as the variable does."""

    def rule(word: str = "*") -> None:
        settings.MASSAR = replace(settings.MASSAR, second_factor_roles=required.read((word,)))

    return rule


def test_a_rule_that_begins_is_kept_at_the_gate_at_once_and_the_step_leads_back(register, begins, app, clock):
    register(NOTIFRH)
    visitor = spared(app, clock)
    proxy = opened(visitor)
    assert proxy.check().status_code == 200
    begins()
    assert proxy.check().status_code == 401
    assert at_account(visitor, proxy.begin("/dossier/12"))["Location"] == STEP, "asked, not thrown out"
    second_step(visitor.get(STEP), app.code)
    assert proxy.enter(led_on(visitor.html))["Location"].endswith("/dossier/12")
    assert proxy.check("/dossier/12")["X-Massar-Acr"] == quote(ACR_TWO_FACTORS, safe="")


def test_a_role_that_is_gained_counts_as_well(register, begins, app, clock):
    register(NOTIFRH)
    begins("inspector")
    proxy = opened(spared(app, clock))
    assert proxy.check().status_code == 200
    Person.objects.filter(login=YOUSSEF.login).update(role="inspector")
    assert proxy.check().status_code == 401


def test_who_has_no_factor_when_the_rule_begins_hears_why_and_sets_one_up_on_the_way(register, begins, cast, clock):
    register(NOTIFRH)
    visitor = types_the_password(Visitor().get("/sign-in/"))
    proxy = opened(visitor)
    begins()
    assert proxy.check().status_code == 401
    assert at_account(visitor, proxy.begin("/dossier/12"))["Location"] == "/sign-in/"
    assert shows(visitor.get("/sign-in/"), "flash.factor_required", "fr")
    assert types_the_password(visitor).path == f"{STEP}app/"
    visitor.submit(f"{STEP}app/", code=App(visitor.html, clock).code)
    assert proxy.enter(led_on(visitor.get("/continue/").html))["Location"].endswith("/dossier/12")


def test_a_rule_that_begins_ends_refreshing_and_the_next_entry_asks_for_the_step_alone(register, begins, app, clock):
    """With a browser, silently too, and without one: a refresh token from before the rule says so by an error."""
    site = replace(STRICT, scopes=("openid", "offline_access"))
    register(site)
    rp, browser, before = party(clock, site, scope="openid offline_access"), Surfer(), clock()
    spared(app, clock, browser)
    old = rp.finish(browser, rp.start(browser))
    begins()
    assert rp.error(browser, rp.start(browser, prompt="none")) == "login_required"
    asked = rp.start(browser)
    assert browser.path == STEP
    second_step(browser, app.code)
    tokens = rp.finish(browser, asked)
    assert tokens.claims["amr"] == ["pwd", "otp", "mfa"]
    assert tokens.claims["auth_time"] == int(before.timestamp()), "a step up is no new sign-in"
    assert rp.refresh(tokens.refresh).status_code == 200
    assert relying_party.refused(rp.refresh(old.refresh))


def test_saml_asks_for_the_step_when_a_rule_has_begun(register, begins, app, clock):
    register(RETRAITE)
    visitor = spared(app, clock)
    begins()
    silent = answered(visitor.get(redirect(authn_request(clock(), IsPassive="true"))))
    assert saml_site.statuses(silent) == ["Responder", "NoPassive"]
    visitor.get(redirect(authn_request(clock(), id="_two")))
    assert visitor.path == STEP
    second_step(visitor, app.code)
    assert answered(visitor).get("InResponseTo") == "_two"


def test_a_site_signs_out_a_session_that_owes_the_step(register, begins, app, clock):
    """What is not open any more can still be ended: the site's sign-out finds the session behind the cookie."""
    register(STRICT)
    rp, browser = party(clock, STRICT), Surfer()
    spared(app, clock, browser)
    tokens = rp.finish(browser, rp.start(browser))
    begins()
    browser.get(rp.end_session(id_token_hint=tokens.id_token))
    assert not Session.objects.filter(ended_at=None, amr="pwd").exists()
