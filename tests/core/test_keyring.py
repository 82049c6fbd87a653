"""Which data key writes: the database's word, at whatever moment nodes look, and with whatever keys they come."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import settings as how
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from hypothesis.strategies import sampled_from

from massar.core import encryption, sql
from massar.core.encryption import KeyMissing
from massar.core.keyring import api as keyring
from massar.core.keyring.state import MOVES, State
from tests.support.nodes import KEYS, look, node

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)


def states() -> dict[str, str]:
    return {one.name: one.state for one in keyring.state.known_keys()}


def writes() -> str:
    return encryption.data_keys().writes


def test_the_first_node_says_which_key_writes_and_a_new_one_waits():
    with node("k1"):
        assert writes() == "k1"
    with node("k2", "k1"):
        assert writes() == "k1" and states() == {"k1": "writes", "k2": "held"}
        assert keyring.state.activate("k2", now=NOW) and writes() == "k1", "until it looks"
        assert look() == "" and writes() == "k2" and states() == {"k1": "old", "k2": "writes"}


def test_in_a_database_from_before_the_others_count_as_having_written():
    with node("k2", "k1"):
        assert writes() == "k2" and states() == {"k1": "old", "k2": "writes"}


def test_two_nodes_write_the_same_and_read_each_other_at_every_moment():
    with node("k1", "k2"):
        before = encryption.data_keys().encrypt(b"x", associated_data="a")
    with node("k2", "k1"):
        assert encryption.data_keys().decrypt(before, associated_data="a") == b"x"
        keyring.state.activate("k2", now=NOW)
    with node("k1", "k2"):
        after = encryption.data_keys().encrypt(b"y", associated_data="a")
        assert after[2:4] == b"k2" and encryption.data_keys().decrypt(before, associated_data="a") == b"x"


@pytest.mark.parametrize(("names", "others", "told"), [
    (("k1", "k2"), {}, ""),
    (("k1", "k2", "k3"), {}, ""),
    (("k1",), {}, "MASSAR_DATA_KEYS lacks the key k2, which the database writes with: "),
    (("k2",), {}, "MASSAR_DATA_KEYS lacks the key k1, which the database still needs: "),
    (("k2",), {"k1": b"?" * 32}, "The key k1 in MASSAR_DATA_KEYS is another than the database's k1: "),
    ((), {"k1": KEYS["k2"], "k2": KEYS["k1"]}, "The key that MASSAR_DATA_KEYS calls k2 is the database's k1: "),
    (("k1",), {"new": KEYS["k2"]}, "The key that MASSAR_DATA_KEYS calls new is the database's k2: name it so"),
], ids=["all", "more", "lacks new", "lacks old", "wrong", "swapped", "renamed"])  # fmt: skip
def test_a_node_is_told_in_one_sentence_what_is_wrong_with_its_keys(names, others, told):
    with node("k1", "k2"):
        look()
        keyring.state.activate("k2", now=NOW)
    with node(*names, **others):
        sentence = keyring.state.trouble()
        assert sentence.startswith(told) and bool(sentence) == bool(told) and sentence.count("\n") == 0
        if told:
            with pytest.raises(KeyMissing, match="MASSAR_DATA_KEYS"):
                encryption.data_keys()
        else:
            assert writes() == "k2"


def test_a_running_node_that_finds_out_serves_nobody_and_says_so_to_the_others():
    with node("k1"):
        assert writes() == "k1"
        with node("k2", "k1"):
            look()
            keyring.state.activate("k2", now=NOW)
            keyring.state.beat("web", now=NOW)
            assert keyring.state.keyless(now=NOW) == []
        assert "lacks the key k2" in look() == keyring.state.known_trouble()
        with pytest.raises(KeyMissing):
            encryption.data_keys()
        keyring.state.beat("web", now=NOW)
        [keyless] = keyring.state.keyless(now=NOW)
        assert " web " in keyless and keyring.state.keyless(now=NOW + timedelta(seconds=30)) == []


def test_who_serves_is_known_by_what_it_said_last():
    with node("k1", "k2"):
        keyring.state.beat("web", now=NOW)
        [one] = keyring.state.processes(now=NOW)
        assert (one.keys, one.writes) == (["k1", "k2"], "k1")
        assert keyring.state.processes(now=NOW + timedelta(seconds=21)) == []
        with connection.cursor() as cursor:  # one of this machine that was killed: nobody waits for it
            cursor.execute("UPDATE keyring_process SET name = %s", (f"{keyring.state._machine()}web 999999999",))
        assert keyring.state.processes(now=NOW) == []


def test_what_must_last_is_the_same_before_and_after_and_when_the_first_key_is_gone():
    with node("k1"):
        before = {purpose: encryption.data_keys().sign(purpose, "x") for purpose in encryption.LASTING}
        of_the_key = encryption.data_keys().sign("session", "x")
    plain = encryption.Keyring((("k1", KEYS["k1"]),))
    assert before == {purpose: plain.sign(purpose, "x") for purpose in encryption.LASTING}, "nothing changed by this"
    with node("k2", "k1"):
        look()
        keyring.state.activate("k2", now=NOW)
        look()
        lasting = keyring.Sealed("keyring_lastingkey", "ciphertext", "lasting-key|{purpose}", key="purpose")
        assert keyring.rows.reseal([lasting], ["k1"], encryption.data_keys(), say=lambda _: None) == []
        assert keyring.state.retire("k1", now=NOW)
    with node("k2"):
        assert {purpose: encryption.data_keys().sign(purpose, "x") for purpose in encryption.LASTING} == before
        assert encryption.data_keys().verify(before["audit"], "audit", "x")
        assert encryption.data_keys().sign("session", "x") != of_the_key


def test_what_an_older_key_signed_before_there_were_lasting_keys_still_fits():
    """The keys were changed before this version came, and the old one is still listed."""
    before = encryption.Keyring((("k1", KEYS["k1"]),)).sign("audit", "x")
    with node("k2", "k1"):
        assert writes() == "k2" and encryption.data_keys().verify(before, "audit", "x")
        found = encryption.data_keys().blind_indexes("audit", "x")
        assert found == [encryption.data_keys().sign("audit", "x"), before]
    with node("k3", "k2", "k1"):
        assert not encryption.data_keys().verify(before, "audit", "y")


def register(**states: str) -> None:
    for name, state in states.items():
        sql.execute(
            "INSERT INTO keyring_datakey (name, check_value, state, since) VALUES (%s, %s, %s, %s)",
            (name, encryption.check_value(KEYS[name]), state, sql.at(NOW)),
        )


def test_a_first_node_that_dies_while_it_tells_its_keys_has_told_none(monkeypatch):
    sql.execute("DELETE FROM keyring_datakey")  # of the tests' own node
    with node("k2", "k1"):
        monkeypatch.setattr(keyring.state, "_first_that_may", lambda own: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            look()
        assert states() == {}
        monkeypatch.undo()
        assert look() == "" and states() == {"k1": "old", "k2": "writes"}


def test_first_nodes_with_other_keys_each_tell_them_in_one_order():
    """What one has the other lacks: in two orders each would wait for a row of the other's for good."""
    told: list[str] = []

    def listen(execute, statement, params, many, context):
        told.extend(params[:1] if "INTO keyring_datakey" in statement else ())
        return execute(statement, params, many, context)

    for own, absent in (("k3", "k1"), "k2"), (("k3", "k2"), "k1"):
        sql.execute("DELETE FROM keyring_datakey")
        told.clear()
        with node(*own), connection.execute_wrapper(listen):
            keyring.state.trouble(absent=[absent])
        assert told == ["k1", "k2", "k3"]
        assert states() == {own[0]: "writes", own[1]: "old", absent: "held"}


