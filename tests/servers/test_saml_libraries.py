"""Libraries that speak SAML for a site, strict in everything, on real sockets: sign-in, fresh proof, both logouts.

python3-saml (OneLogin's toolkit for Python) and node-saml, the library under Passport's SAML strategy. What they check
by themselves is left to them: signatures of message and assertion, schema, audience, times, context, InResponseTo. What
python3-saml says to answers that were changed: ATK-128 (tests/sso/test_attack_saml.py).
"""

import time

import pytest
from onelogin.saml2.constants import OneLogin_Saml2_Constants as saml

from tests.cast import YOUSSEF
from tests.servers.machine import open_folder, program, running
from tests.servers.node_modules import installed
from tests.servers.saml_steps import enters, furnish, in_front, of_somebody_else, signs_out_both_ways, visit
from tests.servers.saml_toolkit import running_toolkit
from tests.support.programs import NODE


@pytest.fixture(scope="module")
def toolkit(account, layout):
    with running_toolkit(layout, account.url) as address:
        yield address


@pytest.fixture(scope="module")
def node_saml(account, layout, tmp_path_factory):
    scripts, port = installed(tmp_path_factory.mktemp("node-saml") / "site"), layout.port("node_saml")
    with open_folder() as folder:
        furnish(folder, layout)
        command = [program(NODE), "saml.mjs", account.url, str(port), str(folder)]
        with running(command, folder=scripts, ports=(port,)):
            yield layout.at("node_saml")


def test_python3_saml_signs_in_by_redirect_with_name_and_attributes(toolkit, account, surfer):
    page = surfer.open(f"{toolkit}/login")
    assert page.address == f"{account.url}/sign-in/"
    assert surfer.way[1].startswith(f"{account.url}/saml/sso?SAMLRequest=") and "&Signature=" in surfer.way[1]
    account.sign_in(surfer)
    there = visit(surfer.submit("/acs"))
    assert there["attributes"] == {
        "email": [YOUSSEF.login], "name": ["Youssef Benali"], "school": [YOUSSEF.establishment[2]],
    }  # fmt: skip
    assert there["format"] == saml.NAMEID_PERSISTENT and there["index"]
    assert there["name_id"] and YOUSSEF.login not in there["name_id"], "the name at the site is an opaque subject"


def test_who_is_signed_in_keeps_the_name_and_is_asked_for_the_password_by_force_authn_alone(toolkit, account, surfer):
    before = enters(toolkit, account, surfer)
    page = surfer.open(f"{toolkit}/login")
    assert page.address.startswith(f"{account.url}/saml/sso?"), "no sign-in page in between"
    assert visit(surfer.submit("/acs")) == before
    time.sleep(1.1)  # seconds are all that AuthnInstant has
    page = surfer.open(f"{toolkit}/login?again")
    assert page.address == f"{account.url}/sign-in/", "signed in, and asked all the same"
    account.sign_in(surfer)
    after = visit(surfer.submit("/acs"))
    assert after["proved"] > before["proved"]
    same = [(one["name_id"], one["index"]) for one in (before, after)]
    assert same[0] == same[1], "a fresh proof is no other session"


def test_node_saml_signs_in_with_name_and_attributes(node_saml, account, surfer):
    there = enters(node_saml, account, surfer)
    assert there["attributes"] == {"email": YOUSSEF.login, "name": "Youssef Benali", "school": YOUSSEF.establishment[2]}
    assert there["issuer"] == f"{account.url}/saml/metadata" and there["sessionIndex"]
    assert there["nameIDFormat"].endswith(":persistent") and YOUSSEF.login not in there["nameID"]


def test_an_answer_that_was_changed_is_refused_and_its_request_is_used_up(node_saml, account, surfer):
    surfer.open(f"{node_saml}/login")
    account.sign_in(surfer)
    right = surfer.page
    page = surfer.submit("/acs", SAMLResponse=of_somebody_else(in_front(surfer, "SAMLResponse")))
    assert page.status == 400 and "signature" in page.text.lower()
    surfer.page = right  # the library has forgotten that it asked, whatever came
    page = surfer.submit("/acs")
    assert page.status == 400 and "InResponseTo" in page.text


@pytest.mark.parametrize("name", ["toolkit", "node_saml"])
def test_signing_out_both_ways_round(request, account, surfer, name):
    signs_out_both_ways(request.getfixturevalue(name), account, surfer, name)
