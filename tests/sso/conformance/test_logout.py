"""oidcc-rp-initiated-logout-certification-test-plan: a site sends the person to sign out, with and without proof.

Where the suite asks for "an error page or a question", the account asks: its own page, which leads to no site.
"""

from __future__ import annotations

import pytest

from massar.domain.sites import api as sites
from tests.cast import JAMAL
from tests.sso.relying_party import KEY, SUITE, Surfer, Tokens, is_ours, local, parts, signed_es256, unsigned

pytestmark = pytest.mark.both_databases

SIGNED_OUT = SUITE.post_logout_redirect_uris[0]
STATE = "state-of-the-site-47392"


@pytest.fixture
def entered(rp, browser) -> Tokens:
    return rp.enter(browser)


def gone(rp, browser) -> bool:
    """The suite's check: prompt=none is refused now."""
    asked = rp.start(browser, prompt="none")
    return rp.error(browser, asked) == "login_required"


def stays_here(browser) -> bool:
    return browser.arrived is None and browser.page.status_code in (200, 400)


def asked_and_confirmed(rp, browser) -> bool:
    """The page asks first; the button signs out and leads to no site."""
    assert stays_here(browser) and not gone_quietly(browser), "without proof nothing ends by a link alone"
    browser.confirm(local(rp.metadata["end_session_endpoint"]))
    assert stays_here(browser)
    return gone(rp, browser)


def gone_quietly(browser) -> bool:
    return not browser.signed_in


def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(rp):
    assert is_ours(rp.metadata["end_session_endpoint"])


def test_oidcc_rp_initiated_logout(rp, browser, entered):
    browser.open(rp.end_session(id_token_hint=entered.id_token, post_logout_redirect_uri=SIGNED_OUT, state=STATE))
    assert (browser.arrived.address, browser.arrived.fields) == (SIGNED_OUT, {"state": STATE})
    assert gone(rp, browser)
    assert rp.userinfo(entered.access).status_code == 401


def test_oidcc_rp_initiated_logout_no_state(rp, browser, entered):
    browser.open(rp.end_session(id_token_hint=entered.id_token, post_logout_redirect_uri=SIGNED_OUT))
    assert (browser.arrived.address, browser.arrived.fields) == (SIGNED_OUT, {})
    assert gone(rp, browser)


def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(rp, browser, entered):
    wrong = "https://suite.example.ma/somewhere-else"
    browser.open(rp.end_session(id_token_hint=entered.id_token, post_logout_redirect_uri=wrong, state=STATE))
    assert stays_here(browser)


def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(rp, browser, entered):
    wrong = f"{SIGNED_OUT}?foo=bar"
    browser.open(rp.end_session(id_token_hint=entered.id_token, post_logout_redirect_uri=wrong, state=STATE))
    assert stays_here(browser)


def test_oidcc_rp_initiated_logout_modified_id_token_hint(rp, browser, entered):
    """The same claims, signed by nobody."""
    hint = unsigned(parts(entered.id_token)[1])
    browser.open(rp.end_session(id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT, state=STATE))
    assert stays_here(browser) and browser.signed_in


def test_oidcc_rp_initiated_logout_bad_id_token_hint(rp, browser, entered):
    """The right claims under a key of the site's own."""
    claims = parts(entered.id_token)[1]
    hint = signed_es256({"alg": "ES256", "kid": parts(entered.id_token)[0]["kid"]}, claims, KEY)
    browser.open(rp.end_session(id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT, state=STATE))
    assert stays_here(browser) and browser.signed_in


def test_oidcc_rp_initiated_logout_no_id_token_hint(rp, browser, entered):
    browser.open(rp.end_session(post_logout_redirect_uri=SIGNED_OUT, state=STATE))
    assert asked_and_confirmed(rp, browser)


def test_oidcc_rp_initiated_logout_no_params(rp, browser, entered):
    browser.open(rp.end_session())
    assert asked_and_confirmed(rp, browser)


def test_oidcc_rp_initiated_logout_only_state(rp, browser, entered):
    browser.open(rp.end_session(state=STATE))
    assert asked_and_confirmed(rp, browser)


def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(rp, browser, entered):
    browser.open(rp.end_session(id_token_hint=entered.id_token))
    assert stays_here(browser)
    assert gone(rp, browser), "the ID token is the proof: nothing is asked"


def test_an_expired_id_token_is_proof_enough(rp, browser, entered, clock):
    """OIDC RP-Initiated Logout §4: people sign out long after the five minutes of an ID token."""
    clock.advance(minutes=20)
    browser.open(rp.end_session(id_token_hint=entered.id_token, post_logout_redirect_uri=SIGNED_OUT, state=STATE))
    assert browser.arrived.address == SIGNED_OUT and gone(rp, browser)


def test_the_id_token_of_somebody_else_ends_no_session(rp, browser, entered):
    """A site that still holds another person's ID token can't sign this one out unasked."""
    stranger = rp.enter(Surfer(), person=JAMAL)
    browser.open(rp.end_session(id_token_hint=stranger.id_token, post_logout_redirect_uri=SIGNED_OUT, state=STATE))
    assert browser.signed_in


def test_an_id_token_under_a_removed_key_says_which_site_and_proves_nothing(rp, browser, entered, clock):
    """Ten minutes or a year later: the person is asked, and led back; a token that we never signed leads nowhere."""
    sites.keys.rotate(now=clock(), at_once=True)
    browser.open(rp.end_session(id_token_hint=entered.id_token, post_logout_redirect_uri=SIGNED_OUT, state=STATE))
    assert stays_here(browser) and browser.page.status_code == 200 and browser.signed_in
    browser.confirm(local(rp.metadata["end_session_endpoint"]))
    assert browser.arrived.address == SIGNED_OUT and browser.arrived.fields == {"state": STATE}
    assert gone(rp, browser)
    head, _, rest = entered.id_token.partition(".")
    browser.open(rp.end_session(id_token_hint=f"{head}.{rest[:-8]}AAAAAAAA", post_logout_redirect_uri=SIGNED_OUT))
    assert browser.page.status_code == 400
