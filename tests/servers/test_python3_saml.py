"""python3-saml (OneLogin's toolkit for Python) in strict mode, on real sockets: sign-in, fresh proof, single logout.

What it checks by itself is left to it: signatures of message and assertion, schema, audience, times, context.
"""

from __future__ import annotations

import base64
import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from onelogin.saml2.constants import OneLogin_Saml2_Constants as saml

from tests.cast import YOUSSEF
from tests.servers.saml_steps import enters, is_signed_out, leaves_by_browser, visit
from tests.servers.saml_toolkit import running_toolkit


@pytest.fixture(scope="module")
def site(account, layout):
    with running_toolkit(layout, account.url) as address:
        yield address


def answered(surfer) -> str:
    """The XML of the account's answer, in the form that is in front of us and not sent yet."""
    (form,) = (form for form in surfer.forms() if form.action.endswith("/acs"))
    return base64.b64decode(form.fields["SAMLResponse"]).decode()


def test_sign_in_by_redirect_with_name_and_attributes(site, account, surfer):
    page = surfer.open(f"{site}/login")
    assert page.address == f"{account.url}/sign-in/"
    sent = urlsplit(surfer.way[1])
    assert surfer.way[1].startswith(f"{account.url}/saml/sso?") and {"SAMLRequest", "Signature"} <= set(
        parse_qs(sent.query)
    )
    account.sign_in(surfer)
    there = visit(surfer.submit("/acs"))
    assert there["attributes"] == {
        "email": [YOUSSEF.login], "name": ["Youssef Benali"], "school": [YOUSSEF.establishment[2]],
    }  # fmt: skip
    assert there["format"] == saml.NAMEID_PERSISTENT and there["index"]
    assert there["name_id"] and YOUSSEF.login not in there["name_id"], "the name at the site is an opaque subject"


def test_who_is_signed_in_is_not_asked_and_keeps_the_name(site, account, surfer):
    before = enters(site, account, surfer)
    page = surfer.open(f"{site}/login")
    assert page.address.startswith(f"{account.url}/saml/sso?"), "no sign-in page in between"
    assert visit(surfer.submit("/acs")) == before


def test_force_authn_asks_for_the_password_again(site, account, surfer):
    before = enters(site, account, surfer)
    time.sleep(1.1)  # seconds are all that AuthnInstant has
    page = surfer.open(f"{site}/login?again")
    assert page.address == f"{account.url}/sign-in/", "signed in, and asked all the same"
    account.sign_in(surfer)
    after = visit(surfer.submit("/acs"))
    assert after["proved"] > before["proved"]
    assert (after["name_id"], after["index"]) == (before["name_id"], before["index"]), (
        "a fresh proof is no other session"
    )


def test_signing_out_at_the_site_signs_out_of_the_account(site, account, surfer):
    enters(site, account, surfer)
    page = surfer.open(f"{site}/logout")
    assert any(step.startswith(f"{site}/slo?SAMLResponse=") for step in surfer.way), surfer.way
    assert visit(page) is None
    assert is_signed_out(account, surfer)
    assert surfer.open(f"{site}/login").address == f"{account.url}/sign-in/"


def test_the_account_signs_out_of_the_site_through_the_browser(site, account, surfer):
    enters(site, account, surfer)
    leaves_by_browser(account, surfer, "toolkit")
    assert visit(surfer.open(f"{site}/")) is None


def other_name(xml: str) -> str:
    return re.sub(r"(<(?:\w+:)?NameID[^>]*>)", r"\1x", xml)


def other_attribute(xml: str) -> str:
    return xml.replace(YOUSSEF.login, "minister@men.gov.ma")


def other_audience(xml: str) -> str:
    return re.sub(r"(<(?:\w+:)?Audience>)[^<]*", r"\1http://elsewhere.example.org/", xml)


def unsigned(xml: str, count: int = 0) -> str:
    return re.sub(r"<(\w+:)?Signature[ >].*?</(\w+:)?Signature>", "", xml, count=count, flags=re.DOTALL)


def message_unsigned(xml: str) -> str:
    return unsigned(xml, count=1)


@pytest.mark.parametrize(("spoil", "why"), [
    (other_name, "Signature validation failed"),
    (other_attribute, "Signature validation failed"),
    (other_audience, "not a valid audience"),
    (unsigned, "not signed"),
    (message_unsigned, "Message of the Response is not signed"),
])  # fmt: skip
def test_a_tampered_answer_is_refused(site, account, surfer, spoil, why):
    surfer.open(f"{site}/login")
    account.sign_in(surfer)
    right = answered(surfer)
    wrong = spoil(right)
    assert wrong != right
    page = surfer.submit("/acs", SAMLResponse=base64.b64encode(wrong.encode()).decode())
    assert page.status == 400 and why in page.text, page.text
    assert visit(surfer.open(f"{site}/")) is None


def test_an_answer_to_another_request_is_refused(site, account, surfer):
    surfer.open(f"{site}/login")
    account.sign_in(surfer)
    earlier = answered(surfer)
    surfer.open(f"{site}/login")
    page = surfer.submit("/acs", SAMLResponse=base64.b64encode(earlier.encode()).decode())
    assert page.status == 400 and "does not match the ID of the AuthNRequest" in page.text, page.text
    assert visit(surfer.open(f"{site}/")) is None
