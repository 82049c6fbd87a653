"""pysaml2 as a site that takes logout messages by POST alone and knows the account by its own name (`our_entity`).

What it checks by itself is left to it: both signatures (by xmlsec1), audience, times, InResponseTo, the issuer.
"""

import pytest
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.client import Saml2Client
from saml2.config import SPConfig
from saml2.metadata import create_metadata_string
from saml2.response import StatusError
from saml2.saml import NAMEID_FORMAT_PERSISTENT
from saml2.sigver import SignatureError
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

from massar.core import clock
from massar.domain.sites import saml_metadata
from tests.cast import YOUSSEF
from tests.servers.machine import open_folder, program
from tests.servers.saml_steps import badge, everywhere, furnish, in_front, is_signed_out, metadata, of_somebody_else
from tests.servers.surfer import Page, Surfer
from tests.support.programs import XMLSEC1

NAME = "pysaml2"


@pytest.fixture(scope="module")
def config(account, layout):
    with open_folder() as folder:
        furnish(folder, layout)
        yield {
            "entityid": layout.at(NAME, "/metadata"),
            "xmlsec_binary": program(XMLSEC1),
            "key_file": str(folder / "site.key"),
            "cert_file": str(folder / "site.pem"),
            "metadata": {"inline": [metadata(account.url, "/saml/as/nord/metadata")]},
            "allow_unknown_attributes": True,
            "service": {
                "sp": {
                    "endpoints": {
                        "assertion_consumer_service": [(layout.at(NAME, "/acs"), BINDING_HTTP_POST)],
                        "single_logout_service": [(layout.at(NAME, "/slo"), BINDING_HTTP_POST)],
                    },
                    "name_id_format": [NAMEID_FORMAT_PERSISTENT],
                    "signing_algorithm": SIG_RSA_SHA256,  # else SHA-1, which counts as no signature
                    "digest_algorithm": DIGEST_SHA256,
                    "authn_requests_signed": True,
                    "logout_requests_signed": True,
                    "logout_responses_signed": True,
                    "want_assertions_signed": True,
                    "want_response_signed": True,
                }
            },
        }


@pytest.fixture
def site(config):
    return Saml2Client(config=SPConfig().load(dict(config)))


def shown(surfer: Surfer, html: str, at: str) -> None:
    """A page of the site, with a form that its script would send."""
    surfer.page = Page(at, 200, {}, html if isinstance(html, str) else html.decode())


def enters(site, account, surfer, binding: str = BINDING_HTTP_REDIRECT):
    """What the site knows after a sign-in that it asked for."""
    asked, sent = site.prepare_for_authenticate(binding=binding, relay_state="back")
    if binding == BINDING_HTTP_POST:
        shown(surfer, sent["data"], site.config.entityid)
        surfer.submit("/sso")
    else:
        surfer.open(dict(sent["headers"])["Location"])
    if surfer.page.address.startswith(f"{account.url}/sign-in/"):
        account.sign_in(surfer)
    answer = in_front(surfer, "SAMLResponse")
    return site.parse_authn_request_response(answer, BINDING_HTTP_POST, outstanding={asked: "/"})


@pytest.mark.parametrize("binding", [BINDING_HTTP_REDIRECT, BINDING_HTTP_POST])
def test_sign_in_with_name_and_attributes(site, account, surfer, binding):
    there = enters(site, account, surfer, binding)
    assert there.issuer() == f"{account.url}/saml/as/nord/metadata"
    assert there.ava["email"] == [YOUSSEF.login] and there.ava["name"] == ["Youssef Benali"]
    assert there.name_id.format == NAMEID_FORMAT_PERSISTENT and YOUSSEF.login not in there.name_id.text
    assert there.name_id.name_qualifier == there.issuer() and there.name_id.sp_name_qualifier == site.config.entityid


def test_an_answer_that_was_changed_is_refused(site, account, surfer):
    asked, sent = site.prepare_for_authenticate(binding=BINDING_HTTP_REDIRECT)
    surfer.open(dict(sent["headers"])["Location"])
    account.sign_in(surfer)
    said = of_somebody_else(in_front(surfer, "SAMLResponse"))
    with pytest.raises((SignatureError, StatusError)):
        site.parse_authn_request_response(said, BINDING_HTTP_POST, outstanding={asked: "/"})


def test_the_account_signs_out_of_the_site_by_a_form_and_believes_its_answer(site, account, surfer):
    there = enters(site, account, surfer)
    everywhere(account, surfer)
    assert badge(surfer, NAME) == "wait"
    surfer.open(f"{account.url}/saml/leave/{NAME}/")
    answer = site.handle_logout_request(in_front(surfer, "SAMLRequest"), there.name_id, BINDING_HTTP_POST, sign=True)
    assert not site.users.subjects(), "the session at the site has ended"
    shown(surfer, answer["data"], site.config.entityid)
    surfer.submit("/slo")
    assert badge(surfer, NAME) == "good", (surfer.way, surfer.page.text[:1000])


def test_the_site_signs_out_of_the_account_by_a_form_and_believes_its_answer(site, account, surfer):
    there = enters(site, account, surfer)
    sent = site.do_logout(there.name_id, [there.issuer()], "", None, sign=True, expected_binding=BINDING_HTTP_POST)
    ((_, message),) = sent.values()
    shown(surfer, message["data"], site.config.entityid)
    surfer.submit("/slo")
    answer = site.parse_logout_request_response(in_front(surfer, "SAMLResponse"), BINDING_HTTP_POST)
    assert answer.status_ok() and answer.issuer() == f"{account.url}/saml/as/nord/metadata"
    assert is_signed_out(account, surfer)


def test_its_metadata_is_the_table_of_the_registry(config, layout):
    document = create_metadata_string(None, config=SPConfig().load(dict(config)))
    read, left_out = saml_metadata.read(document if isinstance(document, bytes) else document.encode(), now=clock.now())
    assert (read["slo"], read["slo_binding"]) == (layout.at(NAME, "/slo"), "post")
    assert (read["entity_id"], read["acs"]) == (layout.at(NAME, "/metadata"), [layout.at(NAME, "/acs")])
    assert not [one for one in left_out if "SingleLogout" in one or "Consumer" in one]
