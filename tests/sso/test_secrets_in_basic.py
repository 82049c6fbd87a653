"""Secrets with signs that form-encoding writes otherwise: RFC 6749 §2.3.1 has them encoded in HTTP Basic, and Authlib,
requests-oauthlib and Dovecot send them as they stand. Both are taken; test_sites_command.py: who makes them is told."""

from dataclasses import replace
from urllib.parse import quote_plus

import pytest

from massar.domain.sites import api as sites
from tests.sso.relying_party import MACHINE, RelyingParty, basic, register

SECRETS = ["a+b c%41&=:;/é~", "100%", "+", "%2B", "plain-1.2_3~"]


class Client(RelyingParty):
    """Sends its name and secret as `written` writes them."""

    written = staticmethod(quote_plus)

    def authenticated(self, fields: dict) -> tuple[dict, dict]:
        return fields, {"authorization": basic(self.written(self.site.client_id), self.written(self.secret))}


@pytest.mark.parametrize("client_id", ["strict", "a+b%"])
def test_both_ways_to_write_a_secret_are_taken_and_another_secret_is_not(cast, clock, settings, client_id):
    for secret in SECRETS:
        site = replace(MACHINE, client_id=client_id, client_secret=sites.hashed_secret(secret))
        register(settings, site)
        for said in (secret, "ab", "a%2Bb%", "a+B", "", f"{secret} "):
            for written in (quote_plus, str):
                rp = Client(clock, site, secret=said)
                rp.written = written
                answer = rp.post("token_endpoint", grant_type="client_credentials")
                assert answer.status_code == (200 if said == secret else 401), (secret, said, written)
                assert said == secret or answer.json()["error"] == "invalid_client"
