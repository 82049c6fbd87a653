"""The chain of the audit log: whoever owns the database is found out, and the first row that is wrong is named."""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest
from django.db import connection, transaction

from massar.core import sql
from massar.core.audit import api as audit_log
from massar.core.audit.api import sealing, verifier
from massar.core.browser import Browser
from massar.interfaces.commands import check
from tests.support.trail import all_events, guards_off, tamper

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 2, 15, 1, 55, 30, 123456, tzinfo=UTC)
HERE = Browser(network="203.0.113.0/24", label="Chrome · Android")


def write(count: int = 10, *, now: datetime = NOW, event: str = "sign_in") -> None:
    for number in range(count):
        audit_log.record_event(event, now=now, person_id=number % 3, outcome="password", browser=HERE, number=number)


@pytest.fixture
def sealed(trail):
    """Ten rows of one segment and five of another, in three seals, each with its checkpoint; the first at seq 1."""
    write(6)
    trail.turn(NOW)
    write(5, event="proof_refused")
    trail.turn(NOW + timedelta(seconds=20))
    write(4)
    trail.turn(NOW + timedelta(seconds=40))
    assert (trail.verify().rows, trail.verify().problems) == (15, [])
    return trail


def ids(segment: str = "kept-2026-02") -> list[int]:
    return [id for (id,) in sql.rows("SELECT id FROM audit_event WHERE segment = %s ORDER BY id", (segment,))]


def write_chain_anew(segment: str = "kept-2026-02") -> None:
    """What somebody does who knows the program: every seal of the segment is made again from the rows that are there,
    without a trace within the database."""
    database = sealing.cursor().database
    head, total, left = verifier.first_hash(database, segment), 0, ids(segment)
    for first, count in sql.rows("SELECT first_seq, count FROM audit_seal WHERE segment = %s ORDER BY 1", (segment,)):
        numbers, left, hashes = left[:count], left[count:], b""
        for place, id in enumerate(numbers):
            found = sql.rows(f"SELECT {verifier.COLUMNS} FROM audit_event WHERE id = %s", (id,))[0]
            head = verifier.next_hash(head, segment, first + place, verifier.read_row(found))
            hashes += head
        total += len(numbers)
        sql.execute(
            "UPDATE audit_seal SET count = %s, total = %s, ids = %s, hashes = %s WHERE first_seq = %s",
            (len(numbers), total, struct.pack(f">{len(numbers)}q", *numbers), hashes, first),
        )


def quote(blob: bytes) -> str:
    return f"'\\x{blob.hex()}'" if connection.vendor == "postgresql" else f"x'{blob.hex()}'"


def swapped(first_seq: int, a: int, b: int) -> str:
    """Two rows of a seal change places, hashes and all."""
    [(count, packed)] = sql.rows("SELECT count, ids FROM audit_seal WHERE first_seq = %s", (first_seq,))
    numbers = list(struct.unpack(f">{count}q", bytes(packed)))
    numbers[a], numbers[b] = numbers[b], numbers[a]
    return f"UPDATE audit_seal SET ids = {quote(struct.pack(f'>{count}q', *numbers))} WHERE first_seq = {first_seq}"


CUTS = {
    "edit": ("UPDATE audit_event SET outcome = 'passkey' WHERE id = {3}", r"^seq 4, uid \w+: the row was changed"),
    "delete the middle": ("DELETE FROM audit_event WHERE id = {3}", r"^seq 4: the row \(id {3}, .*\) is missing"),
    "delete the last": ("DELETE FROM audit_event WHERE id = {9}", r"^seq 15: the row \(id {9}, .*\) is missing"),
    "reorder": (None, r"^seq 2, uid \w+: the row was changed, or is not the one that was sealed here"),
    "delete the last with its seal": (
        "DELETE FROM audit_event WHERE id >= {6}; DELETE FROM audit_seal WHERE first_seq = 12; "
        "UPDATE audit_cursor SET last_seq = 11, last_id = {6} - 1",
        r"^seq 7 and after \(6 is the last\): 4 rows of segment kept-2026-02 are missing",
    ),
    "delete a seal in the middle": (
        "DELETE FROM audit_event WHERE segment LIKE 'refused%%'; DELETE FROM audit_seal WHERE first_seq = 7",
        r"^seq 1 and after: 5 rows of segment refused-2026-02 are missing",
    ),
    "truncate all": (
        "DELETE FROM audit_event; DELETE FROM audit_seal; UPDATE audit_cursor SET last_seq = 0",
        r"^seq 1 and after: 10 rows of segment kept-2026-02 are missing",
    ),
    "put in behind the seal": (
        "INSERT INTO audit_event ({columns}) SELECT {columns_} FROM audit_event WHERE id = {3}",
        r"^id 0, uid \w+: a row that was never sealed",
    ),
}


