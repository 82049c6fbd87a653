"""A site begins the sign-out, and another can only be told by this browser: the list comes first, then the way on."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from massar.domain.sites import api as sites
from tests.cast import YOUSSEF
from tests.sso import saml_site
from tests.sso.relying_party import SITES, STRICT, SUITE, Surfer, party, register
from tests.sso.saml_site import RETRAITE, SITE_KEYS, STRANGER_KEYS, back, logout_request, logout_status, redirect, visit
from tests.support.visitor import Visitor

OTHER = replace(
    RETRAITE, slug="haraka", entity_id="https://haraka.example.ma/saml", acs=("https://haraka.example.ma/acs",),
    slo="https://haraka.example.ma/slo", certificate=STRANGER_KEYS.certificate, name={"ar": "حركية", "en": "Haraka"},
)  # fmt: skip
BACK = SUITE.post_logout_redirect_uris[0]


@pytest.fixture(autouse=True)
def registered(cast, settings):
    register(settings, RETRAITE, OTHER, *SITES)


def way_on(visitor: Visitor) -> str:
    """The list, and where its main button leads."""
    assert visitor.path == "/sign-out/everywhere/" and not visitor.signed_in
    (link,) = [tag for tag in visitor.html.split("<a ") if tag.startswith('class="button primary"')]
    return link.partition('href="')[2].partition('"')[0].replace("&amp;", "&")


@pytest.fixture
def suite(clock):
    return party(clock, SUITE)


def leave(suite, browser, tokens, **fields: str) -> None:
    """The site sends the browser to sign out, with its ID token as proof."""
    browser.open(suite.end_session(id_token_hint=tokens.id_token, post_logout_redirect_uri=BACK, **fields))


@pytest.mark.both_databases
def test_the_list_comes_first_and_leads_on_to_the_site(clock, suite, browser):
    """Also after the other site has answered."""
    tokens = suite.enter(browser)
    visit(browser, clock)
    leave(suite, browser, tokens, state="s-1")
    assert way_on(browser) == f"{BACK}?state=s-1"
    assert saml_site.shows(browser, "sso.told.by_hand") and saml_site.shows(browser, "flash.signed_out")
    _, request = saml_site.sent_there(browser)
    browser.get(back(clock(), request))
    assert saml_site.shows(browser, "sso.told.confirmed") and not saml_site.shows(browser, "sso.told.by_hand")
    assert way_on(browser) == f"{BACK}?state=s-1"
    suite.enter(browser)
    visit(browser, clock)
    browser.open(suite.end_session(client_id="suite", post_logout_redirect_uri=BACK)).confirm("/logout")
    assert way_on(browser) == BACK, "after the question too"


@pytest.mark.parametrize("state", ["s-1", "x" * 2500], ids=["no such site", "no cookie holds the way on"])
def test_else_the_browser_goes_straight_back(clock, suite, browser, state):
    tokens = suite.enter(browser)
    if state != "s-1":
        visit(browser, clock)
    leave(suite, browser, tokens, state=state)
    assert (browser.arrived.address, browser.arrived.fields) == (BACK, {"state": state}) and not browser.signed_in


@pytest.fixture
def at_both(clock, youssef) -> tuple[str, str]:
    """At both SAML sites; what the first calls the person and the session."""
    called = visit(youssef, clock)
    assert youssef.client.get(f"/saml/start/{OTHER.slug}/").status_code == 200
    return called


@pytest.fixture
def asked_by_saml(clock, youssef, at_both) -> Visitor:
    request = logout_request(clock(), name=at_both[0], index=at_both[1], id="_asked-47392")
    return youssef.get(redirect(request, key=SITE_KEYS.key, to="/saml/slo", relay="after"))


def test_a_saml_site_is_answered_from_the_list(asked_by_saml):
    """Only the other site is to be told."""
    assert f"/saml/leave/{OTHER.slug}/" in asked_by_saml.html
    assert f"/saml/leave/{RETRAITE.slug}/" not in asked_by_saml.html
    answer = asked_by_saml.client.get(way_on(asked_by_saml))
    assert answer["Location"].startswith(f"{RETRAITE.slo}?SAMLResponse=")
    assert logout_status(answer) == ["Success", "PartialLogout"], "the other site was left open (SAML core §3.7.3.2)"
    assert parse_qs(urlsplit(answer["Location"]).query)["RelayState"] == ["after"]


def test_a_saml_site_hears_that_all_are_closed(asked_by_saml, clock):
    sent = parse_qs(urlsplit(asked_by_saml.client.get(f"/saml/leave/{OTHER.slug}/")["Location"]).query)
    request = saml_site.inflated(sent["SAMLRequest"][0])
    asked_by_saml.get(back(clock(), request, key=STRANGER_KEYS.key, issuer=OTHER.entity_id))
    said = [saml_site.shows(asked_by_saml, f"sso.told.{id}") for id in ("confirmed", "by_hand")]
    assert said == [True, False]
    assert logout_status(asked_by_saml.client.get(way_on(asked_by_saml))) == ["Success"]


def test_a_posted_request_shows_the_list_too(clock, youssef, at_both):
    request = saml_site.enveloped(logout_request(clock(), name=at_both[0], index=at_both[1]))
    youssef.page = youssef.client.post("/saml/slo", {"SAMLRequest": saml_site.posted(request)}, follow=True)
    assert youssef.path == "/sign-out/everywhere/" and not youssef.signed_in


def test_the_way_on_is_this_browsers_and_closes_with_the_list(asked_by_saml, clock):
    assert Visitor().get("/saml/answer/").path == "/sign-in/"
    clock.advance(minutes=15)
    assert asked_by_saml.get("/saml/answer/").path == "/sign-in/"


def test_who_signs_in_again_is_not_led_away(asked_by_saml):
    asked_by_saml.sign_in(YOUSSEF.login, YOUSSEF.password).get("/sign-out/everywhere/")
    assert "/saml/answer/" not in asked_by_saml.html


@pytest.fixture
def left_open(clock, suite, browser):
    """One person at two sites: the first one's tokens, and whether the second is still open."""
    tokens, other = suite.enter(browser), party(clock, STRICT, scope="openid offline_access")
    kept = other.enter(browser)
    return tokens, lambda: other.refresh(kept.refresh).status_code == 200


