"""Attacks on sessions, forms, redirects and pages, numbered as in docs/security/attack-cases.md."""

import re
import runpy
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import Client

from massar.config import environment
from massar.domain.people.models import Person
from massar.domain.sessions.models import Session
from massar.interfaces.base.addresses import own_page
from massar.journeys.outcomes import Problem, Problems
from massar.journeys.people import import_people
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, KHADIJA, NEW, enter, facts
from tests.support.doors import addresses
from tests.support.steps import PRODUCTION, holding, home, recover, shows
from tests.support.visitor import Visitor


@pytest.fixture
def https(settings, monkeypatch, tmp_path):
    """The product as production runs it behind a proxy that speaks TLS; the database stays the test's."""
    own = {"MASSAR_VAR": str(tmp_path), "MASSAR_TRUSTED_PROXIES": "1", "MASSAR_DATABASE_URL": None}
    for name, value in {**PRODUCTION, **own}.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASSAR_ARGON2")
    derived = runpy.run_path(str(Path(environment.__file__).with_name("django_settings.py")))
    for name, value in derived.items():
        if name.startswith(("CSRF", "SECURE_")) or name in ("MASSAR", "ALLOWED_HOSTS", "SECRET_KEY"):
            setattr(settings, name, value)
    return Client(
        enforce_csrf_checks=True,
        headers={"host": "compte.example.ma", "x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9",
                 "origin": "https://compte.example.ma"},
    )  # fmt: skip


def token_of(page) -> str:
    return page.content.decode().split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]


def test_atk_081_each_sign_in_has_an_id_of_its_own_and_a_planted_edited_or_earlier_one_opens_nothing(cast):
    visitor = holding(session="1.planted").sign_in(JAMAL.login, JAMAL.password)
    first = visitor.cookies["massar-session"]
    secret = first.partition(".")[2]
    assert visitor.signed_in and first != "1.planted" and len(secret) >= 43
    assert secret not in repr(list(Session.objects.values_list()))
    for cookie in ("1.planted", f"{facts(KHADIJA).id}.{secret}"):
        assert not holding(session=cookie).signed_in
    visitor.get("/recovery/asked/").submit("/sign-in/", user=JAMAL.login, password=JAMAL.password)
    assert visitor.cookies["massar-session"] != first and not holding(session=first).signed_in


def test_atk_082_over_https_every_cookie_is_bound_to_the_host(https, cast):
    https.cookies["massar-language"] = "fr"
    page = https.get("/sign-in/")
    assert page.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
    assert page.headers["Content-Language"] == "ar", "a plain name is not read"
    del https.cookies["massar-language"]
    person = import_people.NewPerson("https.person@taalim.ma", password="Girafe&7194-sable")
    enter(person, now=datetime(2026, 2, 15, tzinfo=UTC))

    def post(path: str, page: str, **typed: str):
        return https.post(path, {"csrfmiddlewaretoken": token_of(https.get(page)), **typed})

    assert post("/sign-in/", "/sign-in/", user=person.login, password=person.password).status_code == 303
    post("/language/", "/recovery/", language="fr")
    post("/recovery/", "/recovery/", user="a.b", channel="phone", phone="0661123456")
    names = {"session", "devices", "csrf", "language", "asked"}
    assert {f"__Host-massar-{n}" for n in names} <= set(https.cookies)
    for name, morsel in https.cookies.items():
        assert name.startswith("__Host-massar-"), name
        assert morsel["secure"] and morsel["httponly"] and morsel["samesite"] == "Lax", name
        assert morsel["path"] == "/" and not morsel["domain"] and len(morsel.OutputString()) < 4096, name
    assert https.get("/").status_code == 200


def test_atk_082_on_localhost_the_names_are_plain(db):
    visitor = Visitor().get("/sign-in/")
    assert set(visitor.cookies) == {"massar-csrf"} and "Strict-Transport-Security" not in visitor.page.headers


