"""The gate for sites that speak no protocol: through it, around it, and every way that it must not open."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.conf import settings as live
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
from tests.sso.gated_site import CLOSED, NO_GATE, ORIGIN, OTHER, SITES, WAITING, Proxy, at_account, opened, proved
from tests.sso.relying_party import led_on, register
from tests.support.steps import recover
from tests.support.visitor import Visitor

COOKIE = "__Host-massar-gate-notifrh"
NEW = "Rmel-et-mer!8842"


@pytest.fixture(autouse=True)
def registered(settings):
    register(settings, *SITES)


def test_one_sign_in_opens_the_site(youssef, clock, django_assert_num_queries):
    proxy = opened(youssef, "/dossier/12?page=2&tri=date")
    passed = proxy.check("/dossier/12?page=2")
    assert passed.status_code == 200 and passed.content == b""
    assert passed["X-Massar-User"] == YOUSSEF.login
    assert passed["X-Massar-Name"] == "Youssef%20Benali"
    told = "".join(f"{k}: {v}" for k, v in passed.headers.items())
    assert YOUSSEF.email not in told and "662000333" not in told, "personal contacts never travel"
    token = token_of(passed, clock)
    moment = int(clock().timestamp())
    assert token.header["typ"] == "gate+jwt"
    assert token.claims["aud"] == ORIGIN and token.claims["iss"] == live.MASSAR.public_url
    assert token.claims["iat"] == moment and token.claims["exp"] == moment + 60
    assert token.claims["sub"] == passed["X-Massar-Subject"] != YOUSSEF.login
    assert token.claims["email"] == YOUSSEF.login and "role" not in token.claims
    with django_assert_num_queries(2):  # it is asked for every picture of the site
        assert proxy.check("/logo.png").status_code == 200


def token_of(passed, clock) -> jwt.Token:
    key = ECKey.import_key(sites.keys.active(sites.keys.ES256, now=clock()).jwk)
    return jwt.decode(passed["X-Massar-Token"], key, algorithms=["ES256"])


def test_cookies_belong_to_the_host_of_the_site_alone(youssef):
    answer = (proxy := Proxy()).ask("begin/")
    back = proxy.enter(at_account(youssef, answer["Location"])["Location"])
    for response, name in ((answer, "__Host-massar-mark-notifrh"), (back, COOKIE)):
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
    temporary = post.secret(YOUSSEF.email)
    visitor.sign_in(YOUSSEF.login, temporary)
    assert visitor.client.get("/gate/resume/")["Location"] == "/sign-in/", "not before the password is changed"
    other = Visitor().sign_in(YOUSSEF.login, temporary)
    assert at_account(other, Proxy().begin("/avis"))["Location"] == "/sign-in/", "a change session is not signed in"
    visitor.sign_in(YOUSSEF.login, temporary)
    visitor.change(temporary, NEW)
    assert visitor.client.get("/continue/")["Location"] == "/gate/resume/"
    answer = visitor.client.get("/gate/resume/")
    assert proxy.enter(led_on(answer.content.decode()))["Location"] == f"{ORIGIN}/avis"


CLOSES = {
    "signed out": lambda visitor, clock: visitor.get("/").submit("/sign-out/"),
    "ran out": lambda visitor, clock: clock.advance(minutes=31),
    "disabled": lambda visitor, clock: Person.objects.filter(login=YOUSSEF.login).update(state="disabled"),
}


@pytest.mark.parametrize("how", CLOSES.values(), ids=CLOSES)
def test_the_end_of_the_session_or_the_account_closes_the_site_at_once(youssef, clock, how):
    proxy = opened(youssef)
    assert proxy.check().status_code == 200
    how(youssef, clock)
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
    visitor = recover(post, YOUSSEF, YOUSSEF.email, NEW)
    assert visitor.signed_in and opened(visitor).check().status_code == 200
    assert at_account(visitor, Proxy(WAITING.gate_origin).begin()).status_code == 403
    clock.advance(hours=73)
    again = Visitor().sign_in(YOUSSEF.login, NEW)
    assert opened(again, origin=WAITING.gate_origin).check().status_code == 200


# -- tickets


def ticket_of(visitor: Visitor, proxy: Proxy, uri: str = "/") -> str:
    return at_account(visitor, proxy.begin(uri))["Location"]


def test_a_ticket_works_once_and_its_copy_ends_the_visit(youssef):
    """Two tabs share the mark."""
    proxy = Proxy()
    other, address = ticket_of(youssef, proxy, "/one"), ticket_of(youssef, proxy, "/two")
    assert proxy.enter(other)["Location"] == f"{ORIGIN}/one" and proxy.enter(address)["Location"] == f"{ORIGIN}/two"
    assert proxy.check().status_code == 200
    assert "/gate/stale/" in proxy.enter(address)["Location"]
    assert proxy.check().status_code == 401


def test_a_ticket_lives_a_minute(youssef, clock, client):
    """The page for a late one says what to do."""
    proxy = Proxy()
    address = ticket_of(youssef, proxy)
    clock.advance(seconds=61)
    assert "/gate/stale/" in proxy.enter(address)["Location"] and COOKIE not in proxy.cookies
    answer = client.get("/gate/stale/")
    assert answer.status_code == 400 and "<h1>" in answer.content.decode()


def test_a_ticket_in_another_browser_signs_nobody_in(youssef):
    """Somebody sends a ticket of their own: the victim would work under the sender's name."""
    address = ticket_of(youssef, Proxy())
    victim = Proxy()
    assert "/gate/stale/" in victim.enter(address)["Location"]
    victim.begin()
    assert "/gate/stale/" in victim.enter(address)["Location"]
    assert COOKIE not in victim.cookies


