"""The gate by one address, for proxies that hand our answer to the browser: what it believes, and all it does not."""

from __future__ import annotations

import base64
import dataclasses
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from massar.domain.sites import api as sites
from tests.cast import YOUSSEF
from tests.sso.gated_site import ARCHIVE, CLOSED, NOTIFRH, ORIGIN, Gatekeeper, at_account
from tests.support.visitor import Visitor

KEY, OTHER_KEY = "key-of-notifrh-0123456789", "key-of-archive-0123456789"
KEYED = dataclasses.replace(NOTIFRH, gate_key=sites.hashed_secret(KEY))
NEXT = dataclasses.replace(ARCHIVE, gate_key=sites.hashed_secret(OTHER_KEY))
HOST = urlsplit(ORIGIN).netloc


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    known = sites.Registry([KEYED, NEXT, CLOSED])
    monkeypatch.setattr(settings, "MASSAR", dataclasses.replace(settings.MASSAR, sites=known))


def basic(name: str, key: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{key}'.encode()).decode()}"


class Proxy(Gatekeeper):
    """Traefik as docs/integrate/traefik.md sets it up. A header of None stays out."""

    def ask(self, uri: str = "/", method: str = "GET", **changed: str | None):
        sent = {
            "Authorization": basic("notifrh", KEY),
            "X-Forwarded-Method": method,
            "X-Forwarded-Host": HOST,
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Uri": uri,
        }
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
    proxy.cookies["own"] = "kept"
    proxy.ask()
    with django_assert_num_queries(2):
        passed = proxy.ask("/dossier/12?page=2")
    assert (passed.status_code, passed.content) == (200, b"")
    assert passed["X-Massar-User"] == YOUSSEF.login and passed["X-Massar-Token"].count(".") == 2
    assert passed["Cookie"] == "own=kept", "the gate's own stay at the gate"
    youssef.get("/").submit("/sign-out/")
    assert proxy.ask().status_code == 303


def test_without_other_cookies_none_is_handed_on(youssef):
    assert "Cookie" not in Proxy().opened(youssef).ask().headers


def test_a_script_gets_the_401_and_a_form_comes_back_to_the_first_page(youssef):
    assert Proxy().ask("/data.json", **{"Sec-Fetch-Dest": "empty"}).status_code == 401
    assert "to=https%3A%2F%2Fnotifrh.example.ma%2F&" in Proxy().ask("/delete/5", "POST")["Location"]


def test_a_fresh_proof_is_asked_at_the_same_address(youssef):
    proxy = Proxy().opened(youssef)
    way = proxy.ask("/.massar/again?/dossier/7?tri=date")
    assert (
        way.status_code == 303 and "again=yes" in way["Location"] and "%2Fdossier%2F7%3Ftri%3Ddate" in way["Location"]
    )
    for odd in ("", "x", "//evil.example.org/", "/a%2fb", "/.massar/again?/x", "https://evil.example.org/"):
        assert proxy.ask(f"/.massar/again?{odd}").status_code == 403, odd


@pytest.mark.parametrize(
    "changed",
    [
        {"Authorization": None},
        {"Authorization": basic("notifrh", "")},
        {"Authorization": basic("notifrh", "guessed")},
        {"Authorization": basic("notifrh", OTHER_KEY)},
        {"Authorization": basic("inspectors", KEY)},
        {"Authorization": basic("inspectors", "")},
        {"Authorization": basic("nobody", KEY)},
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": "Basic !"},
        {"X-Forwarded-Method": None},
        {"X-Forwarded-Method": "TRACE"},
        {"X-Forwarded-Method": "GET, GET"},
        {"X-Forwarded-Uri": None},
        {"X-Forwarded-Uri": "/x?, //evil/../y"},
        {"X-Forwarded-Uri": "/x, /y"},
        {"X-Forwarded-Host": "archive.example.ma"},
        {"X-Forwarded-Host": f"{HOST}, {HOST}"},
        {"X-Forwarded-Host": f"{HOST}:8443"},
    ],
    ids=str,
)
def test_what_is_not_our_proxy_and_one_plain_request_is_refused(youssef, changed):
    proxy = Proxy().opened(youssef)
    assert proxy.ask(**changed).status_code == 403
    assert Proxy().ask(**changed).status_code == 403


def test_the_site_is_the_keys_and_no_header_chooses_another(youssef):
    """A site's own person at another site's gate: the header that names a site isn't read, the cookie is another."""
    proxy = Proxy().opened(youssef)
    named = {"X-Massar-Origin": ORIGIN, "X-Massar-Uri": "/x", "X-Massar-Method": "GET"}
    there = {"Authorization": basic("archive", OTHER_KEY), "X-Forwarded-Host": "archive.example.ma"}
    assert proxy.ask(**named, **there).status_code == 303
    assert proxy.ask(**named, Authorization=None).status_code == 403
    elsewhere = proxy.ask("/x", **{"X-Massar-Origin": "https://archive.example.ma", "X-Massar-Uri": "/../y"})
    assert elsewhere.status_code == 200 and elsewhere["X-Massar-User"] == YOUSSEF.login


@pytest.mark.parametrize("host", [None, HOST, HOST.upper(), f"{HOST}:443", urlsplit(settings.MASSAR.public_url).netloc])
def test_hosts_that_proxies_write(youssef, host):
    """One in front of the account may have put the account's own there."""
    assert Proxy().opened(youssef).ask(**{"X-Forwarded-Host": host}).status_code == 200


@pytest.mark.parametrize(
    "uri", ["//", "/a/../b", "/%2e%2e/x", "/a%2fb", "/%00", "/.massar/", "/.massar/check", "/\\x", "x", ""]
)
def test_odd_addresses_are_refused_for_strangers_and_guests(youssef, uri):
    proxy = Proxy().opened(youssef)
    assert proxy.ask(uri).status_code == Proxy().ask(uri).status_code == 403


def test_a_ticket_is_good_once_in_its_browser_and_by_its_address_alone(youssef):
    proxy = Proxy()
    there = at_account(youssef, proxy.ask("/x")["Location"])["Location"].removeprefix(ORIGIN)
    stale = f"{settings.MASSAR.public_url}/gate/stale/"
    for wrong in ("/.massar/enter", f"{there}&a=1", f"{there}&{urlsplit(there).query}", "/.massar/enter?ticket=x"):
        assert proxy.ask(wrong)["Location"] == stale, wrong
    assert proxy.ask(there, "POST").status_code == 403
    assert proxy.ask(there)["Location"] == f"{ORIGIN}/x"
    assert proxy.ask(there)["Location"] == stale
    other = Proxy()
    again = at_account(youssef, other.ask("/x")["Location"])["Location"].removeprefix(ORIGIN)
    assert Proxy().ask(again)["Location"] == stale, "another browser"