@pytest.mark.parametrize("how", CUTS)
def test_atk_147_the_first_row_that_is_wrong_is_named(sealed, how):
    """ATK-147. The database's owner switches the guards off and writes what he likes."""
    statement, told = CUTS[how]
    rows = ids()
    columns = f"segment, {verifier.COLUMNS}"
    words = {"columns": columns, "columns_": columns.replace("id,", "0,", 1)}
    done = statement.format(*rows, **words) if statement else swapped(1, 1, 2)
    tamper(*done.split("; "))
    report = sealed.verify()
    assert re.search(told.format(*rows), report.problems[0]), report.problems


@pytest.mark.parametrize("how", ["edit", "delete", "add"])
def test_atk_147_a_chain_that_was_written_anew_is_no_longer_the_one_that_was_signed(sealed, how):
    """ATK-147, the fork: nothing in the database contradicts itself any more. The checkpoint before names where it
    begins."""
    rows = ids()
    change = {
        "edit": f"UPDATE audit_event SET outcome = 'passkey' WHERE id = {rows[7]}",
        "delete": f"DELETE FROM audit_event WHERE id = {rows[7]}",
        "add": f"UPDATE audit_event SET id = {rows[7]} + 1000000 WHERE id = {rows[7]}",
    }[how]
    tamper(change)
    with guards_off():
        write_chain_anew()
    assert sealed.verify(files=False).problems == [] or how == "delete", "without checkpoints nobody sees it"
    report = sealed.verify()
    assert re.search(r"^seq 7 (to 15|and after)", report.problems[0]), report.problems
    if how == "edit":
        named = [one for one in sealed.verify(keys=True).problems if one.startswith("seq 13, uid")]
        assert named and "own signature" in named[0], "who has the keys knows which one"


@pytest.mark.parametrize("read", ["database", "export from the middle"])
def test_atk_147_a_chain_that_was_written_and_signed_anew_is_found_by_the_older_line(trail, tmp_path, read):
    """ATK-147. The owner takes a row out and turns the log back; the worker itself seals and signs what is there, up to
    the same number of rows."""
    write(5)
    trail.turn(NOW)
    tamper(
        f"DELETE FROM audit_event WHERE id = {ids()[1]}", "DELETE FROM audit_seal",
        "UPDATE audit_cursor SET last_id = 0, last_seq = 0, signed_seq = 0, gaps = '[]'",
    )  # fmt: skip
    write(1)
    trail.turn(NOW + timedelta(seconds=40))
    assert len(lines(trail)) == 2
    report = trail.verify() if read == "database" else trail.verify_export(exported()[2:], tmp_path)
    assert re.search(r"^seq 1 to 5, segment kept-2026-02: not the rows", report.problems[0]), report.problems


def test_a_row_that_was_written_without_the_key(sealed):
    forged = "INSERT INTO audit_event (uid, segment, at, event, outcome, network, browser, detail, signature) VALUES "
    values = "('forged', 'kept-2026-02', %s, 'sign_in', 'password', '', '', '', 'x')"
    sql.execute(forged + values, (sql.at(NOW),))
    sealed.turn(NOW + timedelta(minutes=1))
    assert sealed.verify().problems == [], "the chain takes what stands there"
    assert sealed.verify(keys=True).problems == [
        "seq 16, uid forged: the row's own signature does not fit: it was written without the key."
    ]


# --- the order


def test_what_is_committed_late_gets_a_later_place(trail):
    """Two transactions: the first to get an id is the last to commit. On SQLite there is one writer; the row is put in
    as PostgreSQL would."""
    write(3)
    first = ids()[0]
    late = first + 1
    tamper(f"UPDATE audit_event SET id = {first + 500} WHERE id = {late}")
    trail.turn(NOW)
    assert trail.verify().problems == []
    tamper(f"UPDATE audit_event SET id = {late} WHERE id = {first + 500}")
    [(last_id, gaps)] = sql.rows("SELECT last_id, gaps FROM audit_cursor")
    assert last_id == first + 500 and json.loads(gaps)