def test_a_ticket_or_a_cookie_for_one_site_is_nothing_at_another(youssef):
    proxy = opened(youssef)
    address = ticket_of(youssef, proxy)
    proxy.origin = OTHER
    assert proxy.check().status_code == 401
    proxy.cookies["__Host-massar-gate-archive"] = proxy.cookies[COOKIE]
    assert proxy.check().status_code == 401, "under the other one's name"
    assert "/gate/stale/" in proxy.enter(address.replace(ORIGIN, OTHER))["Location"]
    proxy.origin = ORIGIN
    assert proxy.enter(address)["Location"] == f"{ORIGIN}/", "another site's try does not use it up"


def test_a_ticket_or_a_session_cookie_is_no_gate_cookie_and_two_are_none(youssef):
    proxy = opened(youssef)
    good = proxy.cookies[COOKIE]
    ticket = parse_qs(urlsplit(ticket_of(youssef, proxy)).query)["ticket"][0]
    for value in (ticket, youssef.client.cookies[SESSION.name].value, "", "x" * 43, "é" * 43):
        proxy.cookies[COOKIE] = value
        assert proxy.check().status_code == 401, value
    for twice in (f"{COOKIE}=x; {COOKIE}={good}", f"{COOKIE}={good}; {COOKIE}="):
        assert proxy.check(Cookie=twice).status_code == 403


# -- a fresh proof


def test_a_site_asks_for_a_fresh_proof_and_learns_when_it_was(youssef, clock):
    visitor, proxy = Visitor(), Proxy()
    assert at_account(visitor, proxy.ask("begin/?again=yes", "/x")["Location"])["Location"] == "/sign-in/"
    assert proxy.enter(proved(visitor))["Location"] == f"{ORIGIN}/x", "a stranger gives it once"
    proxy, wanted = opened(youssef), "/dossier/12?page=2"
    before = auth_time(proxy, clock)
    clock.advance(minutes=5)
    assert auth_time(proxy, clock) == before
    again = proxy.ask("begin/?again=yes", wanted)["Location"]
    assert at_account(youssef, again)["Location"] == "/sign-in/", "who is signed in is asked all the same"
    assert youssef.client.get("/gate/resume/")["Location"] == "/sign-in/", "walking around the form"
    assert auth_time(proxy, clock) == before, "asking proves nothing"
    clock.advance(minutes=1)
    assert proxy.enter(proved(youssef))["Location"] == f"{ORIGIN}{wanted}"
    assert auth_time(proxy, clock) == int(clock().timestamp()) == before + 360
    for query in ("again=", "again=no", "again=1", "again=yes&again=yes"):
        assert proxy.ask(f"begin/?{query}").status_code == 403, query
        assert youssef.client.get(f"/gate/start/?to={ORIGIN}/&state={'0' * 64}&{query}").status_code == 400, query


def auth_time(proxy: Proxy, clock) -> int:
    passed = proxy.check()
    assert passed.status_code == 200
    return token_of(passed, clock).claims["auth_time"]


# -- odd requests

ODD_HEADERS = [
    *({"X-Massar-Origin": origin} for origin in (
        "", f"{ORIGIN}, {ORIGIN}", f"{ORIGIN},{OTHER}", f"{ORIGIN}/", ORIGIN.upper(), "http://notifrh.example.ma",
        "https://notifrh.example.ma:443", "https://notifrh.example.ma.", "https://nobody.example.ma",
        NO_GATE.gate_origin)),
    *({"X-Massar-Uri": uri} for uri in ("", "/, /", "/x,/x")),
    *({"X-Massar-Method": method} for method in ("", "TRACE", "get", "GET, GET")),
]  # fmt: skip
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
HIDDEN = ("//x", "/..", "/../x", "/%2e%2e/x", "/a%2fb", "/..;/x", "/.massar/enter", "/a,/../b", "/[x]")


