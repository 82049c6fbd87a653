"""Native programs: back on this machine at a port chosen at run time (RFC 8252 §7.3), and nobody else anywhere."""

from dataclasses import replace

import pytest

from massar.domain.sites.models import Grant
from tests.cast import YOUSSEF
from tests.sso.relying_party import STRICT, party, refused, register, stays
from tests.support.sites import load

REGISTERED = ("http://127.0.0.1/back", "http://[::1]/six", "http://127.0.0.1:4000/fixed", "http://localhost/back")
PROGRAM = replace(
    STRICT, slug="program", client_id="program", client_auth="none", client_secret="", redirect_uris=REGISTERED,
    backchannel_logout_uri="", hears_sign_out=False,
)  # fmt: skip
GOOD = (
    *REGISTERED, "http://127.0.0.1:1/back", "http://127.0.0.1:53211/back", "http://127.0.0.1:65535/back",
    "http://[::1]:53211/six",
)  # fmt: skip
FOREIGN = (
    "http://me@127.0.0.1:53211/back", "http://127.0.0.1:53211@evil.example/back",
    "http://127.0.0.1@evil.example:53211/back", "http://127.0.0.1.evil.example:53211/back",
    "http://127.0.0.1:53211\\@evil.example/back", "http://10.0.0.1:53211/back", "http://localhost:53211/back",
    # other ways to write or to mean loopback, and another host's path
    "http://127.0.0.2:53211/back", "http://127.1:53211/back", "http://2130706433:53211/back",
    "http://0177.0.0.1:53211/back", "http://[::ffff:127.0.0.1]:53211/six", "http://[0:0:0:0:0:0:0:1]:53211/six",
    "http://[::1]:53211/back",
    # other paths
    "http://127.0.0.1:53211/other", "http://127.0.0.1:53211/back/", "http://127.0.0.1:53211/x/../back",
    "http://127.0.0.1:53211/Back", "http://127.0.0.1:53211/back?x=1", "http://[::1]:53211/six?from=evil",
    "http://127.0.0.1:53211/back#x", "http://127.0.0.1:53211", "http://127.0.0.1:53211/back\n",
    # what is no port, or not free to choose
    "http://127.0.0.1:53211x/back", "http://127.0.0.1:http/back", "http://127.0.0.1:٥٣٢١١/back",
    "http://127.0.0.1:+80/back", "http://127.0.0.1: 80/back", "http://127.0.0.1:/back", "http://127.0.0.1:0/back",
    "http://127.0.0.1:080/back", "http://127.0.0.1:65536/back", f"http://127.0.0.1:{'9' * 50}/back",
    "http://127.0.0.1:80:81/back", "http://127.0.0.1:4001/fixed",
    "https://127.0.0.1:53211/back", "HTTP://127.0.0.1:53211/back",
)  # fmt: skip
ANY_PORT = "http://127.0.0.1:53211/back"


@pytest.fixture(autouse=True)
def registered(cast, settings):
    register(settings, PROGRAM)


@pytest.fixture
def program(clock):
    return party(clock, PROGRAM)


def test_a_program_comes_back_where_it_listens(program, browser):
    for address in GOOD:
        assert program.enter(browser, redirect_uri=address).access, address


def test_no_other_address_gets_a_redirect(program, browser):
    browser.sign_in(YOUSSEF.login, YOUSSEF.password)
    for address in FOREIGN:
        assert stays(browser.open(program.ask(redirect_uri=address).url)), address
    assert not Grant.objects.exists()


@pytest.mark.parametrize("changed", [
    {"client_auth": "client_secret_basic", "client_secret": STRICT.client_secret},
    {"client_auth": "client_secret_post", "client_secret": STRICT.client_secret},
    {"client_auth": "private_key_jwt"},
    {"pkce": False},
])  # fmt: skip
def test_a_site_with_a_secret_or_without_pkce_has_exact_addresses(clock, browser, settings, changed):
    site = replace(PROGRAM, **changed)
    register(settings, site)
    assert not site.loopback_uris and site.takes_back(REGISTERED[0])
    browser.sign_in(YOUSSEF.login, YOUSSEF.password)
    assert stays(browser.open(party(clock, site).ask(redirect_uri=ANY_PORT).url))


def test_a_program_can_not_do_without_pkce(program, browser):
    asked = program.start(browser, redirect_uri=ANY_PORT, code_challenge=None, code_challenge_method=None)
    assert program.error(browser, asked) == "invalid_request"


def test_the_code_is_for_the_port_that_was_asked_for(program, browser):
    """RFC 6749 §4.1.3: the same address at the token endpoint."""
    for other in ("http://127.0.0.1:53212/back", "http://127.0.0.1/back", "http://[::1]:53211/back", ""):
        asked, code = program.send(browser, redirect_uri=ANY_PORT)
        assert refused(program.redeem(asked, code, redirect_uri=other)), other


def test_the_registry_takes_such_an_address(tmp_path):
    file = tmp_path / "sites.toml"
    table = '[sites.program]\nprotocol = "oidc"\nclient_id = "program"\nclient_auth = "none"\nredirect_uris = ["{}"]\n'
    for address in ("http://127.0.0.1/", "http://[::1]/back"):
        file.write_text(table.format(address), "utf-8")
        assert load(file).by_slug["program"].loopback_uris == (address,)


def test_a_program_on_the_own_machine_has_no_card():
    assert not replace(PROGRAM, redirect_uris=REGISTERED[:2], home="").for_people
    assert replace(PROGRAM, redirect_uris=(REGISTERED[0], "https://webmail.example.ma/back"), home="").for_people