def test_late_rows_are_found_in_their_gap(trail):
    write(5)
    first, second, *_ = ids()
    held = sql.rows(f"SELECT segment, {verifier.COLUMNS} FROM audit_event WHERE id = %s", (second,))[0]
    tamper(f"DELETE FROM audit_event WHERE id = {second}")  # not committed yet
    trail.turn(NOW)
    assert [gap[:2] for gap in json.loads(sealing.cursor().gaps)][-1] == [second, second]
    placeholders = sql.placeholders(12)
    sql.execute(f"INSERT INTO audit_event (segment, {verifier.COLUMNS}) VALUES ({placeholders})", held)
    write(1)
    trail.turn(NOW + timedelta(seconds=30))
    assert [row.row.id for row in audit_log.export.rows()][4:] == [second, ids()[-1]] and first < second
    assert trail.verify().problems == [] and trail.verify().rows == 6


def test_a_gap_that_nobody_fills_is_forgotten(trail):
    write(3)
    tamper(f"DELETE FROM audit_event WHERE id = {ids()[1]}")
    trail.turn(NOW)
    write(1)
    trail.turn(NOW + sealing.GAPS_FOR)
    assert json.loads(sealing.cursor().gaps)
    write(1)
    trail.turn(NOW + sealing.GAPS_FOR * 2 + timedelta(seconds=1))
    in_transaction = connection.vendor == "postgresql"  # that of the test has written and still runs: it may commit it
    assert bool(json.loads(sealing.cursor().gaps)) is in_transaction


def test_of_two_sealers_one_is_late_and_does_nothing(trail, monkeypatch):
    write(4)
    stale = sealing.cursor()
    assert sealing.seal(now=NOW) == 4
    monkeypatch.setattr(sealing, "cursor", lambda: stale)
    assert sealing.seal(now=NOW) == 0
    monkeypatch.undo()
    assert trail.verify(files=False).rows == 4 and trail.verify(files=False).problems == []


def test_a_thousand_at_a_time(trail):
    made = [audit_log.AuditEvent("sign_in", NOW, "password", n) for n in range(2300)]
    for start in range(0, 2300, 100):
        audit_log.record_events(made[start : start + 100])
    trail.turn(NOW)
    assert sql.rows("SELECT count FROM audit_seal ORDER BY first_seq") == [(1000,), (1000,), (300,)]
    assert (trail.verify().rows, trail.verify().unsealed, trail.verify().problems) == (2300, 0, [])


def test_rows_that_wait_for_their_seal_are_counted(sealed):
    write(3)
    report = sealed.verify()
    assert (report.rows, report.unsealed, report.problems) == (15, 3, [])


# --- checkpoints


def lines(trail) -> list[str]:
    return [line for path in sorted(trail.folder.iterdir()) for line in path.read_text().splitlines()]


def test_atk_150_a_database_that_is_older_than_its_checkpoints_is_seen(sealed):
    """ATK-150: `massar check` compares these two. A torn line and another database's are none of ours."""
    assert audit_log.checkpoints.newest() == audit_log.sealing.cursor().last_seq == 15
    with (sealed.folder / "checkpoints-2026-02.jsonl").open("a") as file:
        file.write('{"database": "another", "segments": {"kept-2026-02": [99, 99, ""]}}\n{"database": \n[]\n')
    assert audit_log.checkpoints.newest() == 15 and check._older() == []
    sql.execute("UPDATE audit_cursor SET last_seq = 10")
    [told] = check._older()
    assert "row 10" in told and "row 15" in told


def test_checkpoints_are_private_signed_and_linked(sealed):
    (path,) = sealed.folder.iterdir()
    assert path.name == "checkpoints-2026-02.jsonl" and path.stat().st_mode & 0o777 == 0o600
    first, second, third = map(json.loads, lines(sealed))
    assert first["segments"]["kept-2026-02"][:2] == [6, 6] and second["segments"]["refused-2026-02"][:2] == [5, 11]
    assert third["segments"]["kept-2026-02"][:2] == [10, 15] and list(third["segments"]) == ["kept-2026-02"]
    assert first["previous"] == "" and first["database"] == sealing.cursor().database


def test_a_new_month_goes_on_from_the_old_file(sealed):
    write(1)
    sealed.turn(NOW + timedelta(days=20))
    assert len(list(sealed.folder.iterdir())) == 2 and json.loads(lines(sealed)[-1])["previous"]
    (sealed.folder / "checkpoints-2026-02.jsonl").write_text("\n".join(lines(sealed)[:2]) + "\n")
    assert "a checkpoint before this line was changed or removed" in sealed.verify().problems[0]


