"""Which data key the database is written with: one word in the database, that every process follows.

    held --activate--> writes --another is activated--> old --nothing needs it--> retired
                          ^                              |
                          +----------activate------------+

A key is held by every process before it writes: `activate` waits for that. So a row that one node writes is a row that
every other node reads, at every moment and in whatever order nodes are restarted. A process that lacks a key which the
database needs does not start, and one that finds out later serves nobody until it is given the key: people are sent to
other nodes instead of being told that their password is wrong.

Processes look every few seconds, in a thread of their own: no request pays for it."""

import logging
import os
import platform
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import IntegrityError, close_old_connections, transaction

from massar.core import clock, encryption, sql
from massar.core.encryption import KeyMissing, Keyring
from massar.core.keyring.models import DataKey

State = DataKey.State
MOVES: dict[State, set[State]] = {
    State.HELD: {State.WRITES},
    State.WRITES: {State.OLD},
    State.OLD: {State.WRITES, State.RETIRED},
    State.RETIRED: set(),
}
NEEDED = (State.WRITES, State.OLD)
LOOKED_UP_EVERY = 2.0  # seconds, by the thread of each process
TOLD_EVERY = 6.0  # seconds, by the same thread
GOOD_FOR = 5.0  # seconds: who finds an older view looks by itself
LIVE = timedelta(seconds=20)  # how long a process counts as serving after it was last seen
LAG = timedelta(seconds=60)  # after which nothing is written any more under a key that has stopped to write
KEPT = timedelta(days=1)
MOST_TOLD = 100  # rows that could not be opened
note = logging.getLogger("massar.keys")


class KeyFacts(NamedTuple):
    """A key as the database has it. since: when it came into its state."""

    name: str
    check_value: str
    state: str
    since: datetime
    written_until: datetime | None


class ProcessFacts(NamedTuple):
    """A program that serves just now. `name`: machine, program and its number."""

    name: str
    holds: str
    writes: str
    seen_at: datetime

    @property
    def keys(self) -> list[str]:
        return self.holds.split(",")


class _View(NamedTuple):
    """What this process knows. trouble: why it may not serve; '' when it may."""

    keyring: Keyring | None
    trouble: str
    of: object
    read_at: float


_lock = threading.Lock()
_view: list[_View] = []  # of this process; empty until it has looked


# What one process knows


def follow() -> None:
    """From here on this process writes with the key that the database names. It looks when it first needs a key."""
    encryption.rule_by(current)


def current() -> Keyring:
    """Return the keyring as of a few seconds ago at most. Raises KeyMissing, and Error where the database is away."""
    view = _view[0] if _view else None
    if view is None or time.monotonic() - view.read_at > GOOD_FOR:
        view = look()
    if view.keyring is None:
        raise KeyMissing(view.trouble)
    return view.keyring


def known_trouble() -> str:
    """Why this process may not serve, as it last saw; asks nothing. '' when it may."""
    return _view[0].trouble if _view else ""


def trouble(*, absent: Iterable[str] = ()) -> str:
    """Look now: why the keys of this process are not those of the database, in one sentence; '' when they are.
    absent: names under which rows stand and which this process lacks, of a database that knows no keys yet."""
    follow()
    return look(absent=absent).trouble


def look(*, absent: Iterable[str] = ()) -> _View:
    """Read the database's word. The first look of a process makes its keys known there."""
    with _lock:
        known = _view[0] if _view else None
        facts = _known_here(known, absent)
        lasting: dict[str, bytes] = dict(sql.rows("SELECT purpose, ciphertext FROM keyring_lastingkey"))
        of = (settings.MASSAR.data_keys, facts, tuple(sorted((k, bytes(v)) for k, v in lasting.items())))
        view = known._replace(read_at=time.monotonic()) if known and known.of == of else _made(facts, lasting, of)
        _view[:] = [view]
        return view


def _known_here(known: _View | None, absent: Iterable[str]) -> tuple[KeyFacts, ...]:
    facts = known_keys()
    if known and _writing(facts):
        return facts
    own = settings.MASSAR.data_keys
    shown = {one.name for one in facts if one.check_value}
    if not judge(own, facts) and (not _writing(facts) or {name for name, _ in own} - shown):
        _make_known(own, absent, first=not facts, now=clock.now())
        facts = known_keys()
    if not judge(own, facts):
        _make_lasting(Keyring(own, writes=_writing(facts)))
    return facts


