"""A site begins the sign-out, and another can only be told by this browser: the list comes first, then the way on."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from massar.domain.sites import api as sites
from massar.domain.sites.api import Registry
from tests.cast import YOUSSEF
from tests.sso.relying_party import SITES, STRICT, SUITE, Surfer, party
from tests.sso.saml_site import (
    RETRAITE,
    SITE_KEYS,
    STRANGER_KEYS,
    back,
    enveloped,
    inflated,
    logout_request,
    logout_status,
    posted,
    redirect,
    sent_there,
    shows,
    visit,
)
from tests.support.visitor import Visitor

pytestmark = pytest.mark.both_databases

OTHER = replace(
    RETRAITE, slug="haraka", entity_id="https://haraka.example.ma/saml", acs=("https://haraka.example.ma/acs",),
    slo="https://haraka.example.ma/slo", certificate=STRANGER_KEYS.certificate, name={"ar": "حركية", "en": "Haraka"},
)  # fmt: skip
BACK = SUITE.post_logout_redirect_uris[0]


@pytest.fixture(autouse=True)
def registered(cast, settings):
    settings.MASSAR = dataclasses.replace(settings.MASSAR, sites=Registry([RETRAITE, OTHER, *SITES]))


def way_on(visitor: Visitor) -> str:
    """The list, and where its main button leads."""
    assert visitor.path == "/sign-out/everywhere/" and not visitor.signed_in
    (link,) = [tag for tag in visitor.html.split("<a ") if tag.startswith('class="button primary"')]
    return link.partition('href="')[2].partition('"')[0].replace("&amp;", "&")


def asked_by_the_suite(clock, *, state: str = "s-1") -> Surfer:
    browser, suite = Surfer(), party(clock, SUITE)
    tokens = suite.enter(browser)
    visit(browser, clock)
    browser.open(suite.end_session(id_token_hint=tokens.id_token, post_logout_redirect_uri=BACK, state=state))
    return browser


def test_the_list_comes_first_and_leads_on_to_the_site(clock):
    browser = asked_by_the_suite(clock)
    assert way_on(browser) == f"{BACK}?state=s-1"
    assert shows(browser, "sso.told.by_hand") and shows(browser, "flash.signed_out")


def test_it_still_leads_on_after_the_other_site_has_answered(clock):
    browser = asked_by_the_suite(clock)
    _, request = sent_there(browser)
    browser.get(back(clock(), request))
    assert shows(browser, "sso.told.confirmed") and not shows(browser, "sso.told.by_hand")
    assert way_on(browser) == f"{BACK}?state=s-1"


def test_without_such_a_site_the_browser_goes_straight_back(clock):
    browser, suite = Surfer(), party(clock, SUITE)
    tokens = suite.enter(browser)
    browser.open(suite.end_session(id_token_hint=tokens.id_token, post_logout_redirect_uri=BACK, state="s-1"))
    assert browser.arrived.address == BACK and browser.arrived.fields == {"state": "s-1"}


def test_a_way_on_that_no_cookie_holds_is_taken_at_once(clock):
    browser = asked_by_the_suite(clock, state="x" * 2500)
    assert browser.arrived.address == BACK and not browser.signed_in


def test_after_the_question_the_list_comes_too(clock):
    browser, suite = Surfer(), party(clock, SUITE)
    suite.enter(browser)
    visit(browser, clock)
    browser.open(suite.end_session(client_id="suite", post_logout_redirect_uri=BACK))
    browser.confirm(urlsplit(suite.metadata["end_session_endpoint"]).path)
    assert way_on(browser) == BACK


@pytest.fixture
def asked_by_saml(clock) -> Visitor:
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    name, index = visit(visitor, clock)
    assert visitor.client.get(f"/saml/start/{OTHER.slug}/").status_code == 200
    request = logout_request(clock(), name=name, index=index, id="_asked-47392")
    return visitor.get(redirect(request, key=SITE_KEYS.key, to="/saml/slo", relay="after"))


def test_a_saml_site_is_answered_from_the_list(asked_by_saml):
    way = way_on(asked_by_saml)
    answer = asked_by_saml.client.get(way)
    assert answer["Location"].startswith(f"{RETRAITE.slo}?SAMLResponse=")
    assert logout_status(answer) == ["Success", "PartialLogout"], "the other site was left open (SAML core §3.7.3.2)"
    assert parse_qs(urlsplit(answer["Location"]).query)["RelayState"] == ["after"]


def test_a_saml_site_hears_that_all_are_closed(asked_by_saml, clock):
    sent = parse_qs(urlsplit(asked_by_saml.client.get(f"/saml/leave/{OTHER.slug}/")["Location"]).query)
    request = inflated(sent["SAMLRequest"][0])
    asked_by_saml.get(back(clock(), request, key=STRANGER_KEYS.key, issuer=OTHER.entity_id))
    assert shows(asked_by_saml, "sso.told.confirmed") and not shows(asked_by_saml, "sso.told.by_hand")
    assert logout_status(asked_by_saml.client.get(way_on(asked_by_saml))) == ["Success"]


def test_a_posted_request_shows_the_list_too(clock):
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    name, index = visit(visitor, clock)
    assert visitor.client.get(f"/saml/start/{OTHER.slug}/").status_code == 200
    form = {"SAMLRequest": posted(enveloped(logout_request(clock(), name=name, index=index)))}
    visitor.page = visitor.client.post("/saml/slo", form, follow=True)
    assert visitor.path == "/sign-out/everywhere/" and not visitor.signed_in


def test_only_the_other_site_is_to_be_told(asked_by_saml):
    assert (
        f"/saml/leave/{OTHER.slug}/" in asked_by_saml.html and f"/saml/leave/{RETRAITE.slug}/" not in asked_by_saml.html
    )


def test_a_stranger_gets_no_answer_of_ours(asked_by_saml):
    assert Visitor().get("/saml/answer/").path == "/sign-in/"


def test_the_way_on_closes_with_the_list(asked_by_saml, clock):
    clock.advance(minutes=15)
    assert asked_by_saml.get("/saml/answer/").path == "/sign-in/"


def test_who_signs_in_again_is_not_led_away(asked_by_saml):
    asked_by_saml.sign_in(YOUSSEF.login, YOUSSEF.password).get("/sign-out/everywhere/")
    assert "/saml/answer/" not in asked_by_saml.html


def both(clock) -> tuple[Surfer, object, object, object]:
    """One person at two sites; the second has a refresh token."""
    browser, suite, other = Surfer(), party(clock, SUITE), party(clock, STRICT, scope="openid offline_access")
    return browser, suite, suite.enter(browser), (other, other.enter(browser))


@pytest.mark.parametrize("away", ["idle", "closed"])
def test_a_site_signs_out_who_is_no_longer_seen_here(clock, away):
    """Half an hour at the site is idle time here, a closed browser has no cookie: the proof says who is meant."""
    browser, suite, tokens, (other, kept) = both(clock)
    if away == "idle":
        clock.advance(minutes=31)
    else:
        del browser.client.cookies["massar-session"]
    browser.open(suite.end_session(id_token_hint=tokens.id_token, post_logout_redirect_uri=BACK, state="s"))
    assert browser.arrived.address == BACK
    assert other.refresh(kept.refresh).status_code == 400, "the other site is closed with the session"


def test_without_a_good_proof_nothing_ends_unseen(clock):
    browser, suite, tokens, (other, kept) = both(clock)
    stranger = Surfer()
    stranger.open(suite.end_session(client_id="suite", post_logout_redirect_uri=BACK))
    sites.keys.rotate(now=clock(), at_once=True)
    stranger.open(suite.end_session(id_token_hint=tokens.id_token, post_logout_redirect_uri=BACK))
    assert other.refresh(kept.refresh).status_code == 200 and browser.signed_in


def test_the_button_closes_the_sites_after_a_long_look_at_the_question(clock):
    browser, suite, _, (other, kept) = both(clock)
    browser.open(suite.end_session(client_id="suite", post_logout_redirect_uri=BACK))
    clock.advance(minutes=31)
    browser.submit(urlsplit(suite.metadata["end_session_endpoint"]).path)
    assert browser.arrived.address == BACK and other.refresh(kept.refresh).status_code == 400


def test_a_session_that_gave_way_in_the_same_second_is_not_this_browsers(clock):
    """The eleventh sign-in ends the oldest session; signing out at once speaks of this browser's sites alone."""
    visit(Visitor().sign_in(YOUSSEF.login, YOUSSEF.password), clock)
    browsers = [Visitor().sign_in(YOUSSEF.login, YOUSSEF.password) for _ in range(10)]
    assert browsers[-1].submit("/sign-out/").path == "/sign-in/"
