"""When something breaks: a page that says what to do, an id that stands in the log, and nothing of what was typed."""

import dataclasses
import logging
import sqlite3
import threading

import psycopg
import pytest
from django.db import connection, transaction, utils
from django.http import HttpResponse
from django.test import Client

from massar.core import log, sql
from massar.domain.delivery import notifier
from massar.interfaces.base import outage, page
from massar.journeys.account import sign_in
from tests.support.doors import addresses

pytestmark = pytest.mark.both_databases

TYPED = {"user": "jamal.jalal@taalim.ma", "password": "Canary&5501-secret"}


@pytest.fixture
def broken(monkeypatch, db):
    """Sign-in meets a fault whose message holds what was typed."""

    def fail(**typed):
        raise RuntimeError(f"broken by {typed}")

    monkeypatch.setattr(sign_in, "enter", fail)
    return Client(raise_request_exception=False)


def test_the_fault_page_names_an_id_that_stands_in_the_log(broken, caplog):
    caplog.handler.setFormatter(log.JsonLines())
    with caplog.at_level(logging.ERROR):
        answer = broken.post("/sign-in/", TYPED)
    assert answer.status_code == 500 and answer.headers["Cache-Control"] == "no-store"
    reference = answer.wsgi_request.id
    assert reference in answer.content.decode()
    assert reference in caplog.text and "RuntimeError" in caplog.text
    assert "Canary" not in caplog.text and "Canary" not in answer.content.decode()


def test_the_last_page_stands_when_the_fault_page_falls_too(broken, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no catalogue, no context")

    monkeypatch.setattr(page, "render", fail)
    answer = broken.post("/sign-in/", TYPED)
    assert answer.status_code == 500
    assert all(words in answer.content.decode() for words in IN_THREE_LANGUAGES)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


# -- the database is away (docs/adr/0038)

OF_OIDC = ("oidc_token", "oidc_userinfo", "oidc_introspect", "oidc_revoke", "oidc_jwks")
FOR_PROGRAMS = {**dict.fromkeys(OF_OIDC, "temporarily_unavailable"), "gate_check": "away", "ready": "away"}
IN_THREE_LANGUAGES = ("الخدمة غير متاحة حاليا", "Service momentanément indisponible", "not available right now")


@pytest.fixture
def away(monkeypatch, db):
    """Every statement fails, as it does while the database is gone."""

    def fail(*_, **__):
        raise utils.OperationalError("could not connect")

    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", fail)
        yield Client(raise_request_exception=False, headers={"cookie": f"massar-session=1.{'a' * 43}"})


@pytest.mark.parametrize("method", ["get", "post"])
def test_no_address_answers_with_a_fault_while_the_database_is_away(away, method):
    told = set()
    for name, path in sorted(addresses()):
        answer = getattr(away, method)(path)
        assert answer.status_code < 500 or answer.status_code == 503, path
        if answer.status_code == 503:
            told.add(name)
            assert answer.headers["Retry-After"] and answer.headers["Cache-Control"] == "no-store", path
            said = (FOR_PROGRAMS[name],) if name in FOR_PROGRAMS else IN_THREE_LANGUAGES
            assert all(words in answer.content.decode() for words in said), path
    assert {"home", "profile", "ready", "oidc_authorize"} <= told if method == "get" else "sign_out" in told


def test_life_is_apart_from_readiness(away):
    assert away.get("/healthz").status_code == 200
    assert away.get("/readyz").status_code == 503
    assert away.post("/sign-in/", TYPED).status_code == 503


def test_a_metric_reader_is_told_too(away, settings):
    settings.MASSAR = dataclasses.replace(settings.MASSAR, metrics_token="t" * 24)
    answer = away.get("/metrics", headers={"authorization": f"Bearer {'t' * 24}"})
    assert answer.status_code == 503 and answer.headers["Retry-After"] and "away" in answer.content.decode()


def caused(kind: type[utils.Error], **facts) -> utils.Error:
    """An error as Django raises it, over one of the driver's with these attributes."""
    cause = type("OfTheDriver", (sqlite3.OperationalError if "sqlite_errorcode" in facts else psycopg.Error,), {})()
    vars(cause).update(facts)
    trouble = kind("…")
    trouble.__cause__ = cause
    return trouble


@pytest.mark.parametrize(("trouble", "away"), [
    *((caused(utils.OperationalError, sqlstate=state), True) for state in (
        None, "57P03", "53100", "40P01",  # cut or refused; starting; its disk is full; deadlock
    )),
    (caused(utils.InternalError, sqlstate="25006"), True),  # a standby
    (caused(utils.InterfaceError, sqlstate=None), True),
    (caused(utils.InternalError, sqlstate="XX000"), False),
    (caused(utils.ProgrammingError, sqlstate="42P01"), False),
    (caused(utils.IntegrityError, sqlstate="23505"), False),
    *((caused(utils.OperationalError, sqlite_errorcode=code), True) for code in (
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_CANTOPEN,
    )),
    (caused(utils.DatabaseError, sqlite_errorcode=sqlite3.SQLITE_NOTADB), True),
    (caused(utils.OperationalError, sqlite_errorcode=sqlite3.SQLITE_ERROR), False),  # no such table
])  # fmt: skip
def test_what_the_database_can_not_help_is_told_from_what_is_ours(trouble, away):
    assert sql.unavailable(trouble) == away


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("before", "times", "status"), [
    ("SELECT 1", 2, 200), ("UPDATE people_person SET language = language", 1, 503),
], ids=["nothing was written", "something was"])  # fmt: skip
def test_a_request_that_was_cut_is_done_once_more_where_nothing_was_written(vendor, rf, before, times, status):
    """The connection dies between two statements, as in a restart."""
    if vendor != "postgresql":
        pytest.skip("a file is not cut off")
    tried = []

    def view(request):
        tried.append(sql.row("SELECT pg_backend_pid()")[0])
        sql.execute(before)
        if len(tried) == 1:
            with sql.dedicated_connection() as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", tried)
        sql.row("SELECT 1")
        return HttpResponse("ok")

    answer = outage.survive_outage(view)(rf.get("/"))
    connection.close()  # as at the end of every request
    assert (answer.status_code, len(tried), len(set(tried))) == (status, times, times)