def _made(facts: tuple[KeyFacts, ...], lasting: Mapping[str, bytes], of: object) -> _View:
    own, at = settings.MASSAR.data_keys, time.monotonic()
    if sentence := judge(own, facts):
        return _View(None, sentence, of, at)
    missing = {one.name for one in facts} - {name for name, _ in own}
    writes = _writing(facts)
    opener = Keyring(own, writes=writes)
    opened: dict[str, bytes] = {}
    for purpose, ciphertext in lasting.items():
        try:
            opened[purpose] = opener.decrypt(ciphertext, associated_data=f"lasting-key|{purpose}")
        except encryption.DecryptionFailed as why:
            sentence = f"The row keyring_lastingkey {purpose} can't be opened: {why}. Restore it from a backup."
            return _View(None, sentence, of, at)
    return _View(Keyring(own, writes=writes, lasting=opened, missing=missing), "", of, at)


def _writing(facts: Iterable[KeyFacts]) -> str:
    return next((one.name for one in facts if one.state == State.WRITES), "")


def judge(own: tuple[tuple[str, bytes], ...], facts: Iterable[KeyFacts]) -> str:
    """Compare the keys of a process with those of the database: one sentence that says what to put right, or ''."""
    checks = {name: encryption.check_value(key) for name, key in own}
    names = {check: name for name, check in checks.items()}
    renamed, wrong = list[str](), list[str]()
    for one in facts:
        elsewhere = names.get(one.check_value, "")
        if not one.check_value:
            continue  # nobody who has it was here yet
        if elsewhere == one.name or (one.state not in NEEDED and one.name not in checks):
            continue
        if elsewhere:
            renamed.append(f"The key that MASSAR_DATA_KEYS calls {elsewhere} is the database's {one.name}: name it so.")
        elif one.name in checks:
            wish = "write the right one, or give a new key a name that was never used"
            wrong.append(f"The key {one.name} in MASSAR_DATA_KEYS is another than the database's {one.name}: {wish}.")
        else:
            does = "writes with" if one.state == State.WRITES else "still needs"
            wish = "add its entry from where you keep the keys"
            wrong.append(f"MASSAR_DATA_KEYS lacks the key {one.name}, which the database {does}: {wish}.")
    return next(iter([*renamed, *wrong]), "")


# What the database knows


def known_keys() -> tuple[KeyFacts, ...]:
    """Return all keys that the database knows, in the order of their names."""
    found = sql.select(
        KeyFacts, "SELECT name, check_value, state, since, written_until FROM keyring_datakey ORDER BY name"
    )
    return tuple(found)


@transaction.atomic
def _make_known(own: tuple[tuple[str, bytes], ...], absent: Iterable[str], *, first: bool, now: datetime) -> None:
    """Add the keys that the database does not know. In a database without any, the first writes, and the others may
    have written: what it holds is older than this table. Where none writes, the first does that may. Of those that are
    absent only the name is known, until somebody comes who has them."""
    state, until = (State.OLD, now) if first else (State.HELD, None)
    told: dict[str, tuple[str, State, datetime | None]] = dict.fromkeys(absent, ("", State.HELD, None))
    told |= {name: (encryption.check_value(key), state, until) for name, key in own}
    # In one order, whoever has which of them: of two processes that do so at once, one waits for the other.
    for name, (check, state, until) in sorted(told.items()):
        sql.execute(
            "INSERT INTO keyring_datakey (name, check_value, state, since, written_until) "
            "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (name) DO UPDATE SET check_value = excluded.check_value "
            "WHERE keyring_datakey.check_value = ''",
            (name, check, state, sql.at(now), sql.at(until)),
        )
    with suppress(IntegrityError), transaction.atomic():  # another process was first to say which one writes
        sql.execute(
            "UPDATE keyring_datakey SET state = 'writes', written_until = NULL WHERE name = %s "
            "AND NOT EXISTS (SELECT 1 FROM keyring_datakey WHERE state = 'writes')",
            (_first_that_may(own),),
        )


def _first_that_may(own: tuple[tuple[str, bytes], ...]) -> str:
    ended = {one.name for one in known_keys() if one.state == State.RETIRED}
    return next((name for name, _ in own if name not in ended), "")


def _make_lasting(keyring: Keyring) -> None:
    """Give each purpose that has none its key. Two processes that do so at once make the same one."""
    found = {purpose for (purpose,) in sql.rows("SELECT purpose FROM keyring_lastingkey")}
    for purpose in encryption.LASTING:
        if purpose not in found:
            key = keyring.lasting_key(purpose)
            sql.execute(
                "INSERT INTO keyring_lastingkey (purpose, ciphertext) VALUES (%s, %s) ON CONFLICT (purpose) DO NOTHING",
                (purpose, keyring.encrypt(key, associated_data=f"lasting-key|{purpose}")),
            )


def activate(name: str, *, now: datetime) -> bool:
    """Have that key write from now on; False if it may not (MOVES), or another call was quicker."""
    with suppress(IntegrityError), transaction.atomic():
        sql.execute(
            "UPDATE keyring_datakey SET state = %s, since = %s, written_until = %s WHERE state = %s AND name <> %s",
            (State.OLD, sql.at(now), sql.at(now), State.WRITES, name),
        )
        begun = sql.execute(
            "UPDATE keyring_datakey SET state = %s, since = %s, written_until = NULL WHERE name = %s "
            "AND state IN (%s, %s)",
            (State.WRITES, sql.at(now), name, State.HELD, State.OLD),
        )
        transaction.set_rollback(begun != 1)
        return begun == 1
    return False


