"""The plans oidcc-rp-initiated-logout and oidcc-backchannel-rp-initiated-logout: a site sends the person to sign out,
with and without proof, and is told itself, over a real socket.

Where the suite asks for "an error page or a question", the account asks: its own page, which leads to no site.
"""

from dataclasses import replace

import pytest

from massar.domain.sites import api as sites
from massar.interfaces.base import site_trials
from tests.cast import JAMAL
from tests.sso import jws
from tests.sso.relying_party import ISSUER, KEY, SITES, SUITE, Surfer, Tokens, is_ours, local, party, register
from tests.support.post_office import turning
from tests.support.serving import site_at_work

SIGNED_OUT = SUITE.post_logout_redirect_uris[0]
STATE = "state-of-the-site-47392"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def entered(rp, browser) -> Tokens:
    return rp.enter(browser)


def leave(rp, browser, entered=None, **fields: str) -> None:
    """At the end-session endpoint with the ID token as proof and these fields beside."""
    browser.open(rp.end_session(**({"id_token_hint": entered.id_token} if entered else {}), **fields))


def gone(rp, browser) -> bool:
    """The suite's check: prompt=none is refused now."""
    return rp.error(browser, rp.start(browser, prompt="none")) == "login_required"


def stays_here(browser) -> bool:
    return browser.arrived is None and browser.page.status_code in (200, 400)


def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(rp):
    assert is_ours(rp.metadata["end_session_endpoint"])


LEADS_BACK = {
    "oidcc-rp-initiated-logout": {"state": STATE},
    "oidcc-rp-initiated-logout-no-state": {},
}


@pytest.mark.both_databases
@pytest.mark.parametrize("fields", LEADS_BACK.values(), ids=LEADS_BACK)
@pytest.mark.parametrize("minutes", [0, 20])
def test_with_proof_the_browser_is_led_back(rp, browser, entered, clock, fields, minutes):
    """People sign out long after the five minutes of an ID token, which is proof all the same (§4)."""
    clock.advance(minutes=minutes)
    leave(rp, browser, entered, post_logout_redirect_uri=SIGNED_OUT, **fields)
    assert (browser.arrived.address, browser.arrived.fields) == (SIGNED_OUT, fields)
    assert gone(rp, browser) and rp.userinfo(entered.access).status_code == 401


WRONG_WAYS = {
    "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri": "https://suite.example.ma/somewhere-else",
    "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri": f"{SIGNED_OUT}?foo=bar",
}


@pytest.mark.parametrize("wrong", WRONG_WAYS.values(), ids=WRONG_WAYS)
def test_no_way_leads_to_another_address(rp, browser, entered, wrong):
    leave(rp, browser, entered, post_logout_redirect_uri=wrong, state=STATE)
    assert stays_here(browser)


def signed(kid: str, claims: dict) -> str:
    return jws.signed_es256({"alg": "ES256", "kid": kid}, claims, KEY)