def test_atk_083_a_form_of_another_site_is_refused(https, cast):
    form = {"csrfmiddlewaretoken": token_of(https.get("/sign-in/")), "user": JAMAL.login, "password": JAMAL.password}
    evil = "https://evil.example null http://compte.example.ma https://compte.example.ma.evil.example"
    for origin in evil.split():
        assert https.post("/sign-in/", form, headers={"origin": origin}).status_code == 403, origin


def test_atk_083_084_no_form_without_its_token(cast):
    """Sign-in, sign-out, contacts and password alike; every other address is tried in the house tests."""
    visitor = Visitor().get("/sign-in/")
    old = visitor.token  # of a form that was opened before the sign-in
    visitor.sign_in(JAMAL.login, JAMAL.password)
    open_to_all = ("/sign-in/", "/recovery/")
    for path in (*open_to_all, "/sign-out/", "/profile/", "/password/change/", "/devices/end-all/", "/language/"):
        for token in ({}, {"csrfmiddlewaretoken": "x" * 64}, {"csrfmiddlewaretoken": old}):
            visitor.page = visitor.client.post(path, token)
            leads_on = token and path in open_to_all  # a form from before the sign-in: home, and no more
            assert visitor.page.status_code == (303 if leads_on else 403), path
            assert leads_on or shows(visitor, "errors.403_csrf.title"), path
            assert not leads_on or visitor.page["Location"] == "/sign-in/", path
    assert visitor.signed_in


@pytest.mark.parametrize("method", ["get", "head", "options", "put", "patch", "delete", "trace"])
def test_atk_085_only_a_post_changes_something(cast, method):
    visitor, below = home(JAMAL), ("/devices/end-all/", "/devices/1/end/", "/profile/contacts/1/cancel/")
    for path in ("/sign-out/", "/language/", "/password/close/", *below):
        answer = getattr(visitor.client, method)(path)
        assert answer.status_code == 405 and answer["Allow"] == "POST", path
    assert visitor.signed_in


def test_atk_086_other_content_types_open_nothing(cast):
    visitor, body = home(JAMAL), '{"csrfmiddlewaretoken": "x", "password": "y"}'
    for path in ("/profile/", "/password/change/", "/sign-out/"):
        for content_type in ("text/plain", "application/json", "application/xml"):
            assert visitor.client.post(path, data=body, content_type=content_type).status_code == 403
    assert visitor.signed_in


def test_atk_087_no_page_can_be_framed_nor_run_foreign_scripts(cast):
    strict = Client()
    for path in [*dict(addresses()).values(), "/nowhere", "/static/nothing.css", "/sites/x/"]:
        answer = strict.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy and "form-action 'self'" in policy
        assert "default-src 'none'; script-src 'self';" in policy
        assert answer.headers["X-Frame-Options"] == "DENY" and answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert strict.get("/", headers={"host": "evil.example"}).headers["X-Frame-Options"] == "DENY"


