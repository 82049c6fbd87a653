"""Addresses that people and programs come to by another way than a link of ours, and the way back after a sign-in."""

import gzip
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError
from django.test import Client

from massar.journeys.account import close_sessions
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, SALMA, enter
from tests.support.doors import addresses
from tests.support.steps import holding, home, shows
from tests.support.visitor import Visitor

pytestmark = pytest.mark.django_db
AS_JAMAL = {"user": JAMAL.login, "password": JAMAL.password}


@pytest.fixture(autouse=True)
def cast(clock):
    enter(now=clock())


def two_tabs(path: str) -> tuple[Visitor, Visitor]:
    """One browser: a tab that opened `path` before the other one signed in."""
    old, new = Visitor().get(path), Visitor()
    new.client = old.client
    return old, new.sign_in(JAMAL.login, JAMAL.password)


@pytest.mark.parametrize(("path", "action", "typed"), [
    ("/sign-in/", "/sign-in/", AS_JAMAL), ("/recovery/", "/recovery/", {"user": JAMAL.login}),
])  # fmt: skip
def test_a_form_from_before_the_sign_in_leads_home(path, action, typed):
    old, new = two_tabs(path)
    assert old.submit(action, **typed).path == "/" and old.page.status_code == 200
    assert new.signed_in


def test_a_tab_on_its_way_to_a_page_gets_there():
    old, _ = two_tabs("/devices/")
    assert old.path == "/sign-in/"
    assert old.submit("/sign-in/", **AS_JAMAL).path in ("/", "/devices/")


@pytest.mark.parametrize("path", ["/devices/", "/profile/", "/password/change/", "/sites/massar/"])
def test_our_own_page_comes_after_the_sign_in(path):
    visitor = Visitor().get(path)
    assert visitor.path == "/sign-in/"
    assert visitor.submit("/sign-in/", **AS_JAMAL).path == path
    assert visitor.get("/sign-in/").path == "/", "once"


@pytest.mark.parametrize(("path", "then"), [("/devices/", "/devices/"), ("/.well-known/change-password", "/")])
def test_our_own_page_comes_after_a_recovery_too(path, then, post):
    visitor = Visitor().get(path).ask(FATIMA.login, phone=FATIMA.phone)
    secret = post.secret(FATIMA_PHONE)
    visitor.sign_in(FATIMA.login, secret).change(secret, "Tamarin&6048-oued")
    assert visitor.path == "/password/changed/"
    assert visitor.get("/continue/").path == then, "what was to be changed is changed"


def test_home_is_home_and_nobody_else_says_where():
    visitor = Visitor().get("/")
    assert visitor.submit("/sign-in/", **AS_JAMAL).path == "/"
    for wanted in ("//evil.example/", "https://evil.example/", "/sign-out/", "/no/such/page/"):
        assert holding(next=wanted).get("/sign-in/").submit("/sign-in/", **AS_JAMAL).path == "/"


def typed_after_the_end(clock) -> Visitor:
    visitor = home(JAMAL).get("/profile/")
    clock.advance(minutes=31)
    visitor.submit("/profile/", email="jamal@example.org", phone="0661000111", password="not-kept-anywhere")
    assert visitor.path == "/sign-in/" and shows(visitor, "flash.sign_in_again")
    return visitor


def test_what_was_typed_comes_back_without_its_secret(clock):
    visitor = typed_after_the_end(clock)
    assert not any("jamal@example.org" in value or "not-kept" in value for value in visitor.cookies.values())
    visitor.submit("/sign-in/", **AS_JAMAL)
    assert visitor.path == "/profile/" and shows(visitor, "profile.taken_up")
    assert 'value="jamal@example.org"' in visitor.html and 'value="0661000111"' in visitor.html
    assert "not-kept-anywhere" not in visitor.html
    assert "jamal@example.org" not in visitor.get("/profile/").html, "once"


def test_the_next_person_at_that_computer_gets_none_of_it(clock):
    visitor = typed_after_the_end(clock)
    visitor.submit("/sign-in/", user=FATIMA.login, password=FATIMA.password)
    assert visitor.path == "/profile/" and not shows(visitor, "profile.taken_up")
    assert "jamal@example.org" not in visitor.html


def test_a_profile_from_before_a_second_sign_in_keeps_what_was_typed():
    visitor, old = home(JAMAL).get("/profile/"), Visitor()
    old.client, old.page = visitor.client, visitor.page
    visitor.submit("/sign-out/")
    visitor.sign_in(JAMAL.login, JAMAL.password)
    old.submit("/profile/", email="jamal@example.org", password=JAMAL.password)
    assert old.page.status_code == 403 and 'href="/profile/"' in old.html
    assert 'value="jamal@example.org"' in old.get("/profile/").html


@pytest.mark.parametrize("signed_in", [False, True])
def test_a_wrong_method_is_a_page_that_leads_on(signed_in):
    visitor, refused = home(JAMAL) if signed_in else Visitor().get("/sign-in/"), 0
    for name, path in addresses():
        answer = visitor.client.get(path)
        if answer.status_code == 405:
            refused += 1
            assert answer.content and "POST" in answer["Allow"], name
            if answer["Content-Type"].startswith("text/html"):
                visitor.page = answer
                assert shows(visitor, "errors.405.title") and 'href="/' in visitor.html, name
    assert refused > 8


def test_a_reload_below_a_page_names_the_page():
    visitor = home(JAMAL)
    pages = {"/profile/contacts/1/prove/": "/profile/", "/devices/1/end/": "/devices/", "/sign-out/": "/"}
    for path, page in pages.items():
        visitor.page = visitor.client.get(path)
        assert visitor.page.status_code == 405 and f'href="{page}"' in visitor.html and shows(visitor, "errors.go_on")


