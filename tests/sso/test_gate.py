"""The gate for sites that speak no protocol: through it, around it, and every way that it must not open."""

from __future__ import annotations

import dataclasses
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.conf import settings
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey

from massar.domain.people.models import Person
from massar.domain.sites import api as sites
from massar.domain.sites import gated_pages
from massar.interfaces.base.cookies import SESSION
from tests.cast import YOUSSEF
from tests.sso.gated_site import CLOSED, NO_GATE, ORIGIN, OTHER, REGISTRY, WAITING, Proxy, at_account, opened
from tests.sso.relying_party import led_on
from tests.support.steps import secrets
from tests.support.visitor import Visitor


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    monkeypatch.setattr(settings, "MASSAR", dataclasses.replace(settings.MASSAR, sites=REGISTRY))


def test_one_sign_in_opens_the_site(youssef, clock):
    proxy = opened(youssef, "/dossier/12?page=2&tri=date")
    passed = proxy.check("/dossier/12?page=2")
    assert passed.status_code == 200 and passed.content == b""
    assert passed["X-Massar-User"] == YOUSSEF.login
    assert passed["X-Massar-Name"] == "Youssef%20Benali"
    token = token_of(passed, clock)
    moment = int(clock().timestamp())
    assert token.header["typ"] == "gate+jwt"
    assert token.claims["aud"] == ORIGIN and token.claims["iss"] == settings.MASSAR.public_url
    assert token.claims["iat"] == moment and token.claims["exp"] == moment + 60
    assert token.claims["sub"] == passed["X-Massar-Subject"] != YOUSSEF.login
    assert token.claims["email"] == YOUSSEF.login and "role" not in token.claims


def test_a_check_costs_two_statements(youssef, django_assert_num_queries):
    """It is asked for every picture of the site."""
    proxy = opened(youssef)
    proxy.check()
    with django_assert_num_queries(2):
        assert proxy.check("/logo.png").status_code == 200


def test_personal_contacts_never_travel(youssef):
    passed = opened(youssef).check()
    told = "".join(f"{k}: {v}" for k, v in passed.headers.items())
    assert YOUSSEF.email not in told and "662000333" not in told


def test_cookies_belong_to_the_host_of_the_site_alone(youssef):
    proxy = Proxy()
    answer = proxy.ask("begin/")
    back = proxy.enter(at_account(youssef, answer["Location"])["Location"])
    for response, name in ((answer, "__Host-massar-mark-notifrh"), (back, "__Host-massar-gate-notifrh")):
        cookie = response.cookies[name]
        assert cookie["secure"] and cookie["httponly"] and cookie["samesite"] == "Lax"
        assert cookie["path"] == "/" and not cookie["domain"]


def test_a_request_waits_for_the_sign_in_and_resumes_once(cast):
    proxy, visitor = Proxy(), Visitor()
    assert at_account(visitor, proxy.begin("/avis"))["Location"] == "/sign-in/"
    assert visitor.client.get("/gate/resume/")["Location"] == "/sign-in/"
    kept = visitor.client.cookies["massar-pending"].value
    signed_in = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    visitor.client.cookies[SESSION.name] = signed_in.client.cookies[SESSION.name].value
    answer = visitor.client.get("/gate/resume/")
    assert proxy.enter(led_on(answer.content.decode()))["Location"] == f"{ORIGIN}/avis"
    visitor.client.cookies["massar-pending"] = kept
    assert visitor.client.get("/gate/resume/")["Location"] == "/"


def test_the_waiting_request_survives_a_recovery(cast, post):
    proxy, visitor = Proxy(), Visitor()
    at_account(visitor, proxy.begin("/avis"))
    visitor.ask(YOUSSEF.login, email=YOUSSEF.email)
    temporary = secrets(post, YOUSSEF.email)[0]
    visitor.sign_in(YOUSSEF.login, temporary)
    assert visitor.client.get("/gate/resume/")["Location"] == "/sign-in/", "not before the password is changed"
    visitor.change(temporary, "Rmel-et-mer!8842")
    assert visitor.client.get("/continue/")["Location"] == "/gate/resume/"
    answer = visitor.client.get("/gate/resume/")
    assert proxy.enter(led_on(answer.content.decode()))["Location"] == f"{ORIGIN}/avis"