FORGED = {  # the same claims, signed by nobody, and under a key of the site's own
    "oidcc-rp-initiated-logout-modified-id-token-hint": lambda kid, claims: jws.unsigned(claims),
    "oidcc-rp-initiated-logout-bad-id-token-hint": signed,
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_what_we_did_not_sign_is_no_proof(rp, browser, entered, forge):
    header, claims, *_ = jws.parts(entered.id_token)
    hint = forge(header["kid"], claims)
    leave(rp, browser, id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT, state=STATE)
    assert stays_here(browser) and browser.signed_in


WITHOUT_PROOF = {
    "oidcc-rp-initiated-logout-no-id-token-hint": {"post_logout_redirect_uri": SIGNED_OUT, "state": STATE},
    "oidcc-rp-initiated-logout-no-params": {},
    "oidcc-rp-initiated-logout-only-state": {"state": STATE},
}


@pytest.mark.parametrize("fields", WITHOUT_PROOF.values(), ids=WITHOUT_PROOF)
def test_without_proof_the_page_asks_and_its_button_signs_out(rp, browser, entered, fields):
    """It leads to no site afterwards either."""
    leave(rp, browser, **fields)
    assert stays_here(browser) and browser.signed_in, "nothing ends by a link alone"
    browser.confirm(local(rp.metadata["end_session_endpoint"]))
    assert stays_here(browser) and gone(rp, browser)


def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(rp, browser, entered):
    leave(rp, browser, entered)
    assert stays_here(browser)
    assert gone(rp, browser), "the ID token is the proof: nothing is asked"


def test_the_id_token_of_somebody_else_ends_no_session(rp, browser, entered):
    """A site that still holds another person's ID token can't sign this one out unasked."""
    stranger = rp.enter(Surfer(), person=JAMAL)
    leave(rp, browser, stranger, post_logout_redirect_uri=SIGNED_OUT, state=STATE)
    assert browser.signed_in


@pytest.mark.both_databases
def test_an_id_token_under_a_removed_key_says_which_site_and_proves_nothing(rp, browser, entered, clock):
    """Ten minutes or a year later: the person is asked, and led back; a token that we never signed leads nowhere."""
    sites.keys.rotate(now=clock(), at_once=True)
    leave(rp, browser, entered, post_logout_redirect_uri=SIGNED_OUT, state=STATE)
    assert stays_here(browser) and browser.page.status_code == 200 and browser.signed_in
    browser.confirm(local(rp.metadata["end_session_endpoint"]))
    assert browser.arrived.address == SIGNED_OUT and browser.arrived.fields == {"state": STATE}
    assert gone(rp, browser)
    head, _, rest = entered.id_token.partition(".")
    leave(rp, browser, id_token_hint=f"{head}.{rest[:-8]}AAAAAAAA", post_logout_redirect_uri=SIGNED_OUT)
    assert browser.page.status_code == 400


# The site itself is told --------------------------------------------------------------------------------------------


def test_oidcc_backchannel_rp_initiated_logout_discovery_endpoint_verification(rp):
    assert rp.metadata["backchannel_logout_supported"] is rp.metadata["backchannel_logout_session_supported"] is True


@pytest.mark.both_databases
def test_oidcc_backchannel_rp_initiated_logout(registered, browser, clock, settings):
    """A site that was away is told later, with a fresh token: an hour later the first one would be long dead."""
    statuses = [503]
    with site_at_work(lambda *asked: (statuses[-1], "")) as door:
        site = replace(SUITE, backchannel_logout_uri=f"{door.origin}/backchannel")
        register(settings, *(site if s.slug == "suite" else s for s in SITES))
        suite = party(clock, site)
        tokens = suite.enter(browser)
        leave(suite, browser, tokens, post_logout_redirect_uri=SIGNED_OUT, state=STATE)
        assert browser.arrived.address == SIGNED_OUT
        turn = turning(site_trials.sites(), clock)
        for status, minutes in ((503, 60), (200, 0)):
            statuses.append(status)
            before = len(door.asked)
            turn()
            assert len(door.asked) > before
            moment = int(clock().timestamp())
            clock.advance(minutes=minutes)
    method, path, fields = door.asked[-1]
    assert len(door.asked) == before + 1
    assert (method, path) == ("POST", "/backchannel") and fields.keys() == {"logout_token"}
    header, claims = jws.verified(fields["logout_token"], suite.keys(), {"RS256"})
    assert header["typ"] == "logout+jwt"
    assert claims["iss"] == ISSUER and claims["aud"] in ("suite", ["suite"])
    assert claims["iat"] == moment < claims["exp"] <= moment + 120
    assert claims["events"] == {EVENT: {}} and claims["jti"] and "nonce" not in claims
    assert (claims["sub"], claims["sid"]) == (tokens.claims["sub"], tokens.claims["sid"])