def test_atk_087_a_fault_page_is_as_strict_and_tells_nothing(cast, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("the secret of the day")

    monkeypatch.setattr("massar.journeys.account.edit_profile.to_put_right", broken)
    visitor = Visitor()
    visitor.client.raise_request_exception = False
    visitor.sign_in(JAMAL.login, JAMAL.password)
    assert visitor.page.status_code == 500
    assert "secret of the day" not in visitor.html and "Traceback" not in visitor.html
    assert "frame-ancestors 'none'" in visitor.page.headers["Content-Security-Policy"]
    assert visitor.page.headers["Cache-Control"] == "no-store"
    assert re.search(r'<bdi dir="ltr">[a-z2-7]{10}</bdi>', visitor.html), "the id that stands in the log"


@pytest.mark.parametrize(("wanted", "page"), [
    ("/profile/contacts/1/cancel/", "/profile/"), ("/profile/contacts/1/prove/?x=1", "/profile/"),
    ("/devices/1/end/", "/devices/"), ("/recovery/nothing/here/", "/recovery/"),
    ("/profile/..//evil.com/", "/profile/"), ("/sites/massar/x/", "/sites/massar/"), ("/profile/", "/profile/"),
    ("/recovery/asked/?by=phone", "/recovery/asked/?by=phone"), ("/sites/massar/", "/sites/massar/"),
    ("/recovery/asked/?by=\r\nSet-Cookie:x", "/recovery/asked/"),
    ("/recovery/asked/?" + "a" * 200, "/recovery/asked/"), ("/profile/?next=//evil.com", "/profile/?next=//evil.com"),
])  # fmt: skip
def test_atk_090_a_page_is_meant_or_the_page_above(db, wanted, page):
    assert own_page(wanted) == page


@pytest.mark.parametrize(
    "wanted",
    ["//evil.com", "/\\evil.com", "https:evil.com", "/\t/evil.com", "/%2f%2fevil.com", "/..//evil.com", "/;@evil.com",
     "https://compte.ma@evil.com", "javascript:alert(1)", "data:text/html,x", "https://evil\u3002com", "http://compte.ma",
     "/ /evil.com", "/\r\nSet-Cookie: a=b", "", "?", "/sign-out/", "/language/", "/healthz",
     "\x00", "/" * 3000, "/profile/\u202e", "///evil.com/profile/", "profile/"],
)  # fmt: skip
def test_atk_090_the_language_form_leads_to_our_own_pages_only(db, wanted):
    assert own_page(wanted) == "/"
    visitor = Visitor().get("/recovery/")
    answer = visitor.client.post("/language/", {"csrfmiddlewaretoken": visitor.token, "language": "fr", "next": wanted})
    assert answer.status_code == 303 and answer.headers["Location"] == "/"


def test_atk_093_after_a_post_the_browser_asks_with_get(cast, post):
    visitor = Visitor().get("/sign-in/")
    form = {"csrfmiddlewaretoken": visitor.token, "user": JAMAL.login, "password": JAMAL.password}
    assert visitor.client.post("/sign-in/", form).status_code == 303
    token = token_of(visitor.client.get("/"))
    for path in ("/language/", "/devices/end-all/", "/password/close/", "/sign-out/"):
        assert visitor.client.post(path, {"csrfmiddlewaretoken": token}).status_code == 303, path


def test_atk_094_after_signing_out_back_shows_nothing(cast):
    visitor = home(JAMAL)
    assert visitor.get("/profile/").page.headers["Cache-Control"] == "no-store"
    visitor.submit("/sign-out/")
    for path in ("/", "/profile/", "/devices/", "/password/change/", "/password/changed/"):
        assert visitor.get(path).path == "/sign-in/"
        assert "جلال" not in visitor.html


def test_atk_095_no_page_passes_for_a_file(cast):
    visitor = home(JAMAL)
    for path in ("x.css", ";.js", "/;a.js", "/%0a.css", "//", ".css"):
        answer = visitor.client.get(f"/profile{path}")
        assert answer.status_code == 404 and answer.headers["Cache-Control"] == "no-store"
        assert "جلال" not in answer.content.decode()


NASTY = '<script>alert(1)</script>"><img src=x onerror=y>{{7*7}}'


def test_atk_096_names_are_text(clock, db, post):
    person = import_people.NewPerson("nasty.name@taalim.ma", first_ar=NASTY, last_ar="'", first_latin="{% x %}",
                                     last_latin="x", establishment=("1", "<b>", "<i>x</i>"),
                                     phone="0661123456", password="Girafe&7194-sable")  # fmt: skip
    enter(person, now=clock())
    Person.objects.filter(login=person.login).update(last_name_latin="\u202ecod.exe")  # adding people refuses it
    visitor = Visitor().sign_in(person.login, person.password)
    for path in ("/", "/profile/", "/devices/", "/password/change/"):
        visitor.get(path)
        assert "<script>alert" not in visitor.html and "<img src=x" not in visitor.html, path
        assert ">49<" not in visitor.html and "<i>x</i>" not in visitor.html
    assert "<bdi>&lt;script&gt;" in visitor.get("/").html


def test_atk_096_a_hostile_browser_name_is_not_shown(cast):
    visitor = Visitor(**{"user-agent": "<script>alert(1)</script>\u00ff Chrome/1 Android"})
    visitor.sign_in(JAMAL.login, JAMAL.password).get("/devices/")
    assert "<script>alert" not in visitor.html and "Chrome · Android" in visitor.html


def test_atk_096_names_with_marks_nobody_sees_are_not_taken_in(clock, db):
    for name in ("a\u202eb", "a\nb", "\u200b", "x" * 101, "a\x00b"):
        person = import_people.NewPerson("odd.one@taalim.ma", first_latin=name)
        assert import_people.add(person, now=clock()) == Problems({"name": [Problem("name_shape")]})
    assert not Person.objects.exists()


@pytest.mark.both_databases
def test_atk_098_names_never_go_into_an_sms(clock, db, post):
    person = import_people.NewPerson("line.break@taalim.ma", first_latin="Ali", last_latin="Rami",
                                     first_ar="علي", phone="0661123456", password="Girafe&7194-sable")  # fmt: skip
    enter(person, now=clock())
    Person.objects.filter(login=person.login).update(first_name_latin="Ali\n@evil.example #123456")
    recover(post, person, "+212661123456", NEW)
    sent = post.messages("+212661123456")
    assert len(sent) == 2
    assert not any("evil" in m.text or "Ali" in m.text or "علي" in m.text for m in sent)


def test_atk_100_thousands_of_fields_and_files_are_refused(cast):
    many = "&".join(f"a{n}=1" for n in range(8000))
    form = "application/x-www-form-urlencoded"
    assert Client().post("/sign-in/", data=many, content_type=form).status_code == 400
    part = '--b\r\nContent-Disposition: form-data; name="f%d"; filename="x"\r\n\r\nx\r\n'
    files, form = "".join(part % n for n in range(200)) + "--b--\r\n", "multipart/form-data; boundary=b"
    assert Client().post("/sign-in/", data=files, content_type=form).status_code == 400


@pytest.mark.parametrize("path", [
    "/devices/99999999999999999999999/end/", "/profile/contacts/99999999999999999999/prove/",
    "/profile/contacts/18446744073709551616/cancel/", "/profile/contacts/9223372036854775808/remove/",
])  # fmt: skip
def test_numbers_beyond_the_database_are_nobodys(cast, path):
    visitor = home(JAMAL)
    form = {"csrfmiddlewaretoken": visitor.token, "code": "123456", "password": JAMAL.password}
    assert visitor.client.post(path, form).status_code in (303, 404)


@pytest.mark.parametrize("path", [
    "/contacts/cancel/" + "9" * 300 + "/", "/contacts/cancel/1-2-3-\u0661/", "/contacts/cancel/---/",
    "/contacts/cancel/" + "-".join(["9" * 18] * 3) + "-x/",
])  # fmt: skip
def test_links_that_were_made_up_are_gone(db, path):
    visitor = Visitor().get(path)
    assert visitor.page.status_code == 200 and shows(visitor, "cancel.gone")


@pytest.mark.parametrize("value", ["x", "x.y", "e30.x", "." * 3000, "\u00ff.\u00ff"])
def test_a_made_up_flash_is_not_spoken_and_one_of_ours_once(cast, value):
    assert 'class="flashes"' not in holding(flash=value).get("/sign-in/").html
    visitor = home(JAMAL).submit("/sign-out/")
    assert shows(visitor, "flash.signed_out")
    assert not shows(visitor.get("/sign-in/"), "flash.signed_out")


def test_secrets_are_in_no_address(cast, post):
    """WEB-05: what was typed goes in the body, never in the address."""
    visitor = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    secret = post.secret(FATIMA_PHONE)
    seen = [visitor.page.request["QUERY_STRING"]]
    visitor.sign_in(FATIMA.login, secret)
    seen += [a for a, _ in visitor.page.redirect_chain]
    visitor.change(secret, NEW)
    seen += [a for a, _ in visitor.page.redirect_chain]
    assert not any(word in " ".join(seen) for word in (secret, NEW, "661000222", "fatima"))
