"""oidcc-basic- and oidcc-formpost-basic-certification-test-plan: each module of the OpenID Foundation's suite, by name.

Each does what the module of that name does: the same request, the same judgement of the answer. Where the suite lets a
provider choose between supporting a feature and refusing it properly, the comment says what we chose.
"""

import json
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from massar.core.settings import SettingsError
from tests.sso import jws
from tests.sso.relying_party import STRICT, SUITE, RelyingParty, Surfer, party, refused, stays
from tests.support.sites import load

CALLBACK = SUITE.redirect_uris[0]
# What the protocol itself puts into an ID token (OIDC Core §2, §3.1.3.6; Back-Channel Logout §2.1).
OF_THE_PROTOCOL = {
    "iss", "sub", "aud", "azp", "exp", "iat", "nbf", "jti", "auth_time", "nonce", "acr", "amr", "at_hash", "sid",
}  # fmt: skip
NEEDS_A_PAGE = ("login_required", "interaction_required", "account_selection_required", "consent_required")


@pytest.fixture(autouse=True, params=[pytest.param("query", marks=pytest.mark.both_databases), "form_post"])
def mode(request, monkeypatch) -> None:
    """form_post: every request asks for it, and no answer may come by an address."""
    if request.param == "query":
        return
    plain, arrived = RelyingParty.ask, Surfer.arrived.fget

    def by_form(self: Surfer):
        found = arrived(self)
        assert found is None or found.status == 200, "by a form, never by the address"
        return found

    monkeypatch.setattr(RelyingParty, "ask", lambda rp, **asked: plain(rp, **{"response_mode": "form_post", **asked}))
    monkeypatch.setattr(Surfer, "arrived", property(by_form))


@pytest.mark.parametrize("site", [SUITE, STRICT], ids=["rs256", "es256-pkce"])
def test_oidcc_server(clock, browser, site):
    rp = party(clock, site)
    asked, code = rp.send(browser)
    assert browser.arrived.status in (200, 303), "never 307: the password must not travel on (RFC 9700 §4.12)"
    assert len(code) >= 22 and len(set(code)) > 10, "128 bits at least"
    tokens = rp.tokens(asked, rp.redeem(asked, code))
    assert set(tokens.claims) <= OF_THE_PROTOCOL, "nothing that was not asked for"
    assert rp.about(tokens).keys() == {"sub"}


SUCCEED = {
    "oidcc-display-page": {"display": "page"},
    "oidcc-display-popup": {"display": "popup"},
    "oidcc-claims-locales": {"claims_locales": "se"},
    "oidcc-ensure-request-with-unknown-parameter-succeeds": {"extra": "foobar"},
    "oidcc-ensure-request-without-nonce-succeeds-for-code-flow": {"nonce": None},
    "oidcc-userinfo-get": {"scope": "openid offline_access"},
}


@pytest.mark.parametrize("wish", SUCCEED.values(), ids=SUCCEED)
def test_requests_that_simply_succeed(rp, browser, wish):
    tokens = rp.enter(browser, **wish)
    assert ("nonce" in tokens.claims) == ("nonce" not in wish)
    assert rp.about(tokens)["sub"] == tokens.claims["sub"]


REFUSED = {
    "oidcc-response-type-missing": ({"response_type": None}, ("invalid_request", "unsupported_response_type")),
    "oidcc-prompt-none-not-logged-in": ({"prompt": "none"}, NEEDS_A_PAGE),
    # Rejected: the account fetches nothing that a request names.
    "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported": (
        {"request_uri": "https://suite.example.ma/request.jwt"}, ("request_uri_not_supported",)),
    # Rejected: PKCE and exact addresses protect the request.
    "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported": (
        {"request": jws.unsigned({"client_id": "suite"})}, ("request_not_supported",)),
}  # fmt: skip


@pytest.mark.parametrize(("wish", "errors"), REFUSED.values(), ids=REFUSED)
def test_requests_that_the_site_hears_an_error_of(rp, browser, wish, errors):
    assert rp.error(browser, rp.start(browser, **wish)) in errors
    assert rp.metadata["request_uri_parameter_supported"] is False, "true when left out (Discovery §3)"
    assert rp.metadata.get("request_parameter_supported", False) is False


