"""kill -9 of two workers, again and again, while thousands of SMS leave by SMPP: PostgreSQL, an SMSC of other people.

Nothing is lost, hardly anything arrives twice, nothing leaves after its end. Receipts stand in for answers that died
with their worker.
"""

import collections
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.contracts.smpp_rig import PASSWORD, SYSTEM_ID
from tests.servers.machine import open_folder, program, running
from tests.servers.node_modules import installed
from tests.support import postgres, programs
from tests.support.product import ROOT
from tests.support.written import entries

pytestmark = pytest.mark.servers
MESSAGES, HASTY, KILLS = 4000, 200, 22
MOST_TWINS = 0.01
PATIENCE = 240.0
FINAL = ("submitted", "delivered", "failed", "expired", "cancelled")
PROVIDERS = """
[providers.iam]
kind = "smpp"
host = "127.0.0.1"
port = {port}
system_id = "{user}"
password = "{password}"
tls = "off"
binds = 2
window = 20
rate = 400.0
answer_timeout = 2.0
reconnect_first = 0.1
reconnect_most = 0.5
"""


@dataclass
class Office:
    """An installation on PostgreSQL with an SMSC; workers come and go."""

    environment: dict[str, str]
    folder: Path
    log: Path
    database: psycopg.Connection

    def run(self, *words: str) -> str:
        command = [sys.executable, "-m", *words]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def worker(self) -> subprocess.Popen:
        with (self.folder / "workers.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "massar", "worker", "--quiet"], cwd=ROOT, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def arrived(self) -> list[tuple[str, float]]:
        """(number, when in ms) of every message that the SMSC accepted."""
        submits = (e for e in entries(self.log) if "submit" in e)
        return [(e["submit"]["to"][2], e["at"]) for e in submits if e["status"] == 0]

    def counted(self, table: str, column: str) -> dict[str, int]:
        return dict(self.database.execute(f"SELECT {column}, COUNT(*) FROM {table} GROUP BY {column}").fetchall())

    def states(self) -> dict[str, int]:
        return self.counted("delivery_message", "state")

    def left(self) -> int:
        return sum(number for state, number in self.states().items() if state not in FINAL)


@pytest.fixture
def office() -> Iterator[Office]:
    bin_folder = programs.find_postgres()
    if bin_folder is None:
        pytest.fail(programs.POSTGRES.sentence) if os.environ.get("CI") else pytest.skip(programs.POSTGRES.sentence)
    node, port = program(programs.NODE), postgres.free_port()
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder())
        address = stack.enter_context(postgres.throwaway_postgres(bin_folder))
        log = folder / "smsc.jsonl"
        command = [node, str(installed(folder / "node") / "smsc.mjs"), str(port), str(log), "0"]
        stack.enter_context(running(command, folder=folder, ports=(port,), environment={"SMSC_ANSWERS_AFTER": "15"}))
        (folder / "massar.toml").write_text(PROVIDERS.format(port=port, user=SYSTEM_ID, password=PASSWORD), "utf-8")
        database = stack.enter_context(psycopg.connect(address, autocommit=True))
        one = Office(environment(address, folder), folder, log, database)
        one.run("massar", "migrate")
        yield one


def environment(address: str, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MASSAR_")}
    return {
        **kept, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "MASSAR_MODE": "test",
        "DJANGO_SETTINGS_MODULE": "massar.config.django_settings", "MASSAR_DATABASE_URL": address,
        "MASSAR_VAR": str(folder / "var"), "MASSAR_CONFIG": str(folder / "massar.toml"),
    }  # fmt: skip


def test_nothing_is_lost_and_hardly_anything_comes_twice(office):
    ends = json.loads(office.run("tests.servers.outbox_filler", str(MESSAGES), str(HASTY)))
    assert len(ends) == MESSAGES + HASTY
    kills = kill_again_and_again(office, random.Random(47392))
    arrived = office.arrived()
    copies = collections.Counter(number for number, _ in arrived)
    twins = len(arrived) - len(copies)
    states, outcomes = office.states(), office.counted("delivery_attempt", "outcome")
    print(f"\n{kills} kills, {len(arrived)} arrived, {twins} twins, messages {states}, attempts {outcomes}")
    assert kills >= 20
    lasting = [number for number, end in ends.items() if end > min(ends.values()) + 300_000]
    assert len(lasting) == MESSAGES and [number for number in lasting if number not in copies] == [], "lost"
    assert twins <= MOST_TWINS * len(arrived)
    assert [(number, at) for number, at in arrived if at > ends[number]] == [], "left after its end"
    assert set(states) <= {"delivered", "expired"} and states["delivered"] == len(copies)
    assert states.get("expired", 0) == HASTY - (len(copies) - MESSAGES)
    left = office.database.execute("SELECT COUNT(*) FROM delivery_message WHERE ciphertext IS NOT NULL").fetchone()[0]
    assert left == 0


def kill_again_and_again(office: Office, chance: random.Random) -> int:
    """Two workers at any time; one of them dies whenever so many messages more have arrived. Returns how often."""
    workers, kills, begun = [office.worker(), office.worker()], 0, time.monotonic()
    try:
        while office.left():
            assert time.monotonic() < begun + PATIENCE, (
                f"{office.states()}\n{(office.folder / 'workers.log').read_text()[-3000:]}"
            )
            if kills < KILLS and len(office.arrived()) >= (kills + 1) * MESSAGES / (KILLS + 2):
                which = chance.randrange(2)
                workers[which].send_signal(signal.SIGKILL)
                workers[which].wait()
                kills += 1
                workers[which] = office.worker()
            time.sleep(0.05)
        return kills
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(60)
