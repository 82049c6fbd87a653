"""Changing the data keys while people work: held everywhere, then writes, then everything under it, then the old goes.

    entry on every node, restarts in any order → activate → reseal → retire → entry away, restarts in any order

Each step refuses until the one before it is done everywhere, and may be repeated."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from django.conf import settings

from massar.core import encryption
from massar.core.audit import api as audit_log
from massar.core.encryption import Keyring
from massar.core.keyring import api as keyring
from massar.core.keyring.rows import Ending, Progress, Sealed
from massar.core.keyring.state import LAG, KeyFacts, State
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.desk import api as desk
from massar.domain.factors import api as factors
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites

SEALED: tuple[Sealed, ...] = (
    Sealed("keyring_lastingkey", "ciphertext", "lasting-key|{purpose}", key="purpose"),
    *people.SEALED, *credentials.SEALED, *factors.SEALED, *sites.SEALED, *delivery.SEALED, *desk.SEALED,
)  # fmt: skip
ENDING: tuple[Ending, ...] = (*sessions.ENDING, *credentials.ENDING, *people.ENDING, *delivery.ENDING)


class StillAlive(NamedTuple):
    """What was made under a key and ends by itself; `until` where it says when."""

    what: str
    number: int
    until: datetime | None


class DataKeyStatus(NamedTuple):
    """A key, whether this process has it, how many rows stand under it, and what else still lives of it."""

    key: KeyFacts
    here: bool
    rows: int
    alive: list[StillAlive]


def trouble() -> str:
    """Why the keys of this process can't be used with this database, in one sentence; '' when they can. A database that
    knows no keys yet is asked what its rows stand under instead, once."""
    if keyring.state.known_keys():
        return keyring.state.trouble()
    lacking = rows_out_of_reach()
    return _of_another(lacking) or keyring.state.trouble(absent=lacking)


def judged() -> str:
    """The same, and nothing is made known to the database."""
    known = keyring.state.known_keys()
    return keyring.state.judge(settings.MASSAR.data_keys, known) if known else _of_another(rows_out_of_reach())


def rows_out_of_reach() -> dict[str, int]:
    """How many rows stand under each key that this process lacks and may lack: another node has it, or nobody any more.
    Such rows are left as they are, and whoever needs one is told to come later. It counts whole tables."""
    own, known = [name for name, _ in settings.MASSAR.data_keys], keyring.state.known_keys()
    found: Counter[str] = Counter()
    for sealed in SEALED:
        if known:
            held = [one.name for one in known if one.state == State.HELD and one.name not in own]
            found.update({name: keyring.rows.count(sealed, [name]) for name in held})
        else:
            found.update(keyring.rows.count_others(sealed, own))
    return {name: rows for name, rows in found.items() if rows}


def _of_another(lacking: Mapping[str, int]) -> str:
    """Whether a database that knows no keys yet is another's, or most of it. A few rows whose key is lost are no reason
    to shut everybody out."""
    own = Keyring(settings.MASSAR.data_keys)
    opened = [keyring.rows.opens(sealed, own) for sealed in SEALED]
    if not any(opened) and any(one is not None for one in opened):
        return "MASSAR_DATA_KEYS opens nothing of what the database holds: give the keys that it was written with."
    names = [name for name, _ in settings.MASSAR.data_keys]
    if sum(lacking.values()) <= sum(keyring.rows.count(sealed, names) for sealed in SEALED):
        return ""
    most, wish = max(lacking, key=lambda name: lacking[name]), "add its entry from where you keep the keys"
    return f"MASSAR_DATA_KEYS lacks the key {most}, under which most of the database stands: {wish}."


def statuses(*, now: datetime) -> list[DataKeyStatus]:
    """All keys of the database, with what needs them. It counts whole tables."""
    here = {name for name, _ in settings.MASSAR.data_keys}
    found = []
    for key in keyring.state.known_keys():
        rows = sum(keyring.rows.count(sealed, [key.name]) for sealed in SEALED)
        found.append(DataKeyStatus(key, key.name in here, rows, _alive(key, now)))
    return found


def _alive(key: KeyFacts, now: datetime) -> list[StillAlive]:
    if key.state != State.OLD or key.written_until is None:
        return []
    counted = ((one.what, *keyring.rows.count_live(one, written_until=key.written_until, now=now)) for one in ENDING)
    return [StillAlive(what, count, until) for what, count, until in counted if count]


def without(name: str, *, now: datetime) -> list[str]:
    """Who serves just now and does not have that key."""
    return [one.name for one in keyring.state.processes(now=now) if name not in one.keys]


def activate(name: str, *, now: datetime) -> bool:
    """Have that key write; False where it does already, or may not. Who serves has it: see `without`."""
    done = keyring.state.activate(name, now=now)
    if done:
        audit_log.record_event("data_key", now=now, outcome="writes", key=name)
    return done


def old_keys() -> list[str]:
    """The keys that have written and do no more; those too of which it was learned late."""
    own = {name for name, _ in settings.MASSAR.data_keys}
    known = keyring.state.known_keys()
    late = (key.name for key in known if key.state == State.HELD and key.name in own)
    written = [name for name in late if any(keyring.rows.count(sealed, [name]) for sealed in SEALED)]
    return [key.name for key in known if key.state == State.OLD or key.name in written]


def reseal(*, say: Callable[[Progress], None]) -> list[str]:
    """Encrypt everything that stands under old keys anew; return the rows that can't be opened. May be killed at any
    moment, and started again."""
    keyring.state.look()
    return keyring.rows.reseal(SEALED, old_keys(), encryption.data_keys(), say=say)


def reasons_to_keep(name: str, *, stolen: bool, now: datetime) -> list[str]:
    """Why an old key can't be retired yet, one sentence each. stolen: what ends by itself counts no more; it ends."""
    status = next((one for one in statuses(now=now) if one.key.name == name), None)
    if status is None or status.key.state not in (State.OLD, State.HELD):
        return [f"There is no old key {name}: `massar keys list` names them."]
    reasons = []
    if status.rows and status.key.check_value and not status.here:
        reasons.append(
            f"{status.rows} row(s) stand under {name}, which is not in MASSAR_DATA_KEYS here: add its entry."
        )
    if readable := status.rows and _readable(name):
        reasons.append(f"{readable} row(s) stand under {name}: run `massar keys reseal` first.")
    writers = [one.name for one in keyring.state.processes(now=now) if one.writes == name]
    if writers:
        reasons.append(f"{writers[0]} still writes with {name}: wait some seconds, or see to that program.")
    if status.key.written_until and now < status.key.written_until + LAG:
        reasons.append(f"{name} has only just stopped to write: wait a minute.")
    if not stolen:
        reasons += [f"{one.number} {one.what} of {name} are alive." for one in status.alive]
    return reasons


def _readable(name: str) -> int:
    """How many rows stand under that key, but for those that no key opens any more."""
    broken = 0
    opener = Keyring(settings.MASSAR.data_keys)
    for sealed in SEALED:
        broken += keyring.rows.count_broken(sealed, name, opener)
    return sum(keyring.rows.count(sealed, [name]) for sealed in SEALED) - broken


def retire(name: str, *, now: datetime) -> bool:
    """End a key that nothing needs (`reasons_to_keep`); False where another call was quicker."""
    done = keyring.state.retire(name, now=now)
    if done:
        audit_log.record_event("data_key", now=now, outcome="retired", key=name)
    return done


def next_name() -> str:
    """Return a name that no key ever had: k1, k2, …"""
    used = {key.name for key in keyring.state.known_keys()} | {name for name, _ in settings.MASSAR.data_keys}
    return next(name for name in (f"k{number}" for number in range(1, 10_000)) if name not in used)
