"""Apache's mod_auth_openidc, with deploy/apache/openidc.conf: discovery, PKCE, claims, back-channel logout."""

import re

import pytest

from tests.cast import YOUSSEF
from tests.servers.apache import running_apache
from tests.servers.machine import open_folder
from tests.servers.sites import SECRETS
from tests.support.product import ROOT
from tests.support.programs import AUTH_OPENIDC
from tests.support.waits import until

SEEN = """
<Location /private/>
  Header always set X-Seen-User "expr=%{REMOTE_USER}"
  Header always set X-Seen-Email "expr=%{reqenv:OIDC_CLAIM_email}"
  Header always set X-Seen-School "expr=%{reqenv:OIDC_CLAIM_school}"
  Header always set X-Seen-Acr "expr=%{reqenv:OIDC_CLAIM_acr}"
</Location>
"""


@pytest.fixture(scope="module")
def site(account, layout):
    text = (ROOT / "deploy" / "apache" / "openidc.conf").read_text("utf-8")
    text = text.replace("https://compte.example.ma", account.url).replace("ClientID esise", "ClientID apache_oidc")
    text = text.replace("https://sise.example.ma", layout.at("apache_oidc"))
    text = re.sub(r"\bSECRET\b", SECRETS["apache_oidc"], text).replace("PASSPHRASE", "of-this-run-alone")
    port, log = layout.port("apache_oidc"), "auth_openidc:debug"
    with open_folder() as folder, running_apache(folder, port, AUTH_OPENIDC, "auth_openidc", text + SEEN, log=log):
        yield layout.at("apache_oidc")


def test_sign_in_once_and_the_page_opens_with_the_claims(site, account, surfer):
    page = surfer.open(f"{site}/private/")
    assert page.address == f"{account.url}/sign-in/"
    account.sign_in(surfer)
    page = surfer.page
    assert (page.status, page.text) == (200, "<h1>private</h1>"), (page.address, page.text)
    assert page.headers["x-seen-email"] == YOUSSEF.login
    assert page.headers["x-seen-school"] == YOUSSEF.establishment[2]
    assert page.headers["x-seen-acr"] == "urn:massar:acr:settled"
    assert YOUSSEF.login not in page.headers["x-seen-user"], "the name at the site is an opaque subject"


def test_what_is_no_page_of_its_own_gets_the_401(site, account, surfer):
    """As docs/integrate/apache.md says; the same address opened by a person leads to the account."""
    for asked in (
        {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors"},
        {"X-Requested-With": "XMLHttpRequest"},
        {"Accept": "application/json"},
        {"Accept": ""},
    ):
        assert surfer.ask("GET", f"{site}/private/", None, **asked).status == 401, asked
    assert surfer.ask("GET", f"{site}/private/").headers["location"].startswith(f"{account.url}/authorize?")


def test_whoever_is_signed_in_meets_no_form(site, account, surfer):
    account.sign_in(surfer)
    assert surfer.open(f"{site}/private/").text == "<h1>private</h1>"
    assert f"{account.url}/sign-in/" not in surfer.way


def test_signing_out_at_the_account_reaches_the_site_behind_the_browser(site, account, surfer):
    account.sign_in(surfer)
    surfer.open(f"{site}/private/")
    account.sign_out(surfer)
    until(lambda: surfer.ask("GET", f"{site}/private/").status != 200, 20, "the site was not told")
    assert surfer.open(f"{site}/private/").address == f"{account.url}/sign-in/"