CLOSES = {
    "signed out": lambda visitor, clock: visitor.get("/").submit("/sign-out/"),
    "ran out": lambda visitor, clock: clock.advance(minutes=31),
    "disabled": lambda visitor, clock: Person.objects.filter(login=YOUSSEF.login).update(state="disabled"),
}


@pytest.mark.parametrize("how", CLOSES)
def test_the_end_of_the_session_or_the_account_closes_the_site_at_once(youssef, clock, how):
    proxy = opened(youssef)
    assert proxy.check().status_code == 200
    CLOSES[how](youssef, clock)
    assert proxy.check().status_code == 401


def test_work_at_the_site_keeps_the_session_awake_until_its_end(youssef, clock):
    proxy = opened(youssef)
    for _ in range(35):
        clock.advance(minutes=20)
        assert proxy.check().status_code == 200
    clock.advance(minutes=21)
    assert proxy.check().status_code == 401


def test_a_role_that_was_taken_away_is_out_at_once(youssef):
    person = Person.objects.filter(login=YOUSSEF.login)  # an administrator's change: the product has no page for it yet
    person.update(role="inspector")
    proxy = opened(youssef, origin=CLOSED.gate_origin)
    person.update(role="staff")
    assert proxy.check().status_code == 401
    answer = at_account(youssef, Proxy(CLOSED.gate_origin).begin())
    assert answer.status_code == 403 and "Location" not in answer


def test_after_a_recovery_a_careful_site_waits(cast, post, clock):
    visitor = Visitor().ask(YOUSSEF.login, email=YOUSSEF.email)
    temporary = secrets(post, YOUSSEF.email)[0]
    visitor.sign_in(YOUSSEF.login, temporary)
    assert at_account(visitor, Proxy().begin())["Location"] == "/sign-in/", "a change session is not signed in"
    visitor.change(temporary, "Rmel-et-mer!8842")
    assert visitor.signed_in
    assert opened(visitor).check().status_code == 200
    assert at_account(visitor, Proxy(WAITING.gate_origin).begin()).status_code == 403
    clock.advance(hours=73)
    again = Visitor().sign_in(YOUSSEF.login, "Rmel-et-mer!8842")
    assert opened(again, origin=WAITING.gate_origin).check().status_code == 200


# -- tickets


def ticket_of(visitor: Visitor, proxy: Proxy, uri: str = "/") -> str:
    return at_account(visitor, proxy.begin(uri))["Location"]


def test_a_ticket_works_once_and_its_copy_ends_the_visit(youssef):
    proxy = Proxy()
    address = ticket_of(youssef, proxy)
    assert proxy.enter(address)["Location"] == f"{ORIGIN}/"
    assert proxy.check().status_code == 200
    assert "/gate/stale/" in proxy.enter(address)["Location"]
    assert proxy.check().status_code == 401


def test_a_ticket_lives_a_minute(youssef, clock):
    proxy = Proxy()
    address = ticket_of(youssef, proxy)
    clock.advance(seconds=61)
    assert "/gate/stale/" in proxy.enter(address)["Location"]
    assert "__Host-massar-gate-notifrh" not in proxy.cookies


def test_a_ticket_in_another_browser_signs_nobody_in(youssef):
    """Somebody sends a ticket of their own: the victim would work under the sender's name."""
    address = ticket_of(youssef, Proxy())
    victim = Proxy()
    assert "/gate/stale/" in victim.enter(address)["Location"]
    victim.begin()
    assert "/gate/stale/" in victim.enter(address)["Location"]
    assert "__Host-massar-gate-notifrh" not in victim.cookies


def test_a_ticket_or_a_cookie_for_one_site_is_nothing_at_another(youssef):
    proxy = opened(youssef)
    address = ticket_of(youssef, proxy)
    proxy.origin = OTHER
    assert proxy.check().status_code == 401
    assert "/gate/stale/" in proxy.enter(address.replace(ORIGIN, OTHER))["Location"]


def test_a_ticket_or_a_session_cookie_is_no_gate_cookie(youssef):
    proxy = Proxy()
    ticket = parse_qs(urlsplit(ticket_of(youssef, proxy)).query)["ticket"][0]
    for value in (ticket, youssef.client.cookies[SESSION.name].value, "", "x" * 43, "é" * 43):
        proxy.cookies["__Host-massar-gate-notifrh"] = value
        assert proxy.check().status_code == 401, value