def test_an_odd_request_is_refused_even_with_a_good_cookie(youssef):
    """A query hides no second line with an odd path: where a proxy adds its line to a browser's, the server hands both
    on as one value. But a comma and a slash in a query are no second line."""
    proxy = opened(youssef)
    uris = [uri for uri in ODD if uri.isprintable() or not uri]
    uris += [f"{first},{odd}" for odd in HIDDEN for first in ("/x?", "/x?a=1", "/x?a,/b")]
    for headers in (*ODD_HEADERS, *({"X-Massar-Uri": uri} for uri in uris)):
        assert proxy.check(**headers).status_code == 403, headers
        assert proxy.ask("begin/", **headers).status_code == 403, headers
    assert proxy.check("/q?a,/b=1").status_code == proxy.check("/q?a,/b=1,/c?d").status_code == 200
    assert proxy.check("/q,/b?a=1").status_code == 403


def test_the_gate_itself_is_only_asked_with_get(db):
    headers = {"X-Massar-Origin": ORIGIN, "X-Massar-Uri": "/", "X-Massar-Method": "GET"}
    for method in ("post", "put", "delete", "patch", "options", "trace", "head"):
        for what in ("check", "begin", "enter"):
            answer = getattr(Client(), method)(f"/gate/{what}/", headers=headers)
            assert answer.status_code == 403, (method, what)


def test_odd_paths_are_told_from_ordinary_ones():
    assert not [uri for uri in ODD if gated_pages.is_plain(uri)]
    for uri in (
        "/", "/a", "/a/", "/a.b/c-d_e~f", "/a;v=1/b", "/Default.aspx?id=1&x={y}|z", "/%D9%85%D8%B3%D8%A7%D8%B1/",
        "/a%20b", "/..a/b", "/a..", "/@x:y", "/a?b?c//../", "/a?x=%zz", "/.well-known/x", "/100%25",
    ):  # fmt: skip
        assert gated_pages.is_plain(uri), uri


@given(st.text(max_size=60))
def test_whatever_is_plain_stays_under_its_origin(text):
    """As a browser and as a file system would read it."""
    for uri in (text, f"/{text}"):
        if gated_pages.is_plain(uri):
            read = urlsplit(ORIGIN + uri)
            assert (read.scheme, read.netloc, read.fragment) == ("https", "notifrh.example.ma", "")
            assert uri.isascii() and uri.isprintable() and " " not in uri
            assert not {".", ".."} & set(read.path.split("/")) and "//" not in read.path


PIECES = st.sampled_from([
    "/", "\\", "%2f", "%5c", "..", ".", ";", "@", ":", "?", "#", "%", "%00", "\t", "\n", "。", "／", "x",
    "evil.example", ORIGIN, OTHER, "https:", "http:", "javascript:",
])  # fmt: skip


@given(st.lists(PIECES, max_size=8))
def test_an_address_leads_to_a_registered_origin_or_nowhere(parts):
    """ATK-090 at the gate: `to` is no open redirect."""
    to, registry = "".join(parts), sites.Registry(list(SITES))
    for address in (to, ORIGIN + to, f"{ORIGIN}/{to}", f"{ORIGIN}@{to}", f"{ORIGIN}.{to}", f"{ORIGIN}:{to}"):
        if found := gated_pages.page_at(address, registry):
            host = urlsplit(address.replace("\\", "/")).netloc
            assert found.address == address and host in ("notifrh.example.ma", "archive.example.ma")


def test_atk_090_start_leads_nowhere_else(youssef):
    state, to = "0" * 64, f"to={ORIGIN}/"
    queries = [
        to, f"{to}&state=", f"{to}&state={'0' * 63}", f"{to}&state={'G' * 64}", f"{to}&{to}&state={state}",
        f"{to}&state={state}&state={state}", f"state={state}",
    ]  # fmt: skip
    for wish in (
        "//evil.example", "/\\evil.example", "https:evil.example", "/\t/evil.example", "/%2f%2fevil.example",
        "/..//evil.example", "/;@evil.example", "https://notifrh.example.ma@evil.example/", "javascript:alert(1)",
        "data:text/html,x", "https://evil。example/", "http://notifrh.example.ma/", "https://notifrh.example.ma",
        "https://notifrh.example.ma.evil.example/", "https://notifrh.example.ma:8443/", "https://NOTIFRH.example.ma/",
        "https://notifrh.example.ma\\@evil.example/", "https://notifrh.example.ma/../../x", "https://evil.example/",
        "https://notifrh.example.ma//evil.example", "https://oidc.example.ma/", "", " https://notifrh.example.ma/",
        "https://notifrh.example.ma/\r\nLocation: https://evil.example/",
    ):  # fmt: skip
        queries.append(urlencode({"to": wish, "state": state}))
    for query in queries:
        answer = youssef.client.get(f"/gate/start/?{query}")
        assert answer.status_code == 400 and "Location" not in answer, query


def test_a_post_comes_back_to_the_first_page_and_a_script_gets_the_bare_refusal(db):
    to = parse_qs(urlsplit(Proxy().begin("/delete/5", method="POST")).query)["to"]
    assert to == [f"{ORIGIN}/"]
    assert Proxy().ask("begin/", **{"Sec-Fetch-Dest": "empty"}).status_code == 401
    assert Proxy().begin(**{"Sec-Fetch-Dest": "document"})