def test_oidcc_idtoken_signature(rp, browser):
    header = jws.parts(rp.enter(browser).id_token)[0]
    assert header["alg"] == "RS256", "every site can ask for RS256, which all libraries know (OIDC Core §15.1)"
    assert [k["kty"] for k in rp.keys() if k["kid"] == header["kid"]] == ["RSA"]


def test_oidcc_idtoken_unsigned(rp, tmp_path):
    """Applies to providers that let a client register `none`. Ours lets nobody."""
    assert "none" not in rp.metadata["id_token_signing_alg_values_supported"]
    (tmp_path / "sites.toml").write_text('[sites.esise]\nalgorithm = "none"\n')
    with pytest.raises(SettingsError, match="ES256 or RS256"):
        load(tmp_path / "sites.toml")


USERINFO = {
    "oidcc-userinfo-post-header": "post-header",
    "oidcc-userinfo-post-body": "post-body",
}


@pytest.mark.parametrize("way", USERINFO.values(), ids=USERINFO)
def test_userinfo_by_post(rp, browser, way):
    tokens = rp.enter(browser)
    answer = rp.userinfo(tokens.access, way=way)
    assert answer.status_code == 200 and answer.json()["sub"] == tokens.claims["sub"]


PROFILE = {
    "name": "Youssef Benali", "name_ar": "يوسف بنعلي", "given_name": "Youssef", "family_name": "Benali", "locale": "fr",
}  # fmt: skip
EMAIL = {"email": "youssef.benali@men.gov.ma", "email_verified": True}
TOLD = {
    "oidcc-scope-profile": ("profile", PROFILE),
    "oidcc-scope-email": ("email", EMAIL),
    # Not offered: the account knows no postal address, and a person's own phone is never released to sites.
    "oidcc-scope-address": ("address", {}),
    "oidcc-scope-phone": ("phone", {}),
    "oidcc-scope-all": ("email phone address profile", PROFILE | EMAIL),
}


@pytest.mark.parametrize(("scope", "told"), TOLD.values(), ids=TOLD)
def test_scopes_say_what_they_are_for(rp, browser, scope, told):
    """By UserInfo, as there is an access token (OIDC Core §5.4). Without what is not offered the request succeeds (RFC
    6749 §3.3), and what was granted is said (§5.1)."""
    tokens = rp.enter(browser, scope=f"openid {scope}")
    assert rp.about(tokens) == {"sub": tokens.claims["sub"], **told} and set(tokens.claims) <= OF_THE_PROTOCOL
    granted = [name for name in scope.split() if name in ("email", "profile")]
    assert tokens.answer.get("scope", "openid").split() == ["openid", *granted]
    assert not {"address", "phone"} & set(rp.metadata["scopes_supported"])


def test_oidcc_alternate_happy_flow(rp, browser):
    asked = rp.ask(scope="email openid")
    backwards = replace(asked, fields=dict(reversed(asked.fields.items())))
    assert parse_qsl(backwards.url.partition("?")[2])[-1][0] == "response_type"
    browser.open(backwards.url).prove()
    assert rp.about(rp.finish(browser, asked))["email"]


def test_oidcc_claims_essential(rp, browser):
    tokens = rp.enter(browser, claims=json.dumps({"userinfo": {"name": {"essential": True}}}))
    assert rp.metadata["claims_parameter_supported"] is True
    assert rp.about(tokens) == {"sub": tokens.claims["sub"], "name": "Youssef Benali"}


SHOWN = {
    "oidcc-login-hint": ({"login_hint": EMAIL["email"]}, f'value="{EMAIL["email"]}"'),  # typed already
    "oidcc-ui-locales": ({"ui_locales": "se fr"}, '<html lang="fr"'),  # the first that is spoken here
}


@pytest.mark.parametrize(("wish", "shown"), SHOWN.values(), ids=SHOWN)
def test_the_page_obeys(rp, browser, wish, shown):
    asked = rp.start(browser, **wish)
    assert shown in browser.html
    assert rp.code(browser.prove(), asked)


ANEW = {
    "oidcc-prompt-login": {"prompt": "login"},
    "oidcc-max-age-1": {"max_age": "1"},
}