@pytest.mark.parametrize(("told", "after"), [
    ({"k1": "old"}, {"k1": "writes"}),
    ({"k1": "retired", "k2": "old"}, {"k1": "retired", "k2": "writes"}),
])  # fmt: skip
def test_where_no_key_writes_the_next_look_has_one_write(told, after):
    sql.execute("DELETE FROM keyring_datakey")
    sql.execute("DELETE FROM keyring_lastingkey")
    register(**told)
    with node(*KEYS):
        look()
        assert {name: state for name, state in states().items() if name in told} == after


def test_reseal_leaves_alone_what_stands_under_the_key_that_writes():
    with node("k1"):
        look()
        lasting = keyring.Sealed("keyring_lastingkey", "ciphertext", "lasting-key|{purpose}", key="purpose")
        said = []
        assert keyring.rows.reseal([lasting], ["k1"], encryption.data_keys(), say=said.append) == [] and not said


def test_a_lasting_key_that_was_changed_lets_nobody_start():
    with node("k1"):
        look()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE keyring_lastingkey SET ciphertext = %s WHERE purpose = 'limit'", (b"x" * 60,))
        assert "keyring_lastingkey limit can't be opened" in look()


class Keys(RuleBasedStateMachine):
    """Whatever is called in whatever order: one key writes, and states move as the table says."""

    names = sampled_from(sorted(KEYS))

    @initialize()
    def begin(self):
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM keyring_datakey")
        with node("k1"):
            look()
        self.seen = states()

    @rule()
    def another_node_starts(self):
        with node("k3", "k2", "k1"):
            keyring.state.trouble()

    @rule(name=names)
    def activate(self, name):
        before = states().get(name)
        assert keyring.state.activate(name, now=NOW) == (before in ("held", "old"))

    @rule(name=names)
    def retire(self, name):
        before = states().get(name)
        assert keyring.state.retire(name, now=NOW) == (before in ("held", "old"))

    @invariant()
    def moves_are_those_of_the_table(self):
        now = states()
        for name, state in now.items():
            before = self.seen.get(name, state)
            assert before == state or State(state) in MOVES[State(before)], (name, before, state)
        assert list(now.values()).count("writes") == 1
        assert all(state == "held" for name, state in self.seen.items() if name not in now)
        self.seen = now


def test_one_key_writes_whatever_is_called():
    run_state_machine_as_test(Keys, settings=how(max_examples=25, stateful_step_count=12, deadline=None))
