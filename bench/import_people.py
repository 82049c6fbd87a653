"""`massar import --write` beside a raw COPY of the same rows, and beside one person after the other.

    python -m bench.import_people [--people N] [--rounds R] [--write]

A list of N invented people, each with an e-mail or a phone, is imported by the product's own program into PostgreSQL,
which waits for the disk. What that wrote is copied out, and in again as it is: the bound. Both may use all cores.
Then the same list comes again, and a tenth of it is imported by a program that is killed with -9 ten times.
"""

import argparse
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psycopg

from bench import machine, place, report

MARKS = ("<!-- import: begin (python -m bench.import_people --write) -->", "<!-- import: end -->")
TABLES = ("people_person", "people_alias", "people_belonging", "people_contact")
EMPTY = f"TRUNCATE {', '.join(TABLES)}, people_importrun CASCADE"
ONE_BY_ONE = 20
KILLS = 10
# All that an import writes but what is drawn at random, whatever ids it got.
CONTENT = """SELECT md5(string_agg(line, '' ORDER BY line)), count(*) FROM (
SELECT concat_ws('|', login, first_name_ar, last_name_ar, first_name_latin, last_name_latin, language, role)
FROM people_person
UNION ALL SELECT concat_ws('|', p.login, a.name, a.domain)
FROM people_alias a JOIN people_person p ON p.id = a.person_id
UNION ALL SELECT concat_ws('|', p.login, b.unit_id, b.since, b.until, b.kind)
FROM people_belonging b JOIN people_person p ON p.id = b.person_id
UNION ALL SELECT concat_ws('|', p.login, c.kind, c.state, c.value_hmac)
FROM people_contact c JOIN people_person p ON p.id = c.person_id) AS found(line)"""


class Took(NamedTuple):
    """seconds: by the wall clock; cpu: of the program; mib: the most memory it had; postgres: CPU-seconds of the
    database meanwhile."""

    seconds: float
    cpu: float
    mib: float
    postgres: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.import_people", description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md too")
    asked = parser.parse_args()
    problem = machine.fit_for_this()
    with tempfile.TemporaryDirectory(prefix="massar-bench-") as name, place.open_postgres() as (address, version):
        if problem or address is None:
            print(problem or "This needs a PostgreSQL server program (package postgresql).", file=sys.stderr)
            return 2
        facts = [machine.begun(), *machine.described(version)]
        folder = Path(name)
        where = _furnish(folder, address)
        text = "\n".join(f"* {fact}" for fact in facts) + "\n\n" + _measure(where, folder, asked.people, asked.rounds)
    print(text)
    if asked.write:
        report.write(text, marks=MARKS)
    return 0


def _furnish(folder: Path, address: str) -> place.Place:
    place.forget_settings()
    sites = folder / "sites.toml"
    sites.touch()
    where = place.furnish("PostgreSQL", folder, address, place.Sink(9, 9, folder / "none"), sites)
    # The demo country's phones are of ranges that Morocco has not assigned.
    where.environment["MASSAR_MOBILE_RANGES"] = ",".join(f"079{digit}" for digit in range(10))
    return where


