"""Long values, as ASP.NET Core and brokers send them, come back whole, or the site is told. No page lacks a way on.

Bounds: 8192 characters of state, claims and id_token_hint, 4096 of any other value, 16 KiB of the whole request.
"""

import pytest

from massar.domain.sites.models import SavedRequest
from massar.interfaces.base.cookies import SAVED_REQUEST
from massar.journeys.sso.oidc.request import LONGEST, LONGEST_OBJECT, LONGEST_REQUEST
from tests.cast import JAMAL, YOUSSEF
from tests.sso.relying_party import STRICT, Surfer, stays

pytestmark = [pytest.mark.usefixtures("registered"), pytest.mark.both_databases]
BACK = STRICT.post_logout_redirect_uris[0]
NGINX_KEEPS = 4096  # bytes of all headers of an answer, as nginx comes (proxy_buffer_size)


def long(length: int) -> str:
    return ("CfDJ8-nP_x" * length)[:length]


def headers_of(answer) -> int:
    cookies = sum(len(morsel.OutputString()) + 14 for morsel in answer.cookies.values())
    return sum(len(name) + len(value) + 4 for name, value in answer.headers.items()) + cookies


@pytest.mark.parametrize("mode", [None, "form_post"])
@pytest.mark.parametrize("length", [2001, 4096, LONGEST_OBJECT])
def test_a_long_state_comes_back_whole(rp, browser, length, mode):
    """Through the sign-in, where it waits, and again when somebody is signed in already."""
    for _ in range(2):
        asked, code = rp.send(browser, state=long(length), response_mode=mode)
        assert rp.tokens(asked, rp.redeem(asked, code)).claims["sub"]
        assert headers_of(browser.page) < NGINX_KEEPS


@pytest.mark.parametrize("length", [200, 2001, LONGEST_OBJECT])
def test_a_long_state_may_be_posted(rp, browser, length):
    """The form comes without our cookies; what is too long for an address waits for the next step here."""
    for signed_in in (False, True):
        asked = rp.ask(state=long(length))
        browser.post_to(asked.address, asked.fields)
        assert browser.at_sign_in is not signed_in
        assert rp.finish(browser if signed_in else browser.prove(), asked)
        assert SAVED_REQUEST.name not in browser.cookies and not SavedRequest.objects.exists()


def test_a_posted_request_asks_for_the_password_again_where_it_says_so(rp, browser):
    browser.sign_in(YOUSSEF.login, YOUSSEF.password)
    asked = rp.ask(state=long(4096), prompt="login")
    browser.post_to(asked.address, asked.fields)
    assert browser.at_sign_in
    assert rp.code(browser.prove(), asked)
    silent = rp.ask(state=long(4096), prompt="none")
    assert rp.error(Surfer().post_to(silent.address, silent.fields), silent) == "login_required"


def test_other_values_may_be_long_too(rp, browser):
    some = {"nonce": long(LONGEST), "login_hint": long(LONGEST), "ui_locales": "fr " * 1000, "extra": long(9000)}
    asked, code = rp.send(browser, **some)
    assert rp.tokens(asked, rp.redeem(asked, code)).claims["nonce"] == asked.nonce


TOO_LONG = [
    ("state", long(LONGEST_OBJECT + 1)), ("state", "a\nb"), ("nonce", long(LONGEST + 1)), ("nonce", "a\0b"),
    ("login_hint", long(LONGEST + 1)), ("scope", "openid " * 1000), ("claims", "[" * (LONGEST_OBJECT + 1)),
    ("id_token_hint", long(LONGEST_OBJECT + 1)), ("acr_values", long(LONGEST + 1)), ("ui_locales", "fr " * 2000),
    ("code_challenge", long(LONGEST + 1)), ("prompt", "login " * 1000), ("response_mode", long(LONGEST + 1)),
    ("max_age", "9" * (LONGEST + 1)),
]  # fmt: skip


@pytest.mark.parametrize("by", ["address", "form"])
def test_what_is_too_long_is_told_to_the_site(rp, browser, by):
    for name, value in TOO_LONG:
        asked = rp.ask(**{name: value})
        browser.open(asked.url) if by == "address" else browser.post_to(asked.address, asked.fields)
        assert rp.error(browser, asked) == "invalid_request", name
        assert headers_of(browser.page) < NGINX_KEEPS, name


def test_the_whole_is_bounded_and_told_to_the_site(rp, browser):
    """Where the way back is not certain nobody is sent anywhere."""
    asked = rp.ask(state=long(8000), nonce=long(4000), login_hint=long(4000), acr_values=long(4000))
    assert rp.error(browser.open(asked.url), asked) == "invalid_request" and not SavedRequest.objects.exists()
    for wrong in ({"client_id": "x" * 5000}, {"redirect_uri": f"{rp.redirect_uri}?{'x' * 5000}"}):
        assert stays(browser.open(rp.ask(state=long(5000), **wrong).url))


def test_what_waits_is_bounded_whatever_else_stands_in_the_request(rp, browser):
    """Only what is read is kept; strangers share the budget for the rows by network (test_waiting_budget.py)."""
    browser.open(rp.ask(**{f"extra{number}": long(4000) for number in range(10)}).url)
    short = len(SavedRequest.objects.get().ciphertext)
    browser.open(rp.ask(state=long(LONGEST_OBJECT), nonce=long(LONGEST)).url)
    assert short < 1500 and len(SavedRequest.objects.get().ciphertext) < LONGEST_REQUEST + 500


@pytest.mark.parametrize("by", ["address", "form"])
@pytest.mark.parametrize("length", [2001, LONGEST_OBJECT])
def test_a_long_state_comes_back_from_the_sign_out(rp, browser, by, length):
    tokens, state = rp.enter(browser), long(length)
    fields = {"id_token_hint": tokens.id_token, "post_logout_redirect_uri": BACK, "state": state}
    browser.open(rp.end_session(**fields)) if by == "address" else browser.post_to(rp.end_session(), fields)
    assert (browser.arrived.address, browser.arrived.fields) == (BACK, {"state": state})
    assert headers_of(browser.page) < NGINX_KEEPS
    assert not browser.signed_in and not SavedRequest.objects.exists()


def test_a_long_posted_sign_out_asks_the_person_where_the_proof_is_not_theirs(rp, browser):
    stranger = rp.enter(Surfer(), person=JAMAL)
    rp.enter(browser)
    fields = {"id_token_hint": stranger.id_token, "post_logout_redirect_uri": BACK, "state": long(4096)}
    browser.post_to(rp.end_session(), fields)
    assert browser.arrived is None and browser.page.status_code == 200
    browser.confirm("/logout")
    assert browser.arrived.fields == {"state": fields["state"]} and not browser.signed_in
