"""oidcc-basic-certification-test-plan: one test for each module of the OpenID Foundation's suite, by its name.

Each test does what the module of that name does: the same request, the same judgement of the answer. Where the suite
lets a provider choose between supporting a feature and refusing it properly, the comment says what we chose.
"""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import pytest

from massar.core.settings import SettingsError
from tests.sso.relying_party import (
    ISSUER,
    STRICT,
    SUITE,
    Distrust,
    RelyingParty,
    Surfer,
    b64,
    local,
    parts,
    party,
    unsigned,
)
from tests.support.sites import load

pytestmark = pytest.mark.both_databases

CALLBACK = SUITE.redirect_uris[0]
# What the protocol itself puts into an ID token (OIDC Core §2, §3.1.3.6; Back-Channel Logout §2.1).
OF_THE_PROTOCOL = {
    "iss", "sub", "aud", "azp", "exp", "iat", "nbf", "jti", "auth_time", "nonce", "acr", "amr", "at_hash", "sid",
}  # fmt: skip
NEEDS_A_PAGE = {"login_required", "interaction_required", "account_selection_required", "consent_required"}


def refused_on_a_page(browser: Surfer) -> bool:
    """An error page of the account's own that leads to no site."""
    return browser.page.status_code == 400 and browser.arrived is None


# The code flow ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("site", [SUITE, STRICT], ids=["rs256", "es256-pkce"])
def test_oidcc_server(clock, browser, site):
    rp = party(clock, site)
    asked, code = rp.send(browser)
    assert browser.arrived.status in (200, 303), "never 307: the password must not travel on (RFC 9700 §4.12)"
    assert len(code) >= 22 and len(set(code)) > 10, "128 bits at least"
    tokens = rp.tokens(asked, rp.redeem(asked, code))
    assert set(tokens.claims) <= OF_THE_PROTOCOL, "nothing that was not asked for"
    assert rp.about(tokens).keys() == {"sub"}


def test_oidcc_response_type_missing(rp, browser):
    asked = rp.start(browser, response_type=None)
    assert rp.error(browser, asked) in ("invalid_request", "unsupported_response_type")


def test_oidcc_idtoken_signature(rp, browser):
    header = parts(rp.enter(browser).id_token)[0]
    assert header["alg"] == "RS256", "every site can ask for RS256, which all libraries know (OIDC Core §15.1)"
    assert [k["kty"] for k in rp.keys() if k["kid"] == header["kid"]] == ["RSA"]


def test_oidcc_idtoken_unsigned(rp, browser, tmp_path):
    """Applies to providers that let a client register `none`. Ours lets nobody."""
    assert "none" not in rp.metadata["id_token_signing_alg_values_supported"]
    wish = '[sites.esise]\nalgorithm = "none"\nclient_auth = "none"\nredirect_uris = ["https://sise.men.gov.ma/in"]\n'
    (tmp_path / "sites.toml").write_text(wish)
    with pytest.raises(SettingsError, match="ES256 or RS256"):
        load(tmp_path / "sites.toml")
    assert parts(rp.enter(browser).id_token)[0]["alg"] != "none"


@pytest.mark.parametrize("extra", ["", "offline_access"])
def test_oidcc_userinfo_get(rp, browser, extra):
    tokens = rp.enter(browser, scope=f"openid {extra}".strip())
    assert rp.about(tokens)["sub"] == tokens.claims["sub"]


def test_oidcc_userinfo_post_header(rp, browser):
    tokens = rp.enter(browser)
    answer = rp.userinfo(tokens.access, way="post-header")
    assert answer.status_code == 200 and answer.json()["sub"] == tokens.claims["sub"]


def test_oidcc_userinfo_post_body(rp, browser):
    tokens = rp.enter(browser)
    answer = rp.userinfo(tokens.access, way="post-body")
    assert answer.status_code == 200 and answer.json()["sub"] == tokens.claims["sub"]


def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(rp, browser):
    assert "nonce" not in rp.enter(browser, nonce=None).claims


# Scopes and claims --------------------------------------------------------------------------------------------------


def test_oidcc_scope_profile(rp, browser):
    tokens = rp.enter(browser, scope="openid profile")
    about = rp.about(tokens)
    assert about["name"] == "Youssef Benali" and about["name_ar"] == "يوسف بنعلي"
    assert (about["given_name"], about["family_name"]) == ("Youssef", "Benali") and about["locale"]
    assert "email" not in about and set(tokens.claims) <= OF_THE_PROTOCOL


def test_oidcc_scope_email(rp, browser):
    tokens = rp.enter(browser, scope="openid email")
    about = rp.about(tokens)
    assert about["email"] == "youssef.benali@men.gov.ma" and about["email_verified"] is True
    assert "name" not in about
    assert set(tokens.claims) <= OF_THE_PROTOCOL, "by UserInfo when there is an access token (OIDC Core §5.4)"


@pytest.mark.parametrize("claim", ["address"])
def test_oidcc_scope_address(rp, browser, claim):
    """Not offered: the account knows no postal address. The request succeeds without it (RFC 6749 §3.3)."""
    _nothing_more_for(rp, browser, claim, {"address"})