def test_the_page_for_a_late_ticket_says_what_to_do(client, db):
    answer = client.get("/gate/stale/")
    assert answer.status_code == 400 and "<h1>" in answer.content.decode()


# -- a fresh proof


def begun_again(proxy: Proxy, uri: str = "/dossier/12?page=2") -> str:
    answer = proxy.ask("begin/?again=yes", uri)
    assert answer.status_code == 303
    return answer["Location"]


def test_a_site_asks_for_a_fresh_proof_and_learns_when_it_was(youssef, clock):
    proxy = opened(youssef)
    before = auth_time(proxy, clock)
    clock.advance(minutes=5)
    assert auth_time(proxy, clock) == before
    assert at_account(youssef, begun_again(proxy))["Location"] == "/sign-in/", "who is signed in is asked all the same"
    assert youssef.client.get("/gate/resume/")["Location"] == "/sign-in/", "walking around the form"
    assert auth_time(proxy, clock) == before, "asking proves nothing"
    clock.advance(minutes=1)
    assert proxy.enter(ticket_after_sign_in(youssef))["Location"] == f"{ORIGIN}/dossier/12?page=2"
    assert auth_time(proxy, clock) == int(clock().timestamp()) == before + 360


def ticket_after_sign_in(visitor: Visitor) -> str:
    """The address with the ticket, to which the browser is sent after the password was typed."""
    page = visitor.client.get("/sign-in/").content.decode()
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    form = {"user": YOUSSEF.login, "password": YOUSSEF.password, "csrfmiddlewaretoken": token}
    resumed = visitor.client.post("/sign-in/", form)["Location"]
    return led_on(visitor.client.get(resumed).content.decode())


def token_of(passed, clock) -> jwt.Token:
    key = ECKey.import_key(sites.keys.active(sites.keys.ES256, now=clock()).jwk)
    return jwt.decode(passed["X-Massar-Token"], key, algorithms=["ES256"])


def auth_time(proxy: Proxy, clock) -> int:
    passed = proxy.check()
    assert passed.status_code == 200
    return token_of(passed, clock).claims["auth_time"]


def test_a_stranger_who_is_asked_for_a_fresh_proof_gives_it_once(cast, clock):
    visitor, proxy = Visitor(), Proxy()
    assert at_account(visitor, begun_again(proxy, "/x"))["Location"] == "/sign-in/"
    clock.advance(minutes=1)
    assert proxy.enter(ticket_after_sign_in(visitor))["Location"] == f"{ORIGIN}/x"


@pytest.mark.parametrize("query", ["again=", "again=no", "again=1", "again=yes&again=yes"])
def test_a_fresh_proof_is_asked_in_one_way(youssef, query):
    proxy = opened(youssef)
    assert proxy.ask(f"begin/?{query}").status_code == 403
    assert youssef.client.get(f"/gate/start/?to={ORIGIN}/&state={'0' * 64}&{query}").status_code == 400


# -- odd requests


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Massar-Origin": ""},
        {"X-Massar-Uri": ""},
        {"X-Massar-Method": ""},
        {"X-Massar-Method": "TRACE"},
        {"X-Massar-Method": "get"},
        {"X-Massar-Method": "GET, GET"},
        {"X-Massar-Origin": f"{ORIGIN}, {ORIGIN}"},
        {"X-Massar-Origin": f"{ORIGIN},{OTHER}"},
        {"X-Massar-Origin": f"{ORIGIN}/"},
        {"X-Massar-Origin": ORIGIN.upper()},
        {"X-Massar-Origin": "http://notifrh.example.ma"},
        {"X-Massar-Origin": "https://notifrh.example.ma:443"},
        {"X-Massar-Origin": "https://notifrh.example.ma."},
        {"X-Massar-Origin": "https://nobody.example.ma"},
        {"X-Massar-Origin": NO_GATE.gate_origin},
        {"X-Massar-Uri": "/, /"},
        {"X-Massar-Uri": "/x,/x"},
    ],
    ids=str,
)
def test_an_odd_request_is_refused_even_with_a_good_cookie(youssef, headers):
    proxy = opened(youssef)
    assert proxy.check(**headers).status_code == 403
    assert proxy.ask("begin/", **headers).status_code == 403


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch", "options", "trace", "head"])
def test_the_gate_itself_is_only_asked_with_get(db, method):
    headers = {"X-Massar-Origin": ORIGIN, "X-Massar-Uri": "/", "X-Massar-Method": "GET"}
    for what in ("check", "begin", "enter"):
        answer = getattr(Client(), method)(f"/gate/{what}/", headers=headers)
        assert answer.status_code == 403, what


