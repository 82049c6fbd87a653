"""oidcc-config-certification-test-plan: what the discovery document says is there, complete and true."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.sso.relying_party import ISSUER, RelyingParty, is_ours, local

SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6749 §3.3
LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}  # RFC 7518 §6
ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "end_session_endpoint",
)


def test_oidcc_discovery_endpoint_verification(rp: RelyingParty):
    said = rp.metadata
    assert said["issuer"] == ISSUER and "?" not in said["issuer"] and "#" not in said["issuer"]
    assert said["response_types_supported"] == ["code"]
    assert {"query", "form_post"} == set(said["response_modes_supported"])
    assert said["subject_types_supported"] == ["pairwise"]
    assert set(said["id_token_signing_alg_values_supported"]) == {"RS256", "ES256"}
    assert {"authorization_code", "refresh_token", "client_credentials"} == set(said["grant_types_supported"])
    assert {"client_secret_basic", "client_secret_post", "private_key_jwt"} <= set(
        said["token_endpoint_auth_methods_supported"]
    )
    assert set(said["token_endpoint_auth_signing_alg_values_supported"]) <= {
        "ES256",
        "RS256",
        "PS256",
        "EdDSA",
        "ES384",
    }
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert {"sub", "name", "email", "auth_time", "acr"} <= set(said["claims_supported"])
    assert "openid" in said["scopes_supported"] and all(map(SCOPE.fullmatch, said["scopes_supported"]))
    assert {"ar", "fr", "en"} == set(said["ui_locales_supported"]) and all(
        map(LOCALE.fullmatch, said["ui_locales_supported"])
    )
    assert said["authorization_response_iss_parameter_supported"] is True  # RFC 9207 §3
    assert said["backchannel_logout_supported"] is True and said["backchannel_logout_session_supported"] is True
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


def test_the_published_keys_are_public_and_complete(rp: RelyingParty):
    keys = rp.keys()
    assert {(k["kty"], k["alg"], k["use"]) for k in keys} == {("RSA", "RS256", "sig"), ("EC", "ES256", "sig")}
    assert len({k["kid"] for k in keys}) == len(keys)
    assert not any(PRIVATE & k.keys() for k in keys)


def test_the_key_set_may_be_cached(rp: RelyingParty):
    """Hundreds of sites ask for it; an hour is far below the day that a new key is published ahead."""
    said = rp.wire.get(local(rp.metadata["jwks_uri"])).headers["Cache-Control"]
    age = re.search(r"max-age=(\d+)", said)
    assert age and 60 <= int(age[1]) <= 3600 * 4 and "no-store" not in said