def _measure(where: place.Place, folder: Path, people: int, rounds: int) -> str:
    whole, tenth, rows = folder / "people.csv", folder / "tenth.csv", folder / "rows"
    say(f"a list of {people} people")
    where.run("-m", "bench.listed", "list", str(whole), str(people))
    with whole.open(encoding="utf-8") as file:
        tenth.write_text("".join(islice(file, people // 10 + 1)), "utf-8")
    took: dict[str, list[Took]] = {"import": [], "compare": [], "copy": [], "again": []}
    with psycopg.connect(where.database, autocommit=True) as database:
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            _emptied(database)
            took["compare"].append(_program(where, whole, database))
            took["import"].append(_program(where, whole, database, "--write"))
            before = _content(database)
            took["again"].append(_program(where, whole, database, "--write"))
            if _content(database) != before:
                raise SystemExit("the same list again has changed something")
            took["copy"].append(_copy(database, rows))
        say("killed ten times")
        lost = _killed(where, tenth, database)
    say("one person after the other")
    alone = float(where.run("-m", "bench.listed", "one-by-one", str(ONE_BY_ONE))) / ONE_BY_ONE
    return _table(people, took, lost, alone)


def _program(where: place.Place, path: Path, database: psycopg.Connection, *words: str) -> Took:
    began, before = time.monotonic(), _postgres_seconds(database)
    process = _begun(where, path, *words)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the import ended with {status}")
    cpu, mib = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    return Took(time.monotonic() - began, cpu, mib, _postgres_seconds(database) - before)


def _postgres_seconds(database: psycopg.Connection) -> float:
    """User and system time of the whole server, of the processes that have ended too."""
    backend = Path(f"/proc/{database.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
    server = int(backend[1])  # its parent
    own = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
    return machine.cpu_seconds(server) + (int(own[13]) + int(own[14])) / os.sysconf("SC_CLK_TCK")


def _begun(where: place.Place, path: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [where.python, "-m", "massar", "import", str(path), *words]
    return subprocess.Popen(
        command, cwd=where.folder, env={**os.environ, **where.environment}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _emptied(database: psycopg.Connection) -> None:
    database.execute(EMPTY)
    database.execute("CHECKPOINT")


def _content(database: psycopg.Connection) -> tuple[object, ...] | None:
    return database.execute(CONTENT).fetchone()


def _copy(database: psycopg.Connection, rows: Path) -> Took:
    """What stands in the tables, out of files into the same tables, with their indexes, in one transaction."""
    files = {table: rows.with_suffix(f".{table}") for table in TABLES}
    for table, file in files.items():
        with file.open("wb") as into, database.cursor().copy(f"COPY {table} TO STDOUT") as copy:
            into.writelines(copy)
    _emptied(database)
    began, cpu, before = time.monotonic(), time.process_time(), _postgres_seconds(database)
    with database.transaction():
        for table, file in files.items():
            with file.open("rb") as source, database.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                while part := source.read(1 << 20):
                    copy.write(part)
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    return Took(seconds, cpu, 0, _postgres_seconds(database) - before)


def _killed(where: place.Place, path: Path, database: psycopg.Connection) -> str:
    """Import, killed at ten moments; then to its end. What of the content differs from an import in peace."""
    _emptied(database)
    _program(where, path, database, "--write")
    wanted = _content(database)
    _emptied(database)
    moments = random.Random(secrets.randbits(64))  # when, not what
    kills = 0
    while kills < KILLS:
        reached = _position(database)
        process = _begun(where, path, "--write")
        while process.poll() is None and _position(database) == reached:
            time.sleep(0.002)
        time.sleep(moments.random() * 0.1)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        elif process.returncode == 0:  # it was done before all kills were spent: from the beginning
            if _content(database) != wanted:
                return "not the same rows"
            _emptied(database)
        process.wait()
    _program(where, path, database, "--write")
    return "the same rows" if _content(database) == wanted else "not the same rows"


def _position(database: psycopg.Connection) -> int:
    found = database.execute("SELECT max(position) FROM people_importrun WHERE finished_at IS NULL").fetchone()
    return (found and found[0]) or 0


def _table(people: int, took: dict[str, list[Took]], killed: str, alone: float) -> str:
    each = {name: Took(*(median(column) for column in zip(*those, strict=True))) for name, those in took.items()}
    bound = each["copy"].seconds
    titles = {
        "copy": "raw COPY of the same rows",
        "import": "massar import --write",
        "again": "the same list again, --write",
        "compare": "massar import, which only compares",
    }
    rows = [
        [
            title, f"{each[name].seconds:.1f}", f"{people / each[name].seconds:,.0f}", f"{each[name].cpu:.1f}",
            f"{each[name].postgres:.1f}", report.percent(bound / each[name].seconds), f"{each[name].mib:.0f}",
        ]
        for name, title in titles.items()
    ]  # fmt: skip
    times = alone * people / each["import"].cpu
    return report.table(
        f"A list of {people:,} people, each with a contact, into PostgreSQL",
        ["", "seconds", "people per second", "CPU s", "CPU s, PostgreSQL", "of raw COPY", "MiB"], rows,
        f"Medians of {len(took['copy'])}. CPU s: of the program, its start included. MiB: the most memory that it had. "
        f"One person after the other (`massar createperson`'s journey, with a password) makes {1 / alone:.1f} in a "
        f"CPU-second, the import {times:,.0f} times that. A tenth of the list, imported by a program that was killed "
        f"with -9 at {KILLS} moments drawn at random and then left in peace: {killed}.",
    )  # fmt: skip


START = time.monotonic()


def say(what: str) -> None:
    print(f"[{time.monotonic() - START:4.0f} s] {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
