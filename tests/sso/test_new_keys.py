"""The operator gives new keys while people are in the sites: what a site was told stays what it is told at the end."""

from dataclasses import replace

import pytest
from lxml import etree

from massar.domain.delivery import api as delivery
from massar.domain.sites import api as sites
from tests.sso import saml_site as saml
from tests.sso.jws import verified
from tests.sso.relying_party import SITES, SUITE, party, register
from tests.support.fakes import BehavingProvider
from tests.support.post_office import turning
from tests.support.visitor import Visitor

pytestmark = pytest.mark.both_databases

BY_SOAP = replace(saml.RETRAITE, slo_soap="https://retraite.example.ma/saml/soap")
# A site of the guide that an operator has connected by another protocol than the one that it comes with.
CONVERTED = replace(
    saml.RETRAITE, slug="massar", client_id="massar", entity_id="https://massar.example.ma/saml",
    acs=("https://massar.example.ma/acs",), backchannel_logout_uri="https://massar.example.ma/backchannel", slo="",
)  # fmt: skip


@pytest.fixture(autouse=True)
def registered(cast, settings):
    register(settings, *SITES, BY_SOAP, CONVERTED)


@pytest.fixture
def told(clock):
    """Turns a worker until nothing is due; what the sites got."""
    providers = {channel: BehavingProvider(channel) for channel in ("site", "soap")}
    turn = turning(providers, clock)

    def received() -> list[delivery.OutboundMessage]:
        turn()
        return [message for provider in providers.values() for message in provider.received]

    return received


def give_new_keys(settings) -> None:
    before = settings.MASSAR
    keys = (("new", b"n" * 32), *before.data_keys)
    settings.MASSAR = replace(before, secret_key="x" * 60, data_keys=keys)


def leave(visitor: Visitor) -> None:
    visitor.get("/").submit("/sign-out/")
    assert not visitor.signed_in


def test_an_id_token_from_before_signs_out_without_a_question_and_the_logout_token_names_the_session_as_it_did(
    browser, clock, settings, told
):
    suite, uri = party(clock, SUITE), SUITE.post_logout_redirect_uris[0]
    tokens = suite.enter(browser)
    give_new_keys(settings)
    browser.open(suite.end_session(id_token_hint=tokens.id_token, post_logout_redirect_uri=uri, state="s"))
    assert browser.arrived.address == uri and not browser.signed_in
    claims = verified(told()[0].text, suite.keys(), {"RS256"})[1]
    assert (claims["sub"], claims["sid"]) == (tokens.claims["sub"], tokens.claims["sid"])


def test_a_saml_site_that_knows_a_transient_name_is_asked_by_it(youssef, clock, settings, told):
    name, index = saml.visit(youssef, clock, inside=saml.policy(saml.TRANSIENT))
    give_new_keys(settings)
    leave(youssef)
    request = etree.fromstring(told()[0].text.encode()).find(".//samlp:LogoutRequest", saml.NS)
    assert request.find("saml:NameID", saml.NS).text == name
    assert [e.text for e in request.findall("samlp:SessionIndex", saml.NS)] == [index]


def test_a_saml_site_asks_with_the_name_that_it_was_told(youssef, clock, settings):
    name, index = saml.visit(youssef, clock, inside=saml.policy(saml.TRANSIENT))
    give_new_keys(settings)
    request = saml.logout_request(clock(), name=name, index=index)
    answer = youssef.client.get(saml.redirect(request, key=saml.SITE_KEYS.key, to="/saml/slo"))
    assert saml.logout_status(answer) == ["Success"] and not youssef.signed_in


def test_the_audience_is_the_name_that_the_site_has_in_its_protocol(youssef, clock, told):
    assert youssef.client.get(f"/saml/start/{CONVERTED.slug}/").status_code == 200
    leave(youssef)
    claims = verified(told()[0].text, party(clock, SUITE).keys(), {"ES256"})[1]
    assert claims["aud"] == CONVERTED.entity_id


def test_new_keys_have_128_bits_of_strength(cast, clock):
    """ASVS 11.2.3: each kind that is made now (NIST SP 800-57 part 1, table 2)."""
    signers = {use: sites.keys.active(use, now=clock()) for use in sites.keys.USES}
    assert signers["RS256"].rsa.key_size == signers["SAML"].rsa.key_size == 3072
    assert signers["ES256"].key.private_key.curve.key_size == 256