@pytest.mark.parametrize("away", ["idle", "closed"])
def test_a_site_signs_out_who_is_no_longer_seen_here(clock, suite, browser, left_open, away):
    """Half an hour at the site is idle time here, a closed browser has no cookie: the proof says who is meant."""
    tokens, is_open = left_open
    if away == "idle":
        clock.advance(minutes=31)
    else:
        del browser.client.cookies["massar-session"]
    leave(suite, browser, tokens, state="s")
    assert browser.arrived.address == BACK
    assert not is_open(), "the other site is closed with the session"


def test_without_a_good_proof_nothing_ends_unseen(clock, suite, browser, left_open):
    tokens, is_open = left_open
    stranger = Surfer()
    stranger.open(suite.end_session(client_id="suite", post_logout_redirect_uri=BACK))
    sites.keys.rotate(now=clock(), at_once=True)
    leave(suite, stranger, tokens)
    assert is_open() and browser.signed_in


def test_the_button_closes_the_sites_after_a_long_look_at_the_question(clock, suite, browser, left_open):
    _, is_open = left_open
    browser.open(suite.end_session(client_id="suite", post_logout_redirect_uri=BACK))
    clock.advance(minutes=31)
    browser.submit("/logout")
    assert browser.arrived.address == BACK and not is_open()


def test_a_session_that_gave_way_in_the_same_second_is_not_this_browsers(clock, youssef):
    """The eleventh sign-in ends the oldest session; signing out at once speaks of this browser's sites alone."""
    visit(youssef, clock)
    browsers = [Visitor().sign_in(YOUSSEF.login, YOUSSEF.password) for _ in range(10)]
    assert browsers[-1].submit("/sign-out/").path == "/sign-in/"