@pytest.mark.parametrize("how", ["a line out", "a number changed", "another key"])
def test_a_checkpoint_that_was_changed_is_none(sealed, how, settings):
    (path,) = sealed.folder.iterdir()
    text = lines(sealed)
    if how == "a line out":
        del text[1]
    elif how == "a number changed":
        text[1] = text[1].replace("[5,11,", "[4,11,")
    path.write_text("\n".join(text) + "\n")
    if how == "another key":
        report, checkpoints = verifier.Findings(), verifier.Checkpoints([b"k" * 32])
        checkpoints.read(path, report)
        assert len(report.problems) == 3
        return
    assert sealed.verify().problems


def test_a_torn_line_stays_alone(sealed):
    """Of a power cut. The next line begins anew, and follows the last whole one."""
    (path,) = sealed.folder.iterdir()
    path.write_text(path.read_text() + '{"at":"2026-02-15T0')
    write(2)
    sealed.turn(NOW + timedelta(minutes=2))
    report = sealed.verify()
    assert report.problems == [] and "not a whole checkpoint" in report.notes[0] and report.marks == 4


def test_a_disk_that_is_full_or_refused_is_told_and_tried_again(sealed, monkeypatch, caplog):
    (path,) = sealed.folder.iterdir()
    before = path.read_bytes()

    def full(file: int, line: bytes, at: int) -> int:
        return os.write(file, line[:20])

    write(2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        for minute in range(1, 4):
            sealed.turn(NOW + timedelta(minutes=minute))
    assert [r.getMessage() for r in caplog.records] == ["the audit log: can't sign: No space left on device"]
    assert path.read_bytes() == before, "no half line"
    assert sealing.lag().unsigned == NOW + timedelta(minutes=1)
    with caplog.at_level("INFO"):
        sealed.turn(NOW + timedelta(minutes=4))
    assert "can sign again" in caplog.text
    assert sealed.verify().problems == [] and sealing.lag().unsigned is None


def test_checkpoints_of_another_database(sealed):
    tamper("UPDATE audit_cursor SET database = 'another'")
    assert "are of another database" in sealed.verify().problems[0]


# --- exports


def exported(**options) -> list[str]:
    return [audit_log.export.as_json(one) for one in audit_log.export.rows(**options)]


def test_an_export_proves_itself(sealed, tmp_path):
    report = sealed.verify_export(exported(), tmp_path)
    assert (report.rows, report.marks, report.problems) == (15, 3, [])


def test_atk_147_an_export_that_was_cut_or_changed(sealed, tmp_path):
    """ATK-147 on another machine, with nothing of the database."""
    for change, told in (
        (lambda text: text[:-2], r"^seq 7 and after \(13 is the last\): 2 rows"),
        (lambda text: [*text[:3], *text[4:]], r"^seq 5, uid \w+: the row does not follow"),
        (
            lambda text: [*text[:3], text[3].replace('"password"', '"passkey"'), *text[4:]],
            r"^seq 4, uid \w+: the row was",
        ),
        (lambda text: [*text[:3], text[4], text[3], *text[5:]], r"^seq 5, uid \w+: the row does not follow"),
    ):
        report = sealed.verify_export(change(exported()), tmp_path)
        assert re.search(told, report.problems[0]), report.problems


def test_an_export_goes_on_where_it_ended(sealed, tmp_path):
    whole = exported()
    assert exported(after=4) == whole[4:] and exported(after=15) == []
    assert [json.loads(line)["seq"] for line in whole] == list(range(1, 16))
    part = sealed.verify_export(whole[8:], tmp_path)
    assert (part.rows, part.problems) == (7, []) and part.marks == 2


def test_the_verifier_stands_alone(sealed, tmp_path):
    """Copied to another machine: one file, the standard library, and cryptography."""
    program = tmp_path / "verifier.py"
    shutil.copy(verifier.__file__, program)
    told = tmp_path / "export.jsonl"
    told.write_text("\n".join(exported()) + "\n")
    key = b64encode(audit_log.checkpoints.public_key()).decode()
    command = [sys.executable, "-I", program, "--export", told, "--checkpoints", sealed.folder, "--public-key", key]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "15 rows read" in done.stdout, done.stderr
    told.write_text(told.read_text().replace("password", "passkey", 1))
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout.startswith("!! seq 1, uid")
    done = subprocess.run([*command[:4], tmp_path / "nothing", *command[5:]], capture_output=True, text=True)
    assert done.returncode == 2 and "can't be read" in done.stderr
    imports = re.findall(r"^(?:import|from) (\w+)", Path(verifier.__file__).read_text(), re.MULTILINE)
    assert set(imports) <= {*sys.stdlib_module_names, "cryptography"}


def test_progress_tells_rate_and_end(capsys, monkeypatch):
    progress = verifier.ProgressBar(1000, shown=True)
    progress.begun -= 2
    progress.told -= 2
    progress.step(500)
    told = capsys.readouterr().err
    assert "500 of 1,000 rows" in told and "/s" in told and "left" in told


# --- retention


JANUARY, FEBRUARY = datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 2, 10, tzinfo=UTC)


