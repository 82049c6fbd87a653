"""ruby-saml (Debian's package), under OmniAuth and GitLab: signatures, audience, InResponseTo, both logouts."""

import json
import subprocess
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.cast import YOUSSEF
from tests.servers.machine import open_folder, program
from tests.servers.saml_steps import badge, everywhere, furnish, in_front, is_signed_out, of_somebody_else
from tests.servers.surfer import Surfer
from tests.support.product import ROOT
from tests.support.programs import RUBY, RUBY_SAML


class Site:
    """The site's address, and its steps."""

    def __init__(self, address: str, metadata: str, folder: str):
        program(RUBY_SAML)
        self.address, self.command = address, (program(RUBY), str(ROOT / "tests" / "servers" / "ruby" / "site.rb"))
        self.rest = (metadata, address, folder)

    def __call__(self, step: str, **given: str) -> dict:
        command = [*self.command, step, *self.rest]
        done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def site(account, layout):
    with open_folder() as folder:
        furnish(folder, layout, account.url)
        yield Site(layout.at("ruby_saml"), str(folder / "account.xml"), str(folder))


@pytest.fixture
def surfer(site) -> Surfer:
    return Surfer(stops_at=site.address)


def answered(site, account, surfer) -> dict[str, str]:
    """The account's answer to a sign-in, and the id of the request."""
    asked = site("login")
    surfer.open(asked["to"])
    account.sign_in(surfer)
    return {"SAMLResponse": in_front(surfer, "SAMLResponse"), "asked": asked["asked"]}


def there(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query))


def test_sign_in_with_name_and_attributes(site, account, surfer):
    known = site("acs", **answered(site, account, surfer))
    assert known["attributes"]["email"] == [YOUSSEF.login] and known["attributes"]["name"] == ["Youssef Benali"]
    assert known["issuer"] == [f"{account.url}/saml/metadata"] and YOUSSEF.login not in known["name_id"]


def test_an_answer_that_was_changed_or_is_anothers_is_refused(site, account, surfer):
    got = answered(site, account, surfer)
    assert site("acs", **got | {"SAMLResponse": of_somebody_else(got["SAMLResponse"])})["errors"]
    assert site("acs", **got | {"asked": "_another"})["errors"]


def test_signing_out_both_ways_round(site, account, surfer):
    known = site("acs", **answered(site, account, surfer))
    asked = site("logout", name_id=known["name_id"], index=known["index"])
    surfer.open(asked["to"])
    assert surfer.way[-1].startswith(f"{site.address}/slo?SAMLResponse="), surfer.way
    assert site("left", asked=asked["asked"], **there(surfer.way[-1])) == {"success": True, "errors": []}
    assert is_signed_out(account, surfer)
    known = site("acs", **answered(site, account, surfer))
    everywhere(account, surfer)
    surfer.open(f"{account.url}/saml/leave/ruby_saml/")
    heard = site("asked", **there(surfer.way[-1]))
    assert heard["name_id"] == known["name_id"]
    surfer.open(heard["to"])
    assert badge(surfer, "ruby_saml") == "good", (surfer.way, surfer.page.text[:1000])
