"""The data keys change while people sign in and ask, over two nodes of real processes: nobody is turned away."""

import base64
import sqlite3
import time
from contextlib import closing

from tests.cast import JAMAL
from tests.support.two_nodes import Asks, SignsIn, people, two_nodes

K1, K2 = (f"{name}:{base64.b64encode(name.encode() * 16).decode()}" for name in ("k1", "k2"))
ONE, BOTH, TURNED = K1, f"{K1},{K2}", f"{K2},{K1}"


def test_atk_146_nobody_is_turned_away_while_keys_change_on_two_nodes(empty):
    add = ("--password-stdin",)
    empty.environ["MASSAR_DATA_KEYS"] = ONE
    made = empty.each(("migrate",), ("createperson", JAMAL.login, *add), stdin=f"{JAMAL.password}\n")
    assert [one.returncode for one in made] == [0, 0], made
    with two_nodes(empty, ONE) as nodes:
        (a, b), asks = nodes, Asks(nodes)
        with people(SignsIn(nodes, JAMAL.login, JAMAL.password), asks):
            a.restart(TURNED)
            b.restart(BOTH)
            done = empty.each(("keys", "activate", "k2"), ("keys", "reseal"), MASSAR_DATA_KEYS=BOTH)
            assert [one.returncode for one in done] == [0, 0], done
        answered(empty.folder, asks.did)
    assert [one.words() for one in nodes if '"where": "massar.keys"' in one.words()] == []


def answered(folder, asked: int) -> None:
    """Every request was read by a worker, whichever key it stood under."""
    statement = "SELECT state, COUNT(*) FROM delivery_recoveryrequest GROUP BY state"
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with closing(sqlite3.connect(folder / "massar.sqlite3")) as database:
            found = dict(database.execute(statement).fetchall())
        if set(found) == {"done"}:
            break
        time.sleep(0.1)
    assert found == {"done": asked}
