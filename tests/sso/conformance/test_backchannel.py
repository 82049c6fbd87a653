"""oidcc-backchannel-rp-initiated-logout-certification-test-plan: the site itself is told, over a real socket."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest

from massar.interfaces.commands import providers
from tests.sso.relying_party import ISSUER, SITES, SUITE, party, register, verified
from tests.support.post_office import worker_with
from tests.support.serving import serving

EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass
class Door:
    """A site's back-channel logout endpoint: keeps what is posted, answers with `status`."""

    address: str = ""
    status: int = 200
    posts: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def door():
    kept = Door()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            kept.posts.append((self.headers["Content-Type"], dict(parse_qsl(body, strict_parsing=True))))
            self.send_response(kept.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.address = f"http://127.0.0.1:{server.server_port}/backchannel"
    with serving(server):
        yield kept


@pytest.fixture
def suite(registered, clock, settings, door):
    site = replace(SUITE, backchannel_logout_uri=door.address)
    register(settings, *(site if s.slug == "suite" else s for s in SITES))
    return party(clock, site)


def work(clock, settings) -> None:
    """The worker with the product's own provider for sites, until nothing is due."""
    worker = worker_with(providers.sites(), clock)
    while worker.turn():
        pass


def sign_out_at(rp, browser, tokens) -> None:
    uri = rp.site.post_logout_redirect_uris[0]
    browser.open(rp.end_session(id_token_hint=tokens.id_token, post_logout_redirect_uri=uri, state="s"))
    assert browser.arrived.address == uri


def test_oidcc_backchannel_rp_initiated_logout_discovery_endpoint_verification(rp):
    assert rp.metadata["backchannel_logout_supported"] is True
    assert rp.metadata["backchannel_logout_session_supported"] is True
    assert rp.metadata["end_session_endpoint"]


def test_oidcc_backchannel_rp_initiated_logout(suite, browser, door, clock, settings):
    tokens = suite.enter(browser)
    sign_out_at(suite, browser, tokens)
    work(clock, settings)
    assert len(door.posts) == 1
    kind, fields = door.posts[0]
    assert kind.startswith("application/x-www-form-urlencoded") and fields.keys() == {"logout_token"}
    header, claims = verified(fields["logout_token"], suite.keys(), {"RS256"})
    moment = int(clock().timestamp())
    assert header["typ"] == "logout+jwt"
    assert claims["iss"] == ISSUER and claims["aud"] in ("suite", ["suite"])
    assert claims["iat"] <= moment < claims["exp"] <= moment + 120
    assert claims["events"] == {EVENT: {}} and claims["jti"] and "nonce" not in claims
    assert (claims["sub"], claims["sid"]) == (tokens.claims["sub"], tokens.claims["sid"])


def test_a_site_that_was_away_is_told_later_with_a_fresh_token(suite, browser, door, clock, settings):
    sign_out_at(suite, browser, suite.enter(browser))
    door.status = 503
    work(clock, settings)
    first = [fields["logout_token"] for _, fields in door.posts]
    assert first
    door.status = 200
    clock.advance(hours=1)
    work(clock, settings)
    told = [fields["logout_token"] for _, fields in door.posts]
    assert len(told) == len(first) + 1
    claims = verified(told[-1], suite.keys(), {"RS256"})[1]
    assert claims["iat"] == int(clock().timestamp()), "an hour later the first token would be long dead"
