"""PostgreSQL stopped, started again, cut: what the product's real processes say meanwhile, and when they are back.

The server is this module's own, so that nobody else meets its restarts.
"""

import contextlib
import http.client
import json
import os
import re
import stat
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg
import pytest
import trustme

from tests.support import postgres, programs
from tests.support.installation import Installation, running

TOKEN = "metrics-token-of-this-test"
STRANGER = {"Cookie": f"massar-session=1.{'a' * 43}"}
BACK = 5.0  # seconds
SLOW_MACHINE = 2.0  # seconds that a busy machine may add
AT_ONCE = 20


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    text: str
    seconds: float


@dataclass
class Product:
    """`massar serve` with one process, and `massar worker`, on a PostgreSQL that can be stopped."""

    database: postgres.Server
    installed: Installation
    port: int
    log: Path
    authority: trustme.CA  # of its certificate, whose name is verified

    def ask(self, path: str, headers: dict[str, str] | None = None, form: str | None = None) -> Answer:
        begun = time.monotonic()
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        with contextlib.closing(line):
            said = {"Host": f"localhost:{self.port}", **kind, **(headers or {})}
            line.request("POST" if form else "GET", path, form, said)
            heard = line.getresponse()
            text = heard.read().decode()
        return Answer(heard.status, heard.headers, text, time.monotonic() - begun)

    def ask_at_once(self, path: str, headers: dict[str, str] | None = None, many: int = AT_ONCE) -> list[Answer]:
        with ThreadPoolExecutor(many) as pool:
            return list(pool.map(lambda _: self.ask(path, headers), range(many)))

    def is_back(self) -> float:
        """Seconds until the database is reached again."""
        begun = time.monotonic()
        while self.ask("/readyz").status != 200:
            assert time.monotonic() < begun + 60
            time.sleep(0.05)
        return time.monotonic() - begun


@pytest.fixture(scope="module")
def product(tmp_path_factory) -> Iterator[Product]:
    found = programs.find_postgres()
    if found is None:
        pytest.fail(programs.POSTGRES.sentence) if os.environ.get("CI") else pytest.skip(programs.POSTGRES.sentence)
    folder, port = tmp_path_factory.mktemp("away"), postgres.free_port()
    with contextlib.ExitStack() as stack:
        server, ca = stack.enter_context(postgres.server_to_restart(found)), trustme.CA()
        ca.cert_pem.write_to_path(folder / "ca.pem")
        server.serve_tls(ca.issue_cert("127.0.0.1"))
        installed = Installation(folder)
        installed.environ |= {
            "MASSAR_DATABASE_URL": f"{server.address}?sslmode=verify-full&sslrootcert={folder}/ca.pem",
            "MASSAR_PUBLIC_URL": f"http://localhost:{port}",
            "MASSAR_METRICS_TOKEN": TOKEN,
        }
        assert installed.massar("migrate").returncode == 0
        log = folder / "log"
        file = stack.enter_context(log.open("ab"))
        told = {"folder": folder, "environ": installed.environ, "stdout": file, "stderr": file}
        for words in (("serve", "--port", str(port), "--processes", "1"), ("worker",)):
            stack.enter_context(running(*words, **told))
        product = Product(server, installed, port, log, ca)
        _until(lambda: product.ask("/healthz").status == 200)
        yield product


def _until(true) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError):
            if true():
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.contextmanager
def stopped(product: Product) -> Iterator[None]:
    product.database.stop()
    try:
        yield
    finally:
        product.database.start()
        product.is_back()


def test_nobody_sees_a_restart(product):
    """Twenty idle connections are cut; whoever comes next gets another one, and waits for no pause of the pool."""
    product.ask_at_once("/readyz")
    product.database.restart()
    answers = product.ask_at_once("/readyz") + product.ask_at_once("/readyz")
    assert {one.status for one in answers} == {200}
    print(f"longest {max(one.seconds for one in answers):.2f} s")
    assert max(one.seconds for one in answers) < BACK


@pytest.mark.parametrize(("path", "headers", "said"), [
    ("/", STRANGER, "الخدمة غير متاحة حاليا.*Service momentanément indisponible.*not available right now"),
    ("/readyz", {}, "the database is away"),
    ("/metrics", {"Authorization": f"Bearer {TOKEN}"}, "the database is away"),
    ("/userinfo", {"Authorization": "Bearer " + "a" * 43}, '"error": "temporarily_unavailable"'),
])  # fmt: skip
def test_while_it_is_away_everybody_is_told_to_come_back(product, path, headers, said):
    product.ask(path, headers)  # what a process does once is done
    with stopped(product):
        first, *others = [product.ask(path, headers), *product.ask_at_once(path, headers)]
        assert product.ask("/healthz").status == 200
    for one in (first, *others):
        assert one.status == 503 and int(one.headers["Retry-After"]) <= BACK
        assert one.headers["Cache-Control"] == "no-store" and one.headers["Content-Security-Policy"]
        assert re.search(said, one.text, re.DOTALL), one.text
    assert first.seconds < 1 + SLOW_MACHINE and max(one.seconds for one in others) < 1 + SLOW_MACHINE


