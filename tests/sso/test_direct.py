"""The short way of what servers ask: the same answers as by Django's own way, and what every request gets is done."""

import io
import logging
import re

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.client import ClientHandler
from django.urls import reverse

from massar.core import log
from massar.interfaces.base import direct
from massar.journeys.sso.oidc import tokens

pytestmark = pytest.mark.both_databases

FORM = "application/x-www-form-urlencoded"
# Adding one is a decision: such a view gets no form token, no language and no file (docs/adr/0019-direct-views.md).
DIRECT = {
    "oidc_discovery", "oidc_jwks", "oidc_token", "oidc_userinfo", "oidc_introspect", "oidc_revoke", "gate_check",
    "gate_forward",
}  # fmt: skip
ODD = [  # of the head: nothing sent, foreign hosts, no form, other proofs, a cookie for French
    {}, {"HTTP_HOST": "evil.example"}, {"HTTP_HOST": "localhost:8000@evil.example"},
    {"CONTENT_TYPE": "application/json"}, {"HTTP_AUTHORIZATION": "Digest x"}, {"HTTP_AUTHORIZATION": "Basic ////"},
    {"HTTP_AUTHORIZATION": "Bearer nothing"}, {"HTTP_COOKIE": "massar-language=fr"},
]  # fmt: skip
BODIES = [  # empty, a parameter twice, too long, too many fields, not UTF-8
    b"", b"grant_type=client_credentials&grant_type=client_credentials", b"grant_type=" + b"x" * 70_000,
    b"&".join(b"f%d=1" % n for n in range(70)), b"grant_type=%ff\xff",
]  # fmt: skip
TOKEN = re.compile(rb"[0-9A-Za-z]{64}")  # of the form on a fault page, another one each time
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")


def environ(path: str, method: str = "GET", body: bytes = b"", **more: str) -> dict:
    asked = RequestFactory().generic(method, path, body, content_type=FORM).environ
    return {**asked, "HTTP_HOST": "localhost:8000", **more, "wsgi.input": io.BytesIO(body)}


def by_direct(asked: dict) -> tuple[int, dict, bytes]:
    said: list = []
    body = direct.Direct(None)(asked, lambda *head: said.extend(head))
    return int(said[0][:3]), dict(said[1]), b"".join(body)


def by_django(asked: dict) -> tuple[int, dict, bytes]:
    answer = ClientHandler()(asked)
    return answer.status_code, dict(answer.headers), answer.content


@pytest.fixture
def kept(monkeypatch):
    """The test's transaction stays open."""
    monkeypatch.setattr(direct.Direct, "release", lambda self: None)


def test_the_list_of_direct_views_is_exact():
    assert set(direct.views()) == {reverse(name) for name in DIRECT}


@pytest.mark.django_db
@pytest.mark.parametrize("path", sorted(direct.views()))
def test_both_ways_answer_alike(path, kept, cast, clock):
    """Status, headers and body: with each method, odd head and odd body."""
    asked = [{"method": method, **more} for method in METHODS for more in ODD]
    asked += [{"method": "POST", "body": body} for body in BODIES]
    for one in asked:
        status, headers, body = by_direct(environ(path, **one))
        expected = by_django(environ(path, **one))
        assert (status, headers) == expected[:2], one
        assert TOKEN.sub(b"", body) == TOKEN.sub(b"", expected[2]) or one["method"] == "HEAD", one
        assert status < 500 and headers["Content-Security-Policy"].startswith("default-src 'none'"), one


@pytest.mark.django_db
def test_a_fault_is_logged_under_the_id_that_the_answer_names(kept, monkeypatch, caplog):
    def fail(**asked):
        raise RuntimeError(f"broken by {asked}")

    monkeypatch.setattr(tokens, "userinfo", fail)
    caplog.handler.setFormatter(log.JsonLines())
    with caplog.at_level(logging.ERROR):
        status, headers, body = by_direct(environ("/userinfo", HTTP_AUTHORIZATION="Bearer canary-5501"))
    assert status == 500 and headers["Cache-Control"] == "no-store"
    assert log.request_id.get() in body.decode() and log.request_id.get() in caplog.text
    assert "canary" not in caplog.text and "canary" not in body.decode()


@pytest.mark.django_db(transaction=True)
def test_the_connection_goes_back_and_a_broken_one_is_replaced(vendor):
    asked = {"HTTP_AUTHORIZATION": "Bearer nothing"}
    assert by_direct(environ("/userinfo", **asked))[0] == 401
    if vendor == "sqlite":
        assert connection.connection is not None, "SQLite's stays open for its thread"
        return
    assert connection.connection is None, "back in the pool"
    connection.ensure_connection()
    connection.connection.close()  # as after a restart of the database
    assert by_direct(environ("/userinfo", **asked))[0] == 401, "nobody sees it"