@pytest.mark.parametrize("claim", ["phone"])
def test_oidcc_scope_phone(rp, browser, claim):
    """Not offered: a person's own phone is never released to sites. The request succeeds without it."""
    _nothing_more_for(rp, browser, claim, {"phone_number", "phone_number_verified"})


def _nothing_more_for(rp: RelyingParty, browser: Surfer, scope: str, claims: set[str]) -> None:
    assert scope not in rp.metadata["scopes_supported"]
    tokens = rp.enter(browser, scope=f"openid {scope}")
    assert not claims & (rp.about(tokens).keys() | tokens.claims.keys())
    assert tokens.answer.get("scope", "openid").split() == ["openid"], "what was granted is said (RFC 6749 §5.1)"


def test_oidcc_scope_all(rp, browser):
    about = rp.about(rp.enter(browser, scope="openid email phone address profile"))
    assert about["email"] and about["name"] and not {"phone_number", "address"} & about.keys()


def test_oidcc_alternate_happy_flow(rp, browser):
    asked = rp.ask(scope="email openid")
    backwards = replace(asked, fields=dict(reversed(asked.fields.items())))
    assert parse_qsl(backwards.url.partition("?")[2])[-1][0] == "response_type"
    browser.open(backwards.url).prove()
    tokens = rp.finish(browser, asked)
    assert rp.about(tokens)["email"]


def test_oidcc_claims_essential(rp, browser):
    claims = json.dumps({"userinfo": {"name": {"essential": True}}})
    tokens = rp.enter(browser, claims=claims)
    assert rp.metadata["claims_parameter_supported"] is True
    assert rp.about(tokens) == {"sub": tokens.claims["sub"], "name": "Youssef Benali"}


# How the page is shown ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("display", ["page"])
def test_oidcc_display_page(rp, browser, display):
    assert rp.enter(browser, display=display)


@pytest.mark.parametrize("display", ["popup"])
def test_oidcc_display_popup(rp, browser, display):
    assert rp.enter(browser, display=display)


def test_oidcc_login_hint(rp, browser):
    hint = "youssef.benali@men.gov.ma"
    asked = rp.start(browser, login_hint=hint)
    assert dict(browser._forms())["/sign-in/"]["user"] == hint, "typed already"
    assert rp.code(browser.prove(), asked)


def test_oidcc_ui_locales(rp, browser):
    asked = rp.start(browser, ui_locales="se fr")
    assert '<html lang="fr"' in browser.html, "the first that is spoken here"
    assert rp.finish(browser.prove(), asked)


def test_oidcc_claims_locales(rp, browser):
    assert rp.enter(browser, claims_locales="se")


# Who is signed in, and since when -----------------------------------------------------------------------------------


def test_oidcc_prompt_login(rp, browser, clock):
    first = rp.enter(browser)
    clock.advance(seconds=2)
    asked = rp.start(browser, prompt="login")
    assert browser.at_sign_in, "asked although signed in"
    again = rp.finish(browser.prove(), asked)
    assert again.claims["sub"] == first.claims["sub"]
    assert again.claims["auth_time"] == first.claims["auth_time"] + 2


def test_oidcc_prompt_none_not_logged_in(rp, browser):
    asked = rp.start(browser, prompt="none")
    assert rp.error(browser, asked) in NEEDS_A_PAGE


def test_oidcc_prompt_none_logged_in(rp, browser, clock):
    first = rp.enter(browser)
    clock.advance(seconds=2)
    asked = rp.start(browser, prompt="none")
    second = rp.finish(browser, asked)
    assert _same_person_and_sign_in(first, second)


def test_oidcc_max_age_1(rp, browser, clock):
    first = rp.enter(browser)
    clock.advance(seconds=2)
    asked = rp.start(browser, max_age="1")
    assert browser.at_sign_in
    again = rp.finish(browser.prove(), asked)
    assert again.claims["sub"] == first.claims["sub"]
    assert again.claims["auth_time"] > first.claims["auth_time"]


def test_oidcc_max_age_10000(rp, browser, clock):
    first = rp.enter(browser, max_age="10000")
    clock.advance(seconds=2)
    asked = rp.start(browser, max_age="10000")
    assert not browser.at_sign_in
    second = rp.finish(browser, asked)
    assert _same_person_and_sign_in(first, second)


def test_oidcc_id_token_hint(rp, browser):
    first = rp.enter(browser)
    asked = rp.start(browser, prompt="none", id_token_hint=first.id_token)
    second = rp.finish(browser, asked)
    assert _same_person_and_sign_in(first, second)


def _same_person_and_sign_in(first, second) -> bool:
    return all(first.claims[name] == second.claims[name] for name in ("sub", "auth_time"))


@pytest.mark.parametrize("wish", ["1 2", "of the document"])
def test_oidcc_ensure_request_with_acr_values_succeeds(rp, browser, wish):
    known = rp.metadata["acr_values_supported"]
    tokens = rp.enter(browser, acr_values=wish if wish == "1 2" else " ".join(known))
    assert tokens.claims["acr"] in known


# Requests that bend the rules ---------------------------------------------------------------------------------------