def retire(name: str, *, now: datetime) -> bool:
    """End a key that nothing needs; whether it was one that may be ended. One that never wrote is forgotten."""
    if sql.execute("DELETE FROM keyring_datakey WHERE name = %s AND state = %s", (name, State.HELD)):
        return True
    ended = "UPDATE keyring_datakey SET state = %s, since = %s WHERE name = %s AND state = %s"
    return sql.execute(ended, (State.RETIRED, sql.at(now), name, State.OLD)) == 1


# Who serves


def watch(program: str) -> None:
    """Keep this process's view fresh and tell the database what it holds, in a thread that ends with the process."""
    follow()
    threading.Thread(target=_watch, args=(program,), name="keys", daemon=True).start()


def _watch(program: str) -> None:
    said, told_at = "", 0.0
    while True:
        try:
            view = look()
            if view.keyring is None or view.read_at - told_at >= TOLD_EVERY or encryption.unopened:
                beat(program, now=clock.now())
                told_at = view.read_at
            if view.trouble != said:
                note.error("%s", f"this process serves nobody: {view.trouble}" if view.trouble else "all keys are here")
                said = view.trouble
        except Exception as trouble:  # a thread that ended would be missing for good
            if not sql.is_away(trouble):  # then whoever needs it says so
                note.exception("a fault while the keys were looked up; trying again")
        close_old_connections()
        time.sleep(LOOKED_UP_EVERY)


def beat(program: str, *, now: datetime) -> None:
    """Look, tell which keys this process has, and write down what could not be opened."""
    view = look()
    holds = ",".join(name for name, _ in settings.MASSAR.data_keys)
    writes = view.keyring.writes if view.keyring else ""
    sql.execute(
        "INSERT INTO keyring_process (name, holds, writes, seen_at) VALUES (%s, %s, %s, %s) ON CONFLICT (name) "
        "DO UPDATE SET holds = excluded.holds, writes = excluded.writes, seen_at = excluded.seen_at",
        (f"{_machine()}{program} {os.getpid()}", holds, writes, sql.at(now)),
    )
    write_unopened(now=now)


def processes(*, now: datetime) -> list[ProcessFacts]:
    """Return who serves just now, by name. Those of this machine that have ended are forgotten."""
    found = sql.select(ProcessFacts, "SELECT name, holds, writes, seen_at FROM keyring_process ORDER BY name")
    ended = {one.name for one in found if one.name.startswith(_machine()) and not _runs(one.name)}
    for name in ended:
        sql.execute("DELETE FROM keyring_process WHERE name = %s", (name,))
    return [one for one in found if one.name not in ended and one.seen_at > now - LIVE]


def keyless(*, now: datetime) -> list[str]:
    """Return the programs that run and serve nobody, because they lack a key."""
    found = sql.rows(
        "SELECT name FROM keyring_process WHERE writes = '' AND seen_at > %s ORDER BY name", (sql.at(now - LIVE),)
    )
    return [name for (name,) in found]


def _machine() -> str:
    return f"{platform.node()[:60] or 'here'} "


def _runs(name: str) -> bool:
    """Whether the process with that number lives. One that lives elsewhere under this name tells so again at once."""
    number = name.rpartition(" ")[2]
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError):
        return True
    return True


def write_unopened(*, now: datetime) -> None:
    """Write down the rows that this process could not open since it last did so."""
    for row, why in list(encryption.unopened.items()):
        sql.execute(
            "INSERT INTO keyring_unopened (place, why, seen_at) VALUES (%s, %s, %s) ON CONFLICT (place) "
            "DO UPDATE SET why = excluded.why, seen_at = excluded.seen_at",
            (row[:160], why[:120], sql.at(now)),
        )
        encryption.unopened.pop(row, None)


def unopened(*, since: datetime) -> list[tuple[str, str]]:
    """(row, why) of what could not be opened since then, newest first, MOST_TOLD at most."""
    return sql.rows(
        "SELECT place, why FROM keyring_unopened WHERE seen_at >= %s ORDER BY seen_at DESC, place LIMIT %s",
        (sql.at(since), MOST_TOLD),
    )


def sweep(*, now: datetime) -> int:
    """Forget processes that ended, and rows that nobody has asked for since."""
    sql.execute("DELETE FROM keyring_unopened WHERE seen_at < %s", (sql.at(now - KEPT),))
    return sql.execute("DELETE FROM keyring_process WHERE seen_at < %s", (sql.at(now - KEPT),))
