"""`massar audit`: a worker seals and signs; an auditor verifies here and elsewhere, and exports."""

import json
import sqlite3
import subprocess
import sys
import time

import pytest

from massar.core.audit.api import verifier
from tests.support.installation import Installation, running
from tests.support.postgres import free_port


@pytest.fixture(scope="module")
def sealed(tmp_path_factory) -> Installation:
    """An installation with some people, whose worker has sealed and signed their rows."""
    made = Installation(tmp_path_factory.mktemp("audit"))
    people = [("createperson", f"person.{n}@taalim.ma", "--no-password") for n in range(5)]
    assert [done.returncode for done in made.each(("migrate",), *people)] == [0] * 6
    with running("worker", "--quiet", folder=made.folder, environ=made.environ, stderr=subprocess.PIPE) as worker:
        until = time.monotonic() + 60
        while not list(made.folder.glob("var/audit/*.jsonl")):
            assert worker.poll() is None and time.monotonic() < until, worker.stderr.read()
            time.sleep(0.1)
    assert worker.returncode == 0, "the keeper ends with its worker"
    return made


def test_the_log_is_verified_here_and_by_one_file_elsewhere(sealed, tmp_path):
    here, key, exported = sealed.each(("audit", "verify"), ("audit", "key"), ("audit", "export"))
    assert (
        here.returncode == 0
        and "5 rows read, up to seq 5; 1 checkpoints read, 1 held against the rows; 0" in here.stdout
    )
    (tmp_path / "export.jsonl").write_text(exported.stdout)
    command = [sys.executable, "-I", verifier.__file__, "--public-key", key.stdout.strip()]
    command += ["--checkpoints", sealed.folder / "var" / "audit"]
    for source in (
        ("--export", tmp_path / "export.jsonl"),
        ("--database", f"sqlite:///{sealed.folder}/massar.sqlite3"),
    ):
        done = subprocess.run([*command, *source], capture_output=True, text=True)
        assert done.returncode == 0 and "5 rows read" in done.stdout, done.stderr


def test_exports_by_place_and_time(sealed):
    behind, none, late, syslog, wrong, both = sealed.each(
        ("audit", "export", "--after", "3"), ("audit", "export", "--until", "2020-01-01"),
        ("audit", "export", "--since", "2099-01-01"), ("audit", "export", "--format", "syslog"),
        ("audit", "export", "--since", "yesterday"), ("audit", "export", "--since", "2020-01-01T00:00+01:00"),
    )  # fmt: skip
    assert [json.loads(line)["seq"] for line in behind.stdout.splitlines()] == [4, 5]
    assert (none.stdout, late.stdout, wrong.returncode) == ("", "", 2) and len(both.stdout.splitlines()) == 5
    first = syslog.stdout.splitlines()[0]
    assert first.startswith("<110>1 20") and ' massar - person_added [massarAudit@32473 seq="1" ' in first


def test_a_row_that_nobody_signed_is_named_before_and_after_its_seal(sealed, tmp_path):
    copy = Installation(tmp_path)
    with sqlite3.connect(sealed.folder / "massar.sqlite3") as database:
        database.execute("VACUUM INTO ?", (str(tmp_path / "massar.sqlite3"),))
    database.close()
    with sqlite3.connect(tmp_path / "massar.sqlite3") as database:
        database.execute(
            "INSERT INTO audit_event (uid, segment, at, event, outcome, network, browser, detail, signature) "
            "VALUES ('forged', 'kept-2026-01', '2026-01-01 00:00:00', 'sign_in', '', '', '', '', 'x')"
        )
    database.close()
    bad, missing = copy.each(("audit", "verify"), ("audit", "verify", "--checkpoints", "nowhere"))
    assert bad.returncode == 1 and "uid forged, not sealed yet: the row's own signature does not fit" in bad.stdout
    assert "1 not sealed yet" in bad.stdout and "Without checkpoints nobody sees" in bad.stdout
    assert missing.returncode == 2 and "nowhere can't be read" in missing.stderr


def test_check_names_a_folder_that_takes_no_checkpoints(sealed, tmp_path):
    (tmp_path / "audit").write_text("a file stands where the folder should")
    told = sealed.massar("check", MASSAR_AUDIT_CHECKPOINTS=str(tmp_path / "audit")).stdout
    assert "takes no checkpoints of the audit log" in told
    assert "checkpoints" not in sealed.massar("check", MASSAR_AUDIT_SYSLOG=f"tcp://127.0.0.1:{free_port()}").stdout