def test_oidcc_ensure_request_with_unknown_parameter_succeeds(rp, browser):
    assert rp.enter(browser, extra="foobar")


def test_oidcc_ensure_registered_redirect_uri(rp, browser):
    rp.start(browser, redirect_uri=f"{CALLBACK}/never-registered")
    assert refused_on_a_page(browser)


def test_oidcc_ensure_post_request_succeeds(rp, browser):
    asked = rp.ask()
    browser.post_to(asked.address, asked.fields)
    assert browser.at_sign_in
    assert rp.finish(browser.prove(), asked)


def test_oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(rp, browser):
    """Rejected: the account fetches nothing that a request names."""
    asked = rp.start(browser, request_uri="https://suite.example.ma/request.jwt")
    assert rp.error(browser, asked) == "request_uri_not_supported"
    assert rp.metadata["request_uri_parameter_supported"] is False, "true when left out (Discovery §3)"


def test_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(rp, browser):
    """Rejected: PKCE and exact addresses protect the request."""
    asked = rp.ask()
    asked = replace(asked, fields={**asked.fields, "request": unsigned(asked.fields)})
    browser.open(asked.url)
    assert rp.error(browser, asked) == "request_not_supported"
    assert rp.metadata.get("request_parameter_supported", False) is False


def test_oidcc_ensure_request_object_with_redirect_uri(rp, browser):
    asked = rp.ask(redirect_uri=f"{CALLBACK}/never-registered")
    inside = unsigned({**asked.fields, "redirect_uri": CALLBACK})
    browser.open(replace(asked, fields={**asked.fields, "request": inside}).url)
    assert refused_on_a_page(browser)


# The token endpoint -------------------------------------------------------------------------------------------------


def test_oidcc_codereuse(rp, browser):
    asked, code = rp.send(browser)
    assert rp.redeem(asked, code).status_code == 200
    _refused(rp.redeem(asked, code), "invalid_grant")


def test_oidcc_codereuse_30seconds(rp, browser, clock):
    asked, code = rp.send(browser)
    tokens = rp.tokens(asked, rp.redeem(asked, code))
    clock.advance(seconds=30)
    _refused(rp.redeem(asked, code), "invalid_grant")
    assert rp.userinfo(tokens.access).status_code == 401, "what came of the code ended with it (RFC 6749 §4.1.2)"


def test_oidcc_server_client_secret_post(second, browser):
    assert second.enter(browser, scope="openid")


def test_oidcc_refresh_token(rp, second, browser, clock):
    first = rp.enter(browser, scope="openid offline_access", prompt="consent")
    clock.advance(seconds=60)
    stolen = second.refresh(first.refresh)
    _refused(stolen, "invalid_grant")
    answer = rp.refresh(first.refresh)
    assert answer.status_code == 200, answer.content
    said = answer.json()
    assert said["access_token"] != first.access and said["refresh_token"] != first.refresh
    claims = rp.believed(said["id_token"], None, access=said["access_token"])
    same = ("iss", "sub", "aud", "auth_time")  # OIDC Core §12.2
    assert [claims[n] for n in same] == [first.claims[n] for n in same]
    assert (
        claims["iat"] == first.claims["iat"] + 60
        and claims.get("nonce", first.claims["nonce"]) == first.claims["nonce"]
    )
    assert rp.userinfo(said["access_token"]).json()["sub"] == first.claims["sub"]


@pytest.mark.parametrize("site", [SUITE, STRICT], ids=["own accord", "required"])
def test_oidcc_ensure_request_with_valid_pkce_succeeds(clock, browser, site):
    rp = party(clock, replace(site, pkce=True))
    assert rp.metadata["code_challenge_methods_supported"] == ["S256"]
    assert rp.enter(browser)


def _refused(answer, error: str) -> None:
    """RFC 6749 §5.2."""
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert "no-store" in answer.headers["Cache-Control"]


# The suite's own eyes -----------------------------------------------------------------------------------------------


def test_the_relying_party_distrusts_what_it_should(rp, second, browser, clock):
    """A judge that accepts everything would make all of the above green."""
    asked, code = rp.send(browser)
    tokens = rp.tokens(asked, rp.redeem(asked, code))
    head, body, signature = tokens.id_token.split(".")
    claims = parts(tokens.id_token)[1]
    other = b64(json.dumps({**claims, "sub": "somebody else"}).encode())
    with pytest.raises(Exception, match="^$"):  # InvalidSignature has no words
        rp.believed(f"{head}.{other}.{signature}", asked)
    for wrong in (
        lambda: second.believed(tokens.id_token, None),
        lambda: rp.believed(tokens.id_token, replace(asked, nonce="another")),
        lambda: rp.believed(tokens.id_token, asked, access="another"),
        lambda: rp.believed(f"{b64(json.dumps({'alg': 'none'}).encode())}.{body}.", asked),
    ):
        with pytest.raises(Distrust):
            wrong()
    clock.advance(minutes=6)
    with pytest.raises(Distrust, match="no longer"):
        rp.believed(tokens.id_token, asked)
    assert local(f"{ISSUER}/x?{urlencode({'a': 'b'})}") == "/x?a=b"