@pytest.fixture(params=["partition", "rows"])
def two_months(request, trail, vendor):
    """Refusals of January and February, and what is kept of both; in partitions of PostgreSQL or without."""
    if request.param == "partition":
        if vendor == "sqlite":
            pytest.skip("SQLite has no partitions")
        assert audit_log.retention.make_partitions(now=JANUARY)[:2] == ["refused-2026-01", "kept-2026-01"]
    for now in (JANUARY, FEBRUARY):
        write(5, now=now, event="proof_refused")
        write(3, now=now)
        trail.turn(now)
    return trail


def segments() -> list[str]:
    return [name for (name,) in sql.rows("SELECT DISTINCT segment FROM audit_event ORDER BY segment")]


def test_refusals_go_when_their_time_is_over_and_the_rest_still_fits(two_months, vendor):
    on_time = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(days=90)
    assert audit_log.retention.retire_old(now=on_time - timedelta(seconds=1)) == []
    assert audit_log.retention.retire_old(now=on_time) == ["refused-2026-01"]
    assert audit_log.retention.retire_old(now=on_time) == []
    assert segments() == ["kept-2026-01", "kept-2026-02", "kept-2026-05", "refused-2026-02"]
    told = [one for one in all_events() if one.event == "audit_retired"]
    assert [(one.outcome, one.detail["rows"]) for one in told] == [("refused-2026-01", 5)]
    two_months.turn(on_time)
    report = two_months.verify(keys=True)
    assert report.problems == [], report.problems
    assert re.match(r"refused-2026-01: 5 rows up to seq \d+ were deleted by retention on 2026-05-02", report.notes[0])
    if vendor == "postgresql":
        assert not sql.rows("SELECT 1 FROM pg_class WHERE relname = 'audit_event_refused_2026_01'")
    assert two_months.verify(files=False).problems == [], "the table has the signed line too"


def test_what_was_deleted_without_a_word_is_missing(two_months):
    tamper(
        "DELETE FROM audit_event WHERE segment = 'refused-2026-01'",
        "DELETE FROM audit_seal WHERE segment = 'refused-2026-01'",
    )
    assert "5 rows of segment refused-2026-01 are missing" in two_months.verify().problems[0]


def test_sealed_rows_that_go_before_they_are_signed_leave_their_places_empty(trail):
    """With their seal: the chain goes on from the row before, and no checkpoint knows of them."""
    write(3)
    trail.turn(NOW)
    write(2)
    assert sealing.seal(now=NOW) == 2
    tamper(
        f"DELETE FROM audit_event WHERE id IN ({ids()[3]}, {ids()[4]})", "DELETE FROM audit_seal WHERE first_seq = 4"
    )
    write(2)
    trail.turn(NOW + timedelta(minutes=1))
    assert trail.verify().problems == ["seq 4 to 5: 2 sealed rows are missing altogether."]


def test_a_line_that_nobody_signed_retires_nothing(two_months):
    tamper(
        "DELETE FROM audit_event WHERE segment = 'refused-2026-01'",
        "DELETE FROM audit_seal WHERE segment = 'refused-2026-01'",
        "INSERT INTO audit_retired (segment, count, line, at) VALUES ('refused-2026-01', 5, "
        """'{"segments":{},"retired":{"refused-2026-01":[5,5,"00"]},"at":"2026-05-02","signature":"AAAA"}', """
        "'2026-05-02')",
    )
    told = two_months.verify().problems
    assert "signature of this checkpoint does not fit" in told[0] and "are missing" in told[1]