@pytest.mark.parametrize(("path", "status", "named"), [
    ("/nothing/", 404, True), ("/sites/nothing/", 404, True), ("/devices/1/end/", 405, True),
    ("/profile.css", 404, False), ("/static/nothing/", 404, False), ("/profile//", 404, False),
])  # fmt: skip
def test_who_is_signed_in_sees_so_where_nothing_is(monkeypatch, path, status, named):
    """But not where a cache could take the address for a file's (ATK-095), and never at the price of the answer."""
    visitor = home(JAMAL)
    answer = visitor.client.get(path)
    assert answer.status_code == status and (JAMAL.login in answer.content.decode()) == named

    def away(**_):
        raise OperationalError

    monkeypatch.setattr(close_sessions, "authenticate", away)
    answer = visitor.client.get(path)
    assert answer.status_code in (status, 503)
    assert JAMAL.login not in answer.content.decode()


@pytest.mark.parametrize(("path", "meant"), [
    ("/sign-in", "/sign-in/"), ("/recovery", "/recovery/"), ("/recovery/asked?by=phone", "/recovery/asked/?by=phone"),
    ("/profile", "/profile/"), ("/devices", "/devices/"), ("/desk", "/desk/"), ("/sites/massar", "/sites/massar/"),
    ("/SIGN-IN/", "/sign-in/"), ("/Sign-In?x=1", "/sign-in/?x=1"), ("/sign-in.", "/sign-in/"),
    ("/recovery/.", "/recovery/"), ("/sign-in/)", "/sign-in/"), ("/sign-in/،", "/sign-in/"),
    ("/sign-in/%20", "/sign-in/"), ("/Sites/MASSAR/", "/sites/massar/"),
    ("/contacts/cancel/1-aB-_", "/contacts/cancel/1-aB-_/"), ("/contacts/cancel/1-aB-_/.", "/contacts/cancel/1-aB-_/"),
    ("/contacts/cancel/1-aB-_.", "/contacts/cancel/1-aB-_/"),
])  # fmt: skip
def test_an_address_as_people_type_and_paste_it(client: Client, path, meant):
    answer = client.get(path)
    assert (answer.status_code, answer["Location"]) == (303, meant)


@pytest.mark.parametrize("path", [
    "/nothing", "/token/", "/sign-in//", "/%0d%0aX: y/sign-in", "/x//evil.example/sign-in", "/%2fevil.example", "/.",
    "/...", "/TOKEN", "/CONTACTS/CANCEL/1-aB-_/", "/sign-out.",
])  # fmt: skip
def test_other_addresses_are_not_found(client: Client, path):
    assert client.get(path).status_code == 404


def test_every_page_answers_head(client: Client):
    open_to_all = "/sign-in/ /recovery/ /recovery/asked/ /healthz /readyz /.well-known/security.txt /saml/metadata"
    for path in open_to_all.split():
        assert client.head(path).status_code == 200, path
    client.cookies.load(home(JAMAL).cookies)
    for path in ("/", "/profile/", "/devices/", "/sites/massar/"):
        assert client.head(path).status_code == 200, path


def test_a_password_manager_finds_the_form(client: Client):
    assert client.get("/.well-known/change-password")["Location"] == "/password/change/"
    visitor = Visitor().get("/.well-known/change-password")
    assert visitor.submit("/sign-in/", **AS_JAMAL).path == "/password/change/"
    assert client.get("/favicon.ico")["Location"].endswith(".svg"), "a browser that read no page finds the icon"


def test_who_finds_a_hole_reads_whom_to_tell(client: Client, clock, settings):
    told = client.get("/.well-known/security.txt")
    fields = dict(line.split(": ", 1) for line in told.content.decode().split("\r\n") if line)
    assert told["Content-Type"].startswith("text/plain")
    assert fields["Contact"].startswith("mailto:security@")
    assert fields["Canonical"].startswith(settings.MASSAR.public_url)
    left = datetime.fromisoformat(fields["Expires"]) - clock()
    assert timedelta(days=30) < left < timedelta(days=365), "RFC 9116 §2.5.5"


def test_the_desk_has_a_door_for_operators():
    assert home(SALMA).get("/desk/").path == "/desk/messages/"
    assert home(JAMAL).get("/desk/").page.status_code == 404


def test_pages_leave_compressed_with_random_bytes_before():
    visitor = home(FATIMA)
    answers = [visitor.client.get("/profile/", headers={"accept-encoding": "gzip, br"}) for _ in range(8)]
    plain = [gzip.decompress(answer.content) for answer in answers]
    assert all(answer["Content-Encoding"] == "gzip" and "Accept-Encoding" in answer["Vary"] for answer in answers)
    assert all(len(answer.content) < len(body) / 2 for answer, body in zip(answers, plain, strict=True))
    assert len({len(answer.content) for answer in answers}) > 1, "BREACH: the length tells nothing by itself"
    tokens = {body.split(b'csrfmiddlewaretoken" value="')[1][:64] for body in plain}
    assert len(tokens) == 8, "BREACH: the token of forms is masked anew"
    assert FATIMA_PHONE[-2:].encode() in plain[0]
    assert not visitor.client.get("/profile/").has_header("Content-Encoding"), "nor for whoever did not ask"


@pytest.mark.parametrize(("path", "status"), [("/nothing/", 404), ("/sign-out/", 405), ("/authorize", 400)])
def test_pages_of_faults_leave_compressed_too(client: Client, path, status):
    answer = client.get(path, headers={"accept-encoding": "gzip"})
    assert answer.status_code == status and answer["Content-Encoding"] == "gzip"
