"""python3-saml (OneLogin's toolkit for Python) in strict mode, on real sockets: sign-in, fresh proof, single logout.

What it checks by itself is left to it: signatures of message and assertion, schema, audience, times, context.
"""

from __future__ import annotations

import base64
import re
import time

import pytest
from onelogin.saml2.constants import OneLogin_Saml2_Constants as saml

from tests.cast import YOUSSEF
from tests.servers.saml_steps import enters, in_front, signs_out_both_ways, visit
from tests.servers.saml_toolkit import running_toolkit


@pytest.fixture(scope="module")
def site(account, layout):
    with running_toolkit(layout, account.url) as address:
        yield address


def test_sign_in_by_redirect_with_name_and_attributes(site, account, surfer):
    page = surfer.open(f"{site}/login")
    assert page.address == f"{account.url}/sign-in/"
    assert surfer.way[1].startswith(f"{account.url}/saml/sso?SAMLRequest=") and "&Signature=" in surfer.way[1]
    account.sign_in(surfer)
    there = visit(surfer.submit("/acs"))
    assert there["attributes"] == {
        "email": [YOUSSEF.login], "name": ["Youssef Benali"], "school": [YOUSSEF.establishment[2]],
    }  # fmt: skip
    assert there["format"] == saml.NAMEID_PERSISTENT and there["index"]
    assert there["name_id"] and YOUSSEF.login not in there["name_id"], "the name at the site is an opaque subject"


def test_who_is_signed_in_keeps_the_name_and_is_asked_for_the_password_by_force_authn_alone(site, account, surfer):
    before = enters(site, account, surfer)
    page = surfer.open(f"{site}/login")
    assert page.address.startswith(f"{account.url}/saml/sso?"), "no sign-in page in between"
    assert visit(surfer.submit("/acs")) == before
    time.sleep(1.1)  # seconds are all that AuthnInstant has
    page = surfer.open(f"{site}/login?again")
    assert page.address == f"{account.url}/sign-in/", "signed in, and asked all the same"
    account.sign_in(surfer)
    after = visit(surfer.submit("/acs"))
    assert after["proved"] > before["proved"]
    same = [(one["name_id"], one["index"]) for one in (before, after)]
    assert same[0] == same[1], "a fresh proof is no other session"


def test_signing_out_both_ways_round(site, account, surfer):
    signs_out_both_ways(site, account, surfer, "toolkit")


SIGNATURE = r"(?s)<(\w+:)?Signature[ >].*?</(\w+:)?Signature>"


@pytest.mark.parametrize(("part", "other", "times", "why"), [
    (r"(<(?:\w+:)?NameID[^>]*>)", r"\1x", 0, "Signature validation failed"),
    (re.escape(YOUSSEF.login), "minister@men.gov.ma", 0, "Signature validation failed"),
    (r"(<(?:\w+:)?Audience>)[^<]*", r"\1http://elsewhere.example.org/", 0, "not a valid audience"),
    (SIGNATURE, "", 0, "not signed"),
    (SIGNATURE, "", 1, "Message of the Response is not signed"),
])  # fmt: skip
def test_a_tampered_answer_is_refused(site, account, surfer, part, other, times, why):
    surfer.open(f"{site}/login")
    account.sign_in(surfer)
    right = base64.b64decode(in_front(surfer, "SAMLResponse")).decode()
    wrong = re.sub(part, other, right, count=times)
    assert wrong != right
    page = surfer.submit("/acs", SAMLResponse=base64.b64encode(wrong.encode()).decode())
    assert page.status == 400 and why in page.text, page.text
    assert visit(surfer.open(f"{site}/")) is None


def test_an_answer_to_another_request_is_refused(site, account, surfer):
    surfer.open(f"{site}/login")
    account.sign_in(surfer)
    earlier = in_front(surfer, "SAMLResponse")
    surfer.open(f"{site}/login")
    page = surfer.submit("/acs", SAMLResponse=earlier)
    assert page.status == 400 and "does not match the ID of the AuthNRequest" in page.text, page.text
    assert visit(surfer.open(f"{site}/")) is None
