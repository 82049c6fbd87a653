"""`massar backup` beside a busy server, and the copy brought back by the steps of docs/operate/run.md."""

import contextlib
import json
import os
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.installation import Installation

# Another process, as the server is: some MB, then twenty commits a second.
WRITER = """
import sqlite3, sys, time
line = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
line.execute("CREATE TABLE filler (n INTEGER PRIMARY KEY, b BLOB)")
line.execute("INSERT INTO filler (b) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)"
             " SELECT randomblob(2000) FROM n")
print("ready", flush=True)
while True:
    line.execute("UPDATE filler SET b = randomblob(2000) WHERE n = 1 + abs(random()) % 6000")
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installation:
    installation = Installation(tmp_path_factory.mktemp("backup"))
    assert installation.massar("migrate").returncode == 0
    added = installation.massar("createperson", "jamal.jalal@taalim.ma", "--no-password", "--phone", "0661123456")
    assert added.returncode == 0, added.stderr
    return installation


@contextlib.contextmanager
def twenty_commits_a_second(place: Path):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(place)], stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout.readline() == "ready\n"
        yield
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()


def test_it_ends_beside_a_busy_server_and_the_copy_is_restored(installed, tmp_path):
    copy = tmp_path / "copy.sqlite3"
    with twenty_commits_a_second(installed.folder / "massar.sqlite3"):
        begun = time.monotonic()
        done = installed.massar("backup", str(copy))
    assert done.returncode == 0 and "verified" in done.stdout, done.stderr
    assert time.monotonic() - begun < 60
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600 and list(tmp_path.iterdir()) == [copy]

    restored = Installation(tmp_path)  # its database is the one that docs/operate/run.md puts in place
    subprocess.run(["install", "-m", "600", str(copy), str(tmp_path / "massar.sqlite3")], check=True)
    assert restored.massar("migrate").returncode == 0
    checked = restored.massar("check").stdout
    assert "database" not in checked and "MASSAR_DATA_KEYS" not in checked
    assert restored.massar("audit", "verify").returncode == 0
    told = restored.massar("audit", "show", "jamal.jalal@taalim.ma")
    assert told.returncode == 0 and told.stdout
    other_keys = {"MASSAR_DATA_KEYS": "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
    assert "MASSAR_DATA_KEYS lacks the key demo" in restored.massar("check", **other_keys).stdout


def test_nothing_is_overwritten(installed, tmp_path):
    there = tmp_path / "there"
    there.write_text("a letter")
    for place in (there, tmp_path, tmp_path / "no" / "such" / "folder"):
        done = installed.massar("backup", str(place))
        assert done.returncode == 1 and str(tmp_path) in done.stderr and "Traceback" not in done.stderr
    assert there.read_text() == "a letter" and list(tmp_path.iterdir()) == [there]


def test_a_copy_that_is_cut_short_or_spoilt_leaves_nothing(installed, tmp_path):
    """The disk fills while it is made."""
    done = subprocess.run(
        ["sh", "-c", f"ulimit -f 64; exec {sys.executable} -m massar backup {tmp_path / 'copy'}"],
        cwd=installed.folder, env=installed.environ, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode != 0 and list(tmp_path.iterdir()) == []
    assert "could not be copied" in done.stderr, done.stderr


def test_what_was_deleted_is_not_in_the_copy(installed, tmp_path):
    with contextlib.closing(sqlite3.connect(installed.folder / "massar.sqlite3", isolation_level=None)) as database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("CREATE TABLE IF NOT EXISTS secret (word TEXT)")
        database.execute("INSERT INTO secret VALUES (?)", ("canary-" * 50,))
        database.execute("DROP TABLE secret")
    assert installed.massar("backup", str(tmp_path / "copy")).returncode == 0
    assert b"canary-canary" not in (tmp_path / "copy").read_bytes()


def test_before_there_is_a_database_it_says_so(tmp_path):
    done = Installation(tmp_path).massar("backup", str(tmp_path / "copy"))
    assert done.returncode == 1 and "There is no database" in done.stderr and list(tmp_path.iterdir()) == []


def test_of_postgresql_it_says_how_and_never_the_password(tmp_path):
    address = "postgres://massar:geheim@db.example.ma:6432/account?sslmode=verify-full&password=geheim2"
    done = Installation(tmp_path).massar("backup", f"{tmp_path}/a copy", MASSAR_DATABASE_URL=address)
    assert done.returncode == 2 and "geheim" not in done.stdout + done.stderr
    command = next(line for line in done.stdout.splitlines() if "pg_dump" in line)
    told = "umask 077", f"--file='{tmp_path}/a copy'"
    for word in (*told, "host=db.example.ma", "port=6432", "user=massar", "dbname=account", "sslmode=verify-full"):
        assert word in command
    assert "tcp_user_timeout" not in done.stdout and "pg_restore" in done.stdout and os.listdir(tmp_path) == []


def test_atk_150_what_had_ended_since_the_copy_stays_ended(tmp_path):
    """ATK-150: the copy of before is put back; whose account was frozen since is frozen again."""
    installation, login = Installation(tmp_path), "jamal.jalal@taalim.ma"
    person = ("createperson", login, "--email", "jamal@example.org", "--no-password")
    freeze = ("people", "freeze", login, "--reason", "stolen")
    done = installation.each(
        ("migrate",), person, ("audit", "export"), ("backup", str(tmp_path / "copy")), freeze, ("people", "show", login)
    )
    assert [one.returncode for one in done] == [0] * 6 and "frozen since" in done[-1].stdout, done
    database, lost = tmp_path / "massar.sqlite3", tmp_path / "lost.jsonl"
    with contextlib.closing(sqlite3.connect(database)) as line:
        [(event, person_id)] = line.execute("SELECT event, person_id FROM audit_event WHERE event = 'account_frozen'")
        [(name,)] = line.execute("SELECT database FROM audit_cursor")  # this is the log that the copy has begun
    lost.write_text(json.dumps({"database": name, "seq": 1, "event": event, "person_id": person_id}) + "\n")
    for end in ("", "-wal", "-shm"):
        Path(f"{database}{end}").unlink(missing_ok=True)
    (tmp_path / "copy").rename(database)
    before, restored, after, wrong = installation.each(
        ("people", "show", login), ("restored", "--lost", str(lost)), ("people", "show", login),
        ("restored", "--lost", str(database)),
    )  # fmt: skip
    assert "is active" in before.stdout and "frozen since" in after.stdout
    assert "1 lost rows" in restored.stdout and f"{login} is frozen" in restored.stdout and restored.returncode == 0
    assert wrong.returncode == 2 and "no account was frozen" in wrong.stderr and "Traceback" not in wrong.stderr