def test_one_that_takes_everything_and_says_nothing_is_given_up(product):
    """Who had asked it waits some seconds, for a statement may be slow; who comes later does not."""
    product.ask_at_once("/readyz")
    with product.database.frozen():
        first = product.ask("/readyz")
        assert first.status == 503 and first.seconds < 20
        assert {one.status for one in product.ask_at_once("/readyz", many=4)} == {503}
        later = product.ask("/readyz")
        assert later.status == 503 and later.seconds < 1 + SLOW_MACHINE
    assert product.is_back() < BACK


def test_a_form_that_is_sent_meanwhile_gets_the_page(product):
    page = product.ask("/sign-in/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
    cookie = {"Cookie": page.headers["Set-Cookie"].split(";")[0]}
    with stopped(product):
        answer = product.ask("/sign-in/", cookie, f"csrfmiddlewaretoken={token}&user=a%40taalim.ma&password=abc")
        out_of_date = product.ask("/profile/", STRANGER, "csrfmiddlewaretoken=old&email=a")
    for one in (answer, out_of_date):  # which page of fault it gets would be asked of the database
        assert one.status == 503 and "indisponible" in one.text and one.headers["Retry-After"]


def test_all_parts_are_back_within_five_seconds(product):
    """However long it was away. The worker is known to be back by what it sweeps and claims."""
    with stopped(product):
        time.sleep(6)  # longer than the first steps of the pool's own growing pause
        assert product.ask("/readyz").status == 503
        product.database.start()
        begun = time.monotonic()
        assert product.is_back() < BACK
        with psycopg.connect(product.database.address, autocommit=True) as other:
            _until(lambda: other.execute(OF_THE_WORKER).fetchone()[0] >= 1)
        assert time.monotonic() - begun < BACK + SLOW_MACHINE
    log = product.log.read_text()  # when it went and came, and no line for each connection
    assert "can't be reached" in log and "answers again" in log
    assert "psycopg.pool" not in log and '"level": "info", "where": "psycopg' not in log


def test_a_refused_tls_name_is_told_in_the_databases_own_words(product):
    """A certificate for another name: the page is 503, the logs of web server and worker say why, without the password,
    and so does a command."""
    begun, refused = product.log.stat().st_size, "alarm database-trouble begins (refused"
    why = 'server certificate for "db.example.ma" does not match host name "127.0.0.1"'
    password = urlsplit(product.database.address).password
    product.database.serve_tls(product.authority.issue_cert("db.example.ma"))
    try:
        _until(lambda: product.ask("/readyz").status == 503)
        _until(lambda: product.log.read_text()[begun:].count(refused) == 2)  # the worker too
        assert product.ask("/readyz").text == "the database refuses us\n"
        assert product.ask("/healthz").text == "serving; the database refuses us, see the log\n"
        checked = product.installed.massar("check")
        assert why in checked.stdout and password not in checked.stdout + checked.stderr
    finally:
        product.database.serve_tls(product.authority.issue_cert("127.0.0.1"))
        back = product.is_back()
    said = product.log.read_text()
    assert said.count(json.dumps(why)[1:-1]) >= 2 and password not in said
    assert back < BACK + SLOW_MACHINE and product.ask("/healthz").text == "ok\n"


OF_THE_WORKER = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%LISTEN massar_delivery%'"


def _is_signed(product) -> bool:
    with psycopg.connect(product.database.address) as other:
        signed = "SELECT signed_seq >= (SELECT count(*) FROM audit_event) FROM audit_cursor"
        return other.execute(signed).fetchone() == (True,)


def test_a_backup_of_it_is_made_and_brought_back_as_the_command_says(product, tmp_path):
    """The two lines that `massar backup` prints, run as they stand; the copy goes into a database of its own."""
    added = product.installed.massar("createperson", "jamal.jalal@taalim.ma", "--no-password", "--phone", "0661123456")
    assert added.returncode == 0, added.stderr
    _until(lambda: _is_signed(product))  # what is signed behind a copy's back, a check of the copy tells
    told = product.installed.massar("backup", f"{tmp_path}/a copy").stdout
    dump, restore = (line.strip() for line in told.splitlines() if "pg_" in line and line.startswith("  "))
    address = urlsplit(product.database.address)
    programs_first = f"{programs.find_postgres()}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": programs_first, "PGPASSWORD": address.password}
    subprocess.run(["sh", "-ec", dump], check=True, env=environ, timeout=60)
    assert stat.S_IMODE((tmp_path / "a copy").stat().st_mode) == 0o600
    with psycopg.connect(product.database.address, autocommit=True) as other:
        other.execute("CREATE DATABASE drill")
    into_the_drill = restore.replace("dbname=postgres", "dbname=drill")
    subprocess.run(["sh", "-ec", into_the_drill], check=True, env=environ, timeout=60)
    drill = product.database.address.removesuffix("postgres") + "drill"
    checked = product.installed.massar("check", MASSAR_DATABASE_URL=drill).stdout
    assert "database" not in checked and "does not open" not in checked
    assert product.installed.massar("audit", "show", "jamal.jalal@taalim.ma", MASSAR_DATABASE_URL=drill).stdout
