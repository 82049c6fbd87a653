"""The gate by one address, for proxies that hand our answer to the browser: what it believes, and all it does not."""

from __future__ import annotations

import dataclasses
from urllib.parse import urlsplit

import pytest
from django.conf import settings as live

from massar.domain.sites import api as sites
from tests.cast import YOUSSEF
from tests.sso.gated_site import ARCHIVE, CLOSED, NOTIFRH, ORIGIN, Gatekeeper, at_account
from tests.sso.relying_party import basic, register
from tests.support.visitor import Visitor

KEY, OTHER_KEY = "key-of-notifrh-0123456789", "key-of-archive-0123456789"
KEYED = dataclasses.replace(NOTIFRH, gate_key=sites.hashed_secret(KEY))
NEXT = dataclasses.replace(ARCHIVE, gate_key=sites.hashed_secret(OTHER_KEY))
HOST = urlsplit(ORIGIN).netloc


@pytest.fixture(autouse=True)
def registered(settings):
    register(settings, KEYED, NEXT, CLOSED)


class Proxy(Gatekeeper):
    """Traefik as docs/integrate/traefik.md sets it up. A header of None stays out."""

    def ask(self, uri: str = "/", method: str = "GET", **changed: str | None):
        sent = {
            "Authorization": basic("notifrh", KEY), "X-Forwarded-Method": method, "X-Forwarded-Host": HOST,
            "X-Forwarded-Proto": "https", "X-Forwarded-Uri": uri,
        }  # fmt: skip
        return self.send("/gate/forward/", {**sent, **changed})

    def opened(self, visitor: Visitor, uri: str = "/") -> Proxy:
        """The whole way, by redirects that the browser follows."""
        there = at_account(visitor, self.ask(uri)["Location"])["Location"]
        assert there.startswith(f"{ORIGIN}/.massar/enter?")
        back = self.ask(there.removeprefix(ORIGIN))
        assert (back.status_code, back["Location"]) == (303, ORIGIN + uri)
        return self


def test_one_address_leads_there_and_back(youssef, django_assert_num_queries):
    proxy = Proxy().opened(youssef, "/dossier/12?page=2&tri=date")
    assert "Cookie" not in proxy.ask().headers, "there are none but the gate's"
    proxy.cookies["own"] = "kept"
    with django_assert_num_queries(2):
        passed = proxy.ask("/dossier/12?page=2")
    assert (passed.status_code, passed.content) == (200, b"")
    assert passed["X-Massar-User"] == YOUSSEF.login and passed["X-Massar-Token"].count(".") == 2
    assert passed["Cookie"] == "own=kept", "the gate's own stay at the gate"
    for host in (None, HOST, HOST.upper(), f"{HOST}:443", urlsplit(live.MASSAR.public_url).netloc):
        answer = proxy.ask(**{"X-Forwarded-Host": host})
        assert answer.status_code == 200, "a proxy in front of the account may have put the account's own there"
    youssef.get("/").submit("/sign-out/")
    assert proxy.ask().status_code == 303


def test_a_script_gets_the_401_and_a_form_comes_back_to_the_first_page(youssef):
    assert Proxy().ask("/data.json", **{"Sec-Fetch-Dest": "empty"}).status_code == 401
    assert "to=https%3A%2F%2Fnotifrh.example.ma%2F&" in Proxy().ask("/delete/5", "POST")["Location"]


def test_a_fresh_proof_is_asked_at_the_same_address(youssef):
    proxy = Proxy().opened(youssef)
    way = proxy.ask("/.massar/again?/dossier/7?tri=date")
    assert way.status_code == 303 and "again=yes" in way["Location"]
    assert "%2Fdossier%2F7%3Ftri%3Ddate" in way["Location"]
    for odd in ("", "x", "//evil.example.org/", "/a%2fb", "/.massar/again?/x", "https://evil.example.org/"):
        assert proxy.ask(f"/.massar/again?{odd}").status_code == 403, odd


REFUSED = [
    *({"Authorization": proof} for proof in (
        None, basic("notifrh", ""), basic("notifrh", "guessed"), basic("notifrh", OTHER_KEY), basic("inspectors", KEY),
        basic("inspectors", ""), basic("nobody", KEY), f"Bearer {KEY}", "Basic !")),
    *({"X-Forwarded-Method": method} for method in (None, "TRACE", "GET, GET")),
    *({"X-Forwarded-Uri": uri} for uri in (
        None, "/x?, //evil/../y", "/x, /y", "//", "/a/../b", "/%2e%2e/x", "/a%2fb", "/%00", "/.massar/",
        "/.massar/check", "/\\x", "x", "")),
    *({"X-Forwarded-Host": host} for host in ("archive.example.ma", f"{HOST}, {HOST}", f"{HOST}:8443")),
]  # fmt: skip


def test_what_is_not_our_proxy_and_one_plain_request_is_refused(youssef):
    proxy = Proxy().opened(youssef)
    for changed in REFUSED:
        assert proxy.ask(**changed).status_code == Proxy().ask(**changed).status_code == 403, changed


def test_the_site_is_the_keys_and_no_header_chooses_another(youssef):
    """A site's own person at another site's gate: the header that names a site isn't read, the cookie is another."""
    proxy = Proxy().opened(youssef)
    named = {"X-Massar-Origin": ORIGIN, "X-Massar-Uri": "/x", "X-Massar-Method": "GET"}
    there = {"Authorization": basic("archive", OTHER_KEY), "X-Forwarded-Host": "archive.example.ma"}
    assert proxy.ask(**named, **there).status_code == 303
    assert proxy.ask(**named, Authorization=None).status_code == 403
    elsewhere = proxy.ask("/x", **{"X-Massar-Origin": "https://archive.example.ma", "X-Massar-Uri": "/../y"})
    assert elsewhere.status_code == 200 and elsewhere["X-Massar-User"] == YOUSSEF.login


def test_a_ticket_is_good_once_in_its_browser_and_by_its_address_alone(youssef):
    proxy = Proxy()
    there = at_account(youssef, proxy.ask("/x")["Location"])["Location"].removeprefix(ORIGIN)
    stale = f"{live.MASSAR.public_url}/gate/stale/"
    for wrong in ("/.massar/enter", f"{there}&a=1", f"{there}&{urlsplit(there).query}", "/.massar/enter?ticket=x"):
        assert proxy.ask(wrong)["Location"] == stale, wrong
    assert proxy.ask(there, "POST").status_code == 403
    assert proxy.ask(there)["Location"] == f"{ORIGIN}/x"
    assert proxy.ask(there)["Location"] == stale
    other = Proxy()
    again = at_account(youssef, other.ask("/x")["Location"])["Location"].removeprefix(ORIGIN)
    assert Proxy().ask(again)["Location"] == stale, "another browser"
    assert not sites.is_secret("", "") and not sites.is_secret(KEY, "")