@pytest.mark.django_db(transaction=True)
def test_what_was_undone_may_be_done_again(vendor, rf):
    """Cut in the middle of a transaction: nothing of it stands, and the second time all of it does."""
    if vendor != "postgresql":
        pytest.skip("a file is not cut off")
    tried = []

    def view(request):
        tried.append(None)
        with transaction.atomic():
            sql.execute(
                "INSERT INTO limits_bucketstate (key, tat, cost, room) VALUES (%s, 1, 1, 1)", (f"try {len(tried)}",)
            )
            if len(tried) == 1:
                [pid] = sql.row("SELECT pg_backend_pid()")
                with sql.dedicated_connection() as other:
                    other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
            sql.row("SELECT 1")
        return HttpResponse("ok")

    assert outage.survive_outage(view)(rf.get("/")).status_code == 200
    assert sql.rows("SELECT key FROM limits_bucketstate WHERE key LIKE 'try%%'") == [("try 2",)]
    sql.execute("DELETE FROM limits_bucketstate WHERE key LIKE 'try%%'")


# --- the worker, whichever way its connection went


class CutOff:
    """A database whose every statement says that it is gone, until the test stops after the second."""

    vendor = "sqlite"

    def __init__(self):
        self.looks, self.stop = 0, threading.Event()

    def cursor(self):
        self.looks += 1
        if self.looks == 2:
            self.stop.set()
        raise utils.InterfaceError("gone")

    def close(self):
        pass


def test_the_notifier_outlives_every_loss(monkeypatch):
    gone = CutOff()
    monkeypatch.setattr(notifier, "AGAIN_AFTER", 0)
    monkeypatch.setattr(notifier, "connection", gone)
    notifier.listen(lambda: None, gone.stop).join(20)
    assert gone.looks == 2