def test_a_comma_and_a_slash_in_a_query_are_no_second_line(youssef):
    proxy = opened(youssef)
    assert proxy.check("/q?a,/b=1").status_code == 200
    assert proxy.check("/q?a,/b=1,/c?d").status_code == 200
    assert proxy.check("/q,/b?a=1").status_code == 403


@pytest.mark.parametrize(
    "odd", ["//x", "/..", "/../x", "/%2e%2e/x", "/a%2fb", "/..;/x", "/.massar/enter", "/a,/../b", "/[x]"]
)
def test_a_query_hides_no_second_line_with_an_odd_path(youssef, odd):
    """A proxy that adds its line to a browser's: the server hands both on as one value."""
    proxy = opened(youssef)
    for first in ("/x?", "/x?a=1", "/x?a,/b"):
        assert proxy.check(f"{first},{odd}").status_code == 403, first
        assert proxy.ask("begin/", f"{first},{odd}").status_code == 403, first


def test_two_gate_cookies_are_refused(youssef):
    proxy = opened(youssef)
    good = proxy.cookies["__Host-massar-gate-notifrh"]
    for twice in (
        "__Host-massar-gate-notifrh=x; __Host-massar-gate-notifrh=" + good,
        f"__Host-massar-gate-notifrh={good}; __Host-massar-gate-notifrh=",
    ):
        assert proxy.check(Cookie=twice).status_code == 403


ODD = [
    "", "x", "//", "/...", "//evil.example", "/a//b", "/..", "/../x", "/a/../b", "/./a", "/%2e%2e/x", "/%2E/x",
    "/a/%2e%2e", "/..;/x", "/a;/..;x=1/b", "/..%20/x", "/..%00/x", "/%00", "/%0d%0aSet-Cookie:%20x", "/\r\nX: y",
    "/a b", "/a\tb", "/\\evil.example", "/%5cevil.example", "/%2f%2fevil.example", "/a%2fb", "/%252e%252e/x",
    "/%25%32%66", "/%", "/%4", "/%zz", "/a#b", "/a?b#c", "/a?b c", "/é", "/a?é", "/%c0%ae%c0%ae/x", "/%e0%80%af",
    "/%ff", "/%ef%bc%8fx", "/%ef%bc%8e%ef%bc%8e/x", "/%e2%80%a4%e2%80%a4/x", "/%ef%bc%bcx", "/%ef%bc%852e",
    "/%e2%80%aex", "/%7f", "/%1f", "/.massar/enter", "/.MASSAR/enter", "/%2emassar/x", "/.massar;x/enter",
    "/.massar./x", "/.massar%20/x", "https://notifrh.example.ma/", "*", "/" + "a" * 4096, "/<script>", '/"', "/{x}",
    "/a|b", "/^", "/`", "/[x]",
]  # fmt: skip


@pytest.mark.parametrize("uri", ODD, ids=lambda uri: ascii(uri)[:40])
def test_an_odd_path_is_refused_even_with_a_good_cookie(youssef, uri):
    assert not gated_pages.is_plain(uri)
    if uri.isprintable() or not uri:
        proxy = opened(youssef)
        assert proxy.check(uri).status_code == 403
        assert proxy.ask("begin/", uri).status_code == 403


@pytest.mark.parametrize(
    "uri",
    [
        "/", "/a", "/a/", "/a.b/c-d_e~f", "/a;v=1/b", "/Default.aspx?id=1&x={y}|z", "/%D9%85%D8%B3%D8%A7%D8%B1/",
        "/a%20b", "/..a/b", "/a..", "/@x:y", "/a?b?c//../", "/a?x=%zz", "/.well-known/x", "/100%25",
    ],
)  # fmt: skip
def test_an_ordinary_path_passes(uri):
    assert gated_pages.is_plain(uri)


