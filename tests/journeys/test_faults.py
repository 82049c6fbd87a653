"""When something breaks: a page that says what to do, an id that stands in the log, and nothing of what was typed."""

import contextlib
import dataclasses
import itertools
import json
import logging
import sqlite3
import threading
from collections.abc import Iterator

import psycopg
import psycopg_pool
import pytest
from django.db import connection, transaction, utils
from django.http import HttpResponse
from django.test import Client

from massar.core import database_trouble, log, sql
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


@pytest.fixture
def well(db):
    return Client(raise_request_exception=False)


@contextlib.contextmanager
def full() -> Iterator[str]:
    """A database without room for one more page: SQLite's own fault; PostgreSQL's as it words it, by a trigger."""
    if connection.vendor == "sqlite":
        [(usual,)], [(pages,)] = sql.rows("PRAGMA max_page_count"), sql.rows("PRAGMA page_count")
        sql.rows(f"PRAGMA max_page_count = {pages}")
        for length in (60, 3):  # what is free in the pages that are there
            with contextlib.suppress(utils.Error):
                for number in itertools.count():
                    row = (f"{number:0{length}}", 0, 0, 0)
                    sql.execute("INSERT INTO limits_bucketstate (key, tat, cost, room) VALUES (%s, %s, %s, %s)", row)
        yield "database or disk is full"
        sql.rows(f"PRAGMA max_page_count = {usual}")
        return
    words = 'could not extend file "base/5/16384": No space left on device'
    raised = f"BEGIN RAISE EXCEPTION '{words}' USING ERRCODE = '53100'; END"
    sql.execute(f"CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ {raised} $$")
    sql.execute("CREATE TRIGGER no_room BEFORE INSERT ON limits_bucketstate EXECUTE FUNCTION no_room()")
    yield words
    sql.execute("DROP FUNCTION no_room CASCADE")


@contextlib.contextmanager
def read_only() -> Iterator[str]:
    of_sqlite = connection.vendor == "sqlite"
    setting = "PRAGMA query_only" if of_sqlite else "SET default_transaction_read_only"
    sql.execute(f"{setting} = ON")
    yield "attempt to write a readonly database" if of_sqlite else "cannot execute INSERT in a read-only transaction"
    sql.execute(f"{setting} = OFF")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("kind", "happens"), [("full", full), ("read-only", read_only)])
def test_operators_see_why_nobody_can_sign_in(well, caplog, settings, kind, happens):
    settings.MASSAR = dataclasses.replace(settings.MASSAR, metrics_token="t" * 24)
    caplog.set_level(logging.INFO)
    with happens() as words:
        answers = {well.post("/sign-in/", TYPED).status_code for _ in range(3)}
        assert answers == {503}
    [line] = [record.getMessage() for record in caplog.records if record.name == "massar.database"]
    assert line.startswith(f"alarm database-trouble begins ({kind}: {words}"), "once, in the database's own words"
    assert well.get("/healthz").content.decode() == f"serving; the database is {kind}, see the log\n"
    alarm = 'massar_alarm{name="database-trouble"} 1.0'
    assert alarm in well.get("/metrics", headers={"authorization": f"Bearer {'t' * 24}"}).content.decode()
    ready = well.get("/readyz")  # the SQLite file and this connection to PostgreSQL can be written again
    assert ready.status_code == (503 if kind == "full" else 200)
    if kind == "read-only":
        assert well.get("/healthz").content == b"ok\n" and "is over" in caplog.text


def test_a_trouble_is_said_once_a_minute_with_how_often_it_was_met(well, caplog, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(database_trouble, "monotonic", lambda: now[0])
    for now[0] in (1000.0, 1001.0, 1059.0, 1061.0, 1062.0, 1121.5):
        database_trouble.meet(database_trouble.Trouble("full", "no room"))
    said = [record.getMessage().partition(":")[0] for record in caplog.records]
    again = "the database is still full, met {} times in a minute"
    assert said == ["alarm database-trouble begins (full", again.format(3), again.format(2)]
    now[0] += database_trouble.LASTS + 1
    assert database_trouble.standing() is None and well.get("/healthz").content == b"ok\n"


REFUSED = (
    'connection failed: connection to server at "192.0.2.7", port 5432 failed: server certificate for "db.example.ma" '
    'does not match host name "192.0.2.7"'
)


@pytest.mark.parametrize(("words", "kind"), [
    (REFUSED, "refused"),
    ('connection failed: FATAL:  password authentication failed for user "massar"', "refused"),
    ("connection failed: FATAL:  the database system is starting up", "unreachable"),
    ("connection failed: Connection refused\n\tIs the server running on that host?", "unreachable"),
])  # fmt: skip
def test_a_pool_that_waited_says_why_without_the_password(words, kind):
    database_trouble.note_refusal(psycopg.OperationalError(f"{words} s3cret-pass\n"), ["s3cret-pass"])
    waited = utils.OperationalError("couldn't get a connection after 0.70 sec")
    waited.__cause__ = psycopg_pool.PoolTimeout("…")
    assert database_trouble.judge(waited) == (kind, " ".join(f"{words} …".split()))


@pytest.mark.parametrize("body", ["a=" + "b" * 65_000 + "c" * 1000, "&".join(f"a{n}=1" for n in range(80))])
def test_what_strangers_send_is_no_error(db, caplog, body):
    """What is too long is 413, in words; the log has a line of information, without a trace."""
    caplog.handler.setFormatter(log.JsonLines())
    caplog.handler.addFilter(log.lower_what_strangers_cause)
    with caplog.at_level(logging.INFO):
        answer = Client().post("/sign-in/", body, content_type="application/x-www-form-urlencoded")
    caplog.handler.removeFilter(log.lower_what_strangers_cause)
    assert answer.status_code == (413 if len(body) > 65_536 else 400) and answer.content.startswith(b"<!doctype html>")
    said = [json.loads(line.partition("{")[1] + line.partition("{")[2]) for line in caplog.text.splitlines()]
    assert said and {one["level"] for one in said} == {"info"} and not any("trace" in one for one in said)


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
