"""oidcc-config-certification-test-plan: what the discovery document says is there, complete and true. And whether the
judge of all of these plans believes nothing that it should not."""

import re
from dataclasses import replace

import pytest

from tests.sso import jws
from tests.sso.relying_party import ISSUER, Distrust, RelyingParty, is_ours, local

SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6749 §3.3
LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}  # RFC 7518 §6
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint")
SAID = {
    "issuer": ISSUER,
    "response_types_supported": ["code"],
    "response_modes_supported": ["query", "form_post"],
    "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
    "subject_types_supported": ["pairwise"],
    "id_token_signing_alg_values_supported": ["ES256", "RS256"],
    "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
    "token_endpoint_auth_signing_alg_values_supported": ["ES256", "ES384", "PS256", "RS256", "EdDSA"],
    "code_challenge_methods_supported": ["S256"],
    "ui_locales_supported": ["ar", "fr", "en"],
    "authorization_response_iss_parameter_supported": True,  # RFC 9207 §3
    "backchannel_logout_supported": True,
    "backchannel_logout_session_supported": True,
}


def test_oidcc_discovery_endpoint_verification(rp: RelyingParty):
    said = rp.metadata
    assert {name: said[name] for name in SAID} == SAID and "?" not in said["issuer"] and "#" not in said["issuer"]
    assert {"sub", "name", "email", "auth_time", "acr"} <= set(said["claims_supported"])
    assert "openid" in said["scopes_supported"] and all(map(SCOPE.fullmatch, said["scopes_supported"]))
    assert all(map(LOCALE.fullmatch, said["ui_locales_supported"]))
    assert "registration_endpoint" not in said, "sites are registered by the operator alone"
    assert all(is_ours(v) for k, v in said.items() if k.endswith(("_endpoint", "_uri")))
    for name in ENDPOINTS:
        assert rp.wire.get(local(said[name])).status_code != 404, name


def test_every_endpoint_is_https_where_the_account_is(rp: RelyingParty, settings):
    """One configured address, byte for byte, and everything under it."""
    settings.MASSAR = replace(settings.MASSAR, public_url="https://compte.example.ma")
    said = rp.wire.get("/.well-known/openid-configuration").json()
    assert said["issuer"] == "https://compte.example.ma"
    addresses = [v for k, v in said.items() if k.endswith(("_endpoint", "_uri"))]
    assert len(addresses) >= 7 and all(a.startswith("https://compte.example.ma/") for a in addresses)


def test_the_published_keys_are_public_and_complete_and_may_be_cached(rp: RelyingParty):
    """Hundreds of sites ask for them; an hour is far below the day that a new key is published ahead."""
    keys = rp.keys()
    assert {(k["kty"], k["alg"], k["use"]) for k in keys} == {("RSA", "RS256", "sig"), ("EC", "ES256", "sig")}
    assert len({k["kid"] for k in keys}) == len(keys)
    assert not any(PRIVATE & k.keys() for k in keys)
    said = rp.wire.get(local(rp.metadata["jwks_uri"])).headers["Cache-Control"]
    age = re.search(r"max-age=(\d+)", said)
    assert age and 60 <= int(age[1]) <= 3600 * 4 and "no-store" not in said


def test_the_relying_party_distrusts_what_it_should(rp, second, browser, clock):
    """A judge that accepts everything would make all of these plans green."""
    asked, code = rp.send(browser)
    tokens = rp.tokens(asked, rp.redeem(asked, code))
    head, _, signature = tokens.id_token.split(".")
    other = jws.packed({**jws.parts(tokens.id_token)[1], "sub": "somebody else"})
    with pytest.raises(Exception, match="^$"):  # InvalidSignature has no words
        rp.believed(f"{head}.{other}.{signature}", asked)
    for wrong in (
        lambda: second.believed(tokens.id_token, None),
        lambda: rp.believed(tokens.id_token, replace(asked, nonce="another")),
        lambda: rp.believed(tokens.id_token, asked, access="another"),
        lambda: rp.believed(jws.unsigned(jws.parts(tokens.id_token)[1]), asked),
    ):
        with pytest.raises(Distrust):
            wrong()
    clock.advance(minutes=6)
    with pytest.raises(Distrust, match="no longer"):
        rp.believed(tokens.id_token, asked)