@given(st.text(max_size=60))
def test_whatever_is_plain_stays_under_its_origin(text):
    """As a browser and as a file system would read it."""
    for uri in (text, f"/{text}"):
        if gated_pages.is_plain(uri):
            read = urlsplit(ORIGIN + uri)
            assert (read.scheme, read.netloc, read.fragment) == ("https", "notifrh.example.ma", "")
            assert uri.isascii() and uri.isprintable() and " " not in uri
            assert not {".", ".."} & set(read.path.split("/")) and "//" not in read.path


SEPARATORS = ("/", "\\", "%2f", "%5c", "..", ".", ";", "@", ":", "?", "#", "%", "%00", "\t", "\n", "。", "／", "x")


@given(
    st.lists(
        st.sampled_from([*SEPARATORS, "evil.example", ORIGIN, OTHER, "https:", "http:", "javascript:"]),
        max_size=8,
    )
)
def test_an_address_leads_to_a_registered_origin_or_nowhere(parts):
    """ATK-090 at the gate: `to` is no open redirect."""
    to = "".join(parts)
    for address in (to, ORIGIN + to, f"{ORIGIN}/{to}", f"{ORIGIN}@{to}", f"{ORIGIN}.{to}", f"{ORIGIN}:{to}"):
        found = gated_pages.page_at(address, REGISTRY)
        if found:
            assert found.address == address and urlsplit(address.replace("\\", "/")).netloc in (
                "notifrh.example.ma",
                "archive.example.ma",
            )


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example", "/\\evil.example", "https:evil.example", "/\t/evil.example", "/%2f%2fevil.example",
        "/..//evil.example", "/;@evil.example", "https://notifrh.example.ma@evil.example/", "javascript:alert(1)",
        "data:text/html,x", "https://evil。example/", "http://notifrh.example.ma/", "https://notifrh.example.ma",
        "https://notifrh.example.ma.evil.example/", "https://notifrh.example.ma:8443/", "https://NOTIFRH.example.ma/",
        "https://notifrh.example.ma\\@evil.example/", "https://notifrh.example.ma/../../x", "https://evil.example/",
        "https://notifrh.example.ma//evil.example", "https://oidc.example.ma/", "", " https://notifrh.example.ma/",
        "https://notifrh.example.ma/\r\nLocation: https://evil.example/",
    ],
)  # fmt: skip
def test_atk_090_start_leads_nowhere_else(youssef, to):
    answer = youssef.client.get(f"/gate/start/?{urlencode({'to': to, 'state': '0' * 64})}")
    assert answer.status_code == 400 and "Location" not in answer


@pytest.mark.parametrize(
    "query",
    [
        f"to={ORIGIN}/",
        f"to={ORIGIN}/&state=",
        f"to={ORIGIN}/&state={'0' * 63}",
        f"to={ORIGIN}/&state={'G' * 64}",
        f"to={ORIGIN}/&to={ORIGIN}/&state={'0' * 64}",
        f"to={ORIGIN}/&state={'0' * 64}&state={'0' * 64}",
        f"state={'0' * 64}",
    ],
)
def test_start_takes_one_address_and_one_state(youssef, query):
    assert youssef.client.get(f"/gate/start/?{query}").status_code == 400


def test_a_post_comes_back_to_the_first_page_and_a_script_gets_the_bare_refusal(db):
    to = parse_qs(urlsplit(Proxy().begin("/delete/5", method="POST")).query)["to"]
    assert to == [f"{ORIGIN}/"]
    assert Proxy().ask("begin/", **{"Sec-Fetch-Dest": "empty"}).status_code == 401
    assert Proxy().begin(**{"Sec-Fetch-Dest": "document"})


def test_two_tabs_share_the_mark(youssef):
    proxy = Proxy()
    one, two = ticket_of(youssef, proxy, "/one"), ticket_of(youssef, proxy, "/two")
    assert proxy.enter(one)["Location"] == f"{ORIGIN}/one"
    assert proxy.enter(two)["Location"] == f"{ORIGIN}/two"