@pytest.mark.parametrize("segment", ["kept-2026-01", "refused-2026-02", "refused-2026-03"])
def test_the_database_retires_no_young_segment(two_months, segment):
    """Of what is kept one of the next year must be sealed; of refusals a later month; and to its end."""
    with pytest.raises(Exception, match="only an old segment"):
        sql.execute(
            "INSERT INTO audit_retired (segment, count, line, at) VALUES (%s, 3, '', %s)", (segment, sql.at(NOW))
        )


def test_nothing_is_deleted_that_could_not_be_signed(two_months, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(audit_log.checkpoints, "append", refuse)
    with pytest.raises(PermissionError):
        audit_log.retention.retire_old(now=datetime(2026, 6, 1, tzinfo=UTC))
    assert len(segments()) == 4 and not sql.rows("SELECT 1 FROM audit_retired")


def test_seals_go_after_their_partition_in_transactions_of_their_own(two_months, monkeypatch, request):
    """DROP shuts the whole log until its commit: nothing that lasts stands in the same transaction."""
    done, execute, atomic = [], sql.execute, audit_log.retention.transaction.atomic

    def begin(*arguments, **options):
        done.append("BEGIN")
        return atomic(*arguments, **options)

    def note(statement, params=()):
        done.append(statement)
        return execute(statement, params)

    monkeypatch.setattr(sql, "execute", note)
    monkeypatch.setattr(audit_log.retention.transaction, "atomic", begin)
    audit_log.retention.retire_old(now=datetime(2026, 5, 2, tzinfo=UTC))
    dropped = [place for place, one in enumerate(done) if one.startswith("DROP TABLE")]
    assert len(dropped) == (request.node.callspec.params["two_months"] == "partition")
    assert all(done[place + 1] == "BEGIN" for place in dropped)
    assert not sql.rows("SELECT 1 FROM audit_seal WHERE segment = 'refused-2026-01'")
    assert segments() == ["kept-2026-01", "kept-2026-02", "kept-2026-05", "refused-2026-02"]


def test_rows_of_before_the_chain_go_into_partitions_of_their_own(vendor):
    """Whatever is left in the default partition is read by every ATTACH, which shuts it meanwhile."""
    if vendor == "sqlite":
        pytest.skip("SQLite has no partitions")
    chain = import_module("massar.core.audit.migrations.0003_chain")
    columns = "uid, at, event, outcome, person_id, session_id, network, browser, detail, signature"
    before = [
        "CREATE SCHEMA before", "SET LOCAL search_path TO before, public",
        "CREATE TABLE audit_seal (LIKE public.audit_seal)", "CREATE TABLE audit_retired (LIKE public.audit_retired)",
        f"CREATE TABLE audit_event AS SELECT id, {columns} FROM public.audit_event",
        "CREATE TRIGGER audit_no_change BEFORE UPDATE ON audit_event FOR EACH ROW EXECUTE FUNCTION audit_append_only()",
        *(f"INSERT INTO audit_event VALUES ({id}, 'u', '2026-0{1 + id // 2}-10', '{event}', '', 1, 1, '', '', '', '')"
          for id, event in enumerate(("sign_in", "sign_in_refused", "sign_in"))),
    ]  # fmt: skip
    for statement in before:
        sql.execute(statement)
    chain._run(chain.POSTGRES_TABLE + chain.POSTGRES_GUARDS, [])(None, connection.schema_editor())
    found = sql.rows("SELECT CAST(tableoid::regclass AS text), id FROM audit_event ORDER BY id")
    assert found == [
        ("audit_event_kept_2026_01", 0),
        ("audit_event_refused_2026_01", 1),
        ("audit_event_kept_2026_02", 2),
    ]
    with pytest.raises(Exception, match="append-only"), transaction.atomic():
        sql.execute("TRUNCATE audit_event_kept_2026_01")


def test_partitions_are_made_ahead_and_once(vendor):
    made = audit_log.retention.make_partitions(now=datetime(2027, 11, 30, 23, tzinfo=UTC))
    names = [f"{kind}-{month}" for month in ("2027-11", "2027-12", "2028-01") for kind in ("refused", "kept")]
    assert made == (names if vendor == "postgresql" else [])
    assert audit_log.retention.make_partitions(now=datetime(2027, 12, 1, tzinfo=UTC)) == (
        ["refused-2028-02", "kept-2028-02"] if vendor == "postgresql" else []
    )