@pytest.mark.parametrize("wish", ANEW.values(), ids=ANEW)
def test_who_is_signed_in_is_asked_all_the_same(rp, browser, clock, wish):
    first = rp.enter(browser)
    clock.advance(seconds=2)
    asked = rp.start(browser, **wish)
    assert browser.at_sign_in
    again = rp.finish(browser.prove(), asked)
    assert again.claims["sub"] == first.claims["sub"]
    assert again.claims["auth_time"] == first.claims["auth_time"] + 2


NOT_ANEW = {
    "oidcc-prompt-none-logged-in": {"prompt": "none"},
    "oidcc-max-age-10000": {"max_age": "10000"},
    "oidcc-id-token-hint": {"prompt": "none", "id_token_hint": ""},
}


@pytest.mark.parametrize("wish", NOT_ANEW.values(), ids=NOT_ANEW)
def test_who_is_signed_in_is_not_asked_again(rp, browser, clock, wish):
    first = rp.enter(browser)
    clock.advance(seconds=2)
    wish = wish | ({"id_token_hint": first.id_token} if "id_token_hint" in wish else {})
    asked = rp.start(browser, **wish)
    second = rp.finish(browser, asked)
    assert all(first.claims[name] == second.claims[name] for name in ("sub", "auth_time"))


@pytest.mark.parametrize("wish", ["1 2", "of the document"])
def test_oidcc_ensure_request_with_acr_values_succeeds(rp, browser, wish):
    known = rp.metadata["acr_values_supported"]
    tokens = rp.enter(browser, acr_values=wish if wish == "1 2" else " ".join(known))
    assert tokens.claims["acr"] in known


NEVER_REGISTERED = {
    "oidcc-ensure-registered-redirect-uri": {},
    "oidcc-ensure-request-object-with-redirect-uri": {"request": jws.unsigned({"redirect_uri": CALLBACK})},
}


@pytest.mark.parametrize("more", NEVER_REGISTERED.values(), ids=NEVER_REGISTERED)
def test_an_address_that_was_never_registered_gets_a_page_of_ours(rp, browser, more):
    rp.start(browser, redirect_uri=f"{CALLBACK}/never-registered", **more)
    assert stays(browser)


def test_oidcc_ensure_post_request_succeeds(rp, browser):
    asked = rp.ask()
    browser.post_to(asked.address, asked.fields)
    assert browser.at_sign_in
    assert rp.finish(browser.prove(), asked)


AGAIN = {
    "oidcc-codereuse": 0,
    "oidcc-codereuse-30seconds": 30,
}


@pytest.mark.parametrize("seconds", AGAIN.values(), ids=AGAIN)
def test_a_code_again(rp, browser, clock, seconds):
    asked, code = rp.send(browser)
    tokens = rp.tokens(asked, rp.redeem(asked, code))
    clock.advance(seconds=seconds)
    assert refused(rp.redeem(asked, code))
    assert rp.userinfo(tokens.access).status_code == 401, "what came of the code ended with it (RFC 6749 §4.1.2)"


def test_oidcc_server_client_secret_post(second, browser):
    assert second.enter(browser, scope="openid")


def test_oidcc_refresh_token(rp, second, browser, clock):
    first = rp.enter(browser, scope="openid offline_access", prompt="consent")
    clock.advance(seconds=60)
    assert refused(second.refresh(first.refresh))
    said = rp.refresh(first.refresh).json()
    assert said["access_token"] != first.access and said["refresh_token"] != first.refresh
    claims = rp.believed(said["id_token"], None, access=said["access_token"])
    same = ("iss", "sub", "aud", "auth_time")  # OIDC Core §12.2
    assert [claims[n] for n in same] == [first.claims[n] for n in same]
    assert claims["iat"] == first.claims["iat"] + 60
    assert claims.get("nonce", first.claims["nonce"]) == first.claims["nonce"]
    assert rp.userinfo(said["access_token"]).json()["sub"] == first.claims["sub"]


@pytest.mark.parametrize("site", [SUITE, STRICT], ids=["own accord", "required"])
def test_oidcc_ensure_request_with_valid_pkce_succeeds(clock, browser, site):
    rp = party(clock, replace(site, pkce=True))
    assert rp.metadata["code_challenge_methods_supported"] == ["S256"]
    assert rp.enter(browser)
