"""The drill of docs/operate/keys.md under load: two nodes on PostgreSQL restart in another order each time."""

import base64
import signal
import subprocess
import sys
import time
from contextlib import closing

import psycopg
import pytest

from massar.core.encryption import Keyring
from massar.core.keyring.state import LAG
from tests.cast import JAMAL, KHADIJA
from tests.support.installation import Installation
from tests.support.postgres import throwaway_postgres
from tests.support.programs import POSTGRES, find_postgres
from tests.support.two_nodes import Asks, Node, SignsIn, people, two_nodes

BYTES = {name: name.encode() * 16 for name in ("k1", "k2")}
K1, K2 = (f"{name}:{base64.b64encode(key).decode()}" for name, key in BYTES.items())
OLD, BOTH, TURNED, NEW = K1, f"{K1},{K2}", f"{K2},{K1}", K2
MANY = 10_000  # rows of the old key beside those of the people


@pytest.fixture
def installed(tmp_path):
    programs = find_postgres()
    assert programs is not None, POSTGRES.sentence
    with throwaway_postgres(programs) as address:
        installation = Installation(tmp_path)
        installation.environ |= {"MASSAR_DATABASE_URL": address, "MASSAR_DATA_KEYS": OLD}
        persons = [("createperson", one.login, "--password-stdin") for one in (JAMAL, KHADIJA)]
        made = installation.each(("migrate",), *persons, stdin=f"{JAMAL.password}\n")
        assert [one.returncode for one in made] == [0, 0, 0], made
        yield installation


def asked(installed: Installation, statement: str) -> list[tuple]:
    with closing(psycopg.connect(installed.environ["MASSAR_DATABASE_URL"])) as database:
        return database.execute(statement).fetchall()


def fill(installed: Installation) -> None:
    """Many former passwords of one person, under the old key."""
    [[person]] = asked(installed, f"SELECT id FROM people_person WHERE login = '{JAMAL.login}'")
    keyring = Keyring((("k1", BYTES["k1"]),))
    with psycopg.connect(installed.environ["MASSAR_DATABASE_URL"]) as database:
        rows = [(person, keyring.encrypt(b"x" * 90, associated_data=f"former-password|{person}")) for _ in range(MANY)]
        with database.cursor() as cursor:
            into = "INSERT INTO credentials_formerpassword (person_id, ciphertext, replaced_at) VALUES (%s, %s, now())"
            cursor.executemany(into, rows)


def restart(nodes: list[Node], order: str, keys: list[str]) -> None:
    """But for the last order one node is there at any time; then people wait at the door for a moment."""
    if order == "both at once":
        for one in nodes:
            one.stop()
        for one, own in zip(nodes, keys, strict=True):
            one.start(own)
        for one in nodes:
            one.serves()
    else:
        killed = order == "the other first, its worker killed"
        for one, own in zip(nodes[::-1] if killed else nodes, keys, strict=True):
            if killed:
                one.programs[1].send_signal(signal.SIGKILL)
            one.restart(own)


def step(installed: Installation, *words: str) -> None:
    done = installed.massar("keys", *words, MASSAR_DATA_KEYS=BOTH)
    assert done.returncode == 0, done


def killed_in_the_middle(installed: Installation) -> None:
    """`reseal` is killed once it has done some of its rows; the next one goes on."""
    command = [sys.executable, "-m", "massar", "keys", "reseal"]
    environ = {**installed.environ, "MASSAR_DATA_KEYS": BOTH}
    under = "SELECT COUNT(*) FROM credentials_formerpassword WHERE substr(ciphertext, 3, 2) = 'k1'::bytea"
    with subprocess.Popen(command, cwd=installed.folder, env=environ, stdout=subprocess.DEVNULL) as one:
        while asked(installed, under)[0][0] > MANY - 1000:
            assert one.poll() is None, "it was through before"
            time.sleep(0.01)
        one.kill()
    assert 0 < asked(installed, under)[0][0] < MANY


def test_atk_146_the_drill_costs_nobody_a_sign_in_and_no_request(installed):
    """Each round of restarts in another order. What each order alone could break is in journeys/test_change_of_keys."""
    fill(installed)
    with two_nodes(installed, OLD) as nodes:
        asks = Asks(list(nodes))
        with people(*(SignsIn(list(nodes), one.login, JAMAL.password) for one in (JAMAL, KHADIJA)), asks):
            restart(nodes, "the other first, its worker killed", [TURNED, BOTH])
            step(installed, "activate", "k2")
            killed_in_the_middle(installed)
            restart(nodes, "one after the other", [BOTH, TURNED])
            step(installed, "reseal")
            step(installed, "reseal")  # what a node wrote in its last seconds under the old key
            listed = installed.massar("keys", "list", MASSAR_DATA_KEYS=BOTH).stdout
            assert " 0 row(s) to reseal" in listed, listed
            retire(installed)
            restart(nodes, "both at once", [NEW, NEW])
            time.sleep(1)
        by_state = "SELECT state, COUNT(*) FROM delivery_recoveryrequest GROUP BY state"
        deadline = time.monotonic() + 40
        while dict(asked(installed, by_state)) != {"done": asks.did}:
            assert time.monotonic() < deadline, (asked(installed, by_state), asks.did)
            time.sleep(0.2)


def retire(installed: Installation) -> None:
    """A minute after the other key began to write: that it was a minute ago is written, and not waited for. Nobody's
    session is waited for either: people sign in again and again."""
    with psycopg.connect(installed.environ["MASSAR_DATABASE_URL"]) as database:
        database.execute("UPDATE keyring_datakey SET written_until = written_until - %s WHERE name = 'k1'", [LAG])
    step(installed, "retire", "k1", "--stolen")
