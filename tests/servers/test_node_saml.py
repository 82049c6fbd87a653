"""node-saml, the library under Passport's SAML strategy: both signatures, InResponseTo, both logouts."""

from __future__ import annotations

import pytest

from tests.cast import YOUSSEF
from tests.servers.machine import open_folder, program, running
from tests.servers.node_modules import installed
from tests.servers.saml_steps import enters, furnish, in_front, of_somebody_else, signs_out_both_ways
from tests.support.programs import NODE


@pytest.fixture(scope="module")
def site(account, layout, tmp_path_factory):
    scripts, port = installed(tmp_path_factory.mktemp("node-saml") / "site"), layout.port("node_saml")
    with open_folder() as folder:
        furnish(folder, layout)
        command = [program(NODE), "saml.mjs", account.url, str(port), str(folder)]
        with running(command, folder=scripts, ports=(port,)):
            yield layout.at("node_saml")


def test_sign_in_with_name_and_attributes(site, account, surfer):
    there = enters(site, account, surfer)
    assert there["attributes"] == {"email": YOUSSEF.login, "name": "Youssef Benali", "school": YOUSSEF.establishment[2]}
    assert there["issuer"] == f"{account.url}/saml/metadata" and there["sessionIndex"]
    assert there["nameIDFormat"].endswith(":persistent") and YOUSSEF.login not in there["nameID"]


def test_an_answer_that_was_changed_is_refused_and_its_request_is_used_up(site, account, surfer):
    surfer.open(f"{site}/login")
    account.sign_in(surfer)
    right = surfer.page
    page = surfer.submit("/acs", SAMLResponse=of_somebody_else(in_front(surfer, "SAMLResponse")))
    assert page.status == 400 and "signature" in page.text.lower()
    surfer.page = right  # the library has forgotten that it asked, whatever came
    page = surfer.submit("/acs")
    assert page.status == 400 and "InResponseTo" in page.text


def test_signing_out_both_ways_round(site, account, surfer):
    signs_out_both_ways(site, account, surfer, "node_saml")
