"""Authlib's client (Python) over real sockets: code flow with PKCE, signature, userinfo, revocation."""

import pytest
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.cast import YOUSSEF
from tests.servers.oidc_steps import discovered
from tests.servers.sites import SECRETS


@pytest.fixture
def session(account, layout, monkeypatch):
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # loopback has no TLS
    way = {"code_challenge_method": "S256", "token_endpoint_auth_method": "client_secret_basic"}
    back = layout.at("authlib", "/back")
    return OAuth2Session("authlib", SECRETS["authlib"], scope="openid profile email", redirect_uri=back, **way)


VERIFIER = "a-verifier-of-this-test-with-enough-characters-0123456789"


def test_the_code_flow(session, account, layout, surfer):
    known = discovered(account)
    address, state = session.create_authorization_url(
        known["authorization_endpoint"], code_verifier=VERIFIER, nonce="of-this-visit"
    )
    account.sign_in(surfer)
    surfer.stops_at = layout.at("authlib", "/back")
    surfer.open(address)
    token = session.fetch_token(
        known["token_endpoint"], authorization_response=surfer.way[-1], state=state, code_verifier=VERIFIER
    )
    keys = session.get(known["jwks_uri"], withhold_token=True).json()
    claims = jwt.decode(token["id_token"], KeySet.import_key_set(keys), algorithms=["ES256"]).claims
    assert (claims["iss"], claims["aud"]) == (account.url, "authlib")
    assert claims["nonce"] == "of-this-visit"
    told = session.get(known["userinfo_endpoint"]).json()
    assert told["sub"] == claims["sub"] and told["email"] == YOUSSEF.login
    assert session.revoke_token(known["revocation_endpoint"], token["access_token"]).status_code == 200
    assert session.get(known["userinfo_endpoint"]).status_code == 401
