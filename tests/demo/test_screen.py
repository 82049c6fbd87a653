"""The page with the phone and the mailbox, and that it exists in the demo alone."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from django.conf import settings
from django.http import Http404
from django.test import RequestFactory, override_settings
from django.urls import include, path
from django.utils import translation

from massar.config import urls as product_urls
from massar.domain.delivery.wording import TEMPORARY_PASSWORD, render
from massar.interfaces.demo import views
from massar.interfaces.demo.store import Store

urlpatterns = [*product_urls.urlpatterns, path("demo/", include("massar.interfaces.demo.views"))]
VALUES = {"secret": "kdmwt-47392", "valid_until": "14:35", "host": "compte.men.gov.ma"}
LETTER = render(TEMPORARY_PASSWORD, language="ar", channel="email", values=VALUES)


@pytest.fixture
def store(tmp_path):
    kept = Store(tmp_path / "inbox.sqlite3")
    kept.prepare()
    demo = replace(settings.MASSAR, mode="demo", demo_store=tmp_path / "inbox.sqlite3")
    with override_settings(MASSAR=demo, ROOT_URLCONF=__name__):
        yield kept


@pytest.fixture
def phone_and_mail(store):
    text = "مسار: كلمة مرور مؤقتة\nkdmwt-47392\nصالحة إلى غاية 14:35."
    store.add(kind="sms", key="a", sender="MASSAR", recipient="+212661000222", subject="", text=text)
    about = {"kind": "email", "key": "b", "sender": "Massar <m@example.ma>", "recipient": "khadija@example.org"}
    store.add(**about, subject="<b>مسار</b>", text=LETTER.text, html=LETTER.html)
    return store


def page(client, language="ar"):
    client.cookies["massar-language"] = language
    answer = client.get("/demo/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_every_word_of_the_page_is_in_the_catalogue(client, phone_and_mail):
    for language in ("ar", "fr", "en"):
        assert not re.search(r"\bdemo\.[a-z_]+", re.sub(r"<[^>]*>", " ", page(client, language)))


def test_an_empty_screen_says_what_will_come_and_who_there_is(client, store):
    """Without scripts it renews itself, and can be renewed."""
    html = page(client)
    assert html.count('class="nothing"') == 2 and 'data-last="0"' in html and '<li class="sms' not in html
    assert html.count("@taalim.ma") >= 3 and "jamal.jalal@taalim.ma" in html
    quiet = re.findall(r"<noscript>(.*?)</noscript>", html, re.DOTALL)
    assert any('http-equiv="refresh"' in part for part in quiet) and any('href="/demo/"' in part for part in quiet)


def test_messages_are_shown_with_recipient_text_and_code(client, phone_and_mail):
    html = page(client)
    assert "06 61 00 02 22" in html.replace("-", " ") and "khadija@example.org" in html
    assert html.count('data-demo-copy="kdmwt-47392"') == 2
    assert 'data-last="2"' in html
    assert "<b>مسار</b>" not in html and "&lt;b&gt;مسار" in html


def test_what_is_newer_comes_as_data_and_as_a_card(client, phone_and_mail):
    news = client.get("/demo/messages?after=1").json()
    assert news["last"] == 2 and re.fullmatch(r"\d\d:\d\d", news["clock"])
    (letter,) = news["messages"]
    assert letter["kind"] == "email" and letter["to"] == "khadija@example.org" and letter["code"] == "kdmwt-47392"
    assert letter["text"] == LETTER.text and letter["has_html"]
    assert 'data-message="2"' in letter["card"] and "<b>" not in letter["card"]
    assert client.get("/demo/messages?after=2").json()["messages"] == []
    everything = client.get("/demo/messages?after=0").json()["messages"]
    assert [one["to"] for one in everything] == ["khadija@example.org", "+212661000222"]


def test_a_number_that_is_none_means_everything(client, phone_and_mail):
    for after in ("", "-1", "x", "1;2", "٣", "9" * 40):
        assert len(client.get("/demo/messages", {"after": after}).json()["messages"]) == 2


def test_a_letter_is_framed_so_that_it_can_do_nothing(client, phone_and_mail):
    answer = client.get("/demo/mail/2")
    assert answer.status_code == 200 and answer.content.decode().split() == LETTER.html.split()
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["sandbox"] == "" and policy["form-action"] == "'none'"
    assert "script-src" not in policy and policy["frame-ancestors"] == "'self'"
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "unsafe-inline" not in client.get("/demo/").headers["Content-Security-Policy"]
    frame = re.search(r"<iframe[^>]*>", page(client))[0]
    assert " sandbox " in frame and "allow-" not in frame and 'title="' in frame


def test_what_is_no_letter_is_not_found_and_only_looking_is_possible(client, phone_and_mail):
    for number in ("1", "3", "9" * 30):
        assert client.get(f"/demo/mail/{number}").status_code == 404
    for address in ("/demo/", "/demo/messages", "/demo/mail/2"):
        assert client.post(address).status_code in (403, 405)


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.all: list[tuple[str, dict]] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.all.append((tag, dict(attributes)))


def test_nothing_inline_and_nothing_from_elsewhere(client, phone_and_mail):
    for tag, attributes in Tags(page(client)).all:
        assert tag != "style" and "style" not in attributes
        assert tag != "script" or attributes.get("src", "").startswith("/static/")
        assert not any(name.startswith("on") for name in attributes)
        assert not attributes.get("src", "/").startswith("http")


def test_outside_the_demo_there_is_no_such_page(client, phone_and_mail):
    request = RequestFactory().get("/demo/")
    for mode in ("production", "test"):
        with override_settings(MASSAR=replace(settings.MASSAR, mode=mode)), translation.override("ar"):
            for view, named in ((views.screen, {}), (views.messages, {}), (views.mail, {"number": 2})):
                with pytest.raises(Http404):
                    view(request, **named)


def test_the_address_is_not_even_routed_outside_the_demo(client):
    assert settings.MASSAR.mode == "test" and client.get("/demo/").status_code == 404
