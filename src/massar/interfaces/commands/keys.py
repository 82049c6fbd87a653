"""Lists and changes data keys, and the keys that sign for sites."""

import argparse
import base64
import sys
import time
from datetime import timedelta

from massar.core import clock, ids, local_time
from massar.core.keyring.rows import Progress
from massar.core.keyring.state import State
from massar.domain.sites import api as sites
from massar.interfaces.commands.progress import CommandProgress
from massar.journeys.keys import change_data_keys
from massar.journeys.keys.change_data_keys import DataKeyStatus

USES = {"oidc": (sites.keys.ES256, sites.keys.RS256), "saml": (sites.keys.SAML,)}
PATIENCE = 30.0  # seconds that `activate` waits for programs that were just stopped or started


def run(options: argparse.Namespace) -> int:
    if options.action in ("activate", "reseal", "retire") and (sentence := change_data_keys.trouble()):
        print(sentence, file=sys.stderr)
        return 2
    done: int = ACTIONS[options.action](options)
    return done


def _list(_: argparse.Namespace) -> int:
    now = clock.now()
    if sentence := change_data_keys.judged():
        print(f"!! {sentence}")
    for status in change_data_keys.statuses(now=now):
        print(_line(status))
        for one in status.alive:
            until = f", the last until {local_time.stamp(one.until)}" if one.until else ""
            print(f"       {one.number} {one.what} are alive{until}")
    lines = [
        f"{key.use:<6} {key.kid}  {key.state:<8} signs from {local_time.stamp(key.active_from)}"
        for key in sites.keys.statuses(now=now)
    ]
    print("\n".join(lines or ["There is no key that signs for sites yet: the first site makes the first one."]))
    return 0


def _line(status: DataKeyStatus) -> str:
    key, rows = status.key, f"{status.rows} row(s)"
    told = {
        State.HELD: f"wrote before this list was kept; {rows} to reseal"
        if status.rows
        else "has not written yet: `massar keys activate` lets it, once every program holds it",
        State.WRITES: f"writes since {local_time.stamp(key.since)}; {rows}",
        State.OLD: f"wrote until {local_time.stamp(key.written_until or key.since)}; {rows} to reseal",
        State.RETIRED: f"ended {local_time.stamp(key.since)}: nothing needs it, take it out of MASSAR_DATA_KEYS",
    }[State(key.state)]
    here = "" if status.here or key.state == State.RETIRED else "  !! not in MASSAR_DATA_KEYS here"
    return f"data   {key.name:<16}  {key.state:<8} {told}{here}"


def _new(_: argparse.Namespace) -> int:
    print(f"{change_data_keys.next_name()}:{base64.b64encode(ids.key_bytes()).decode()}")
    return 0


def _activate(options: argparse.Namespace) -> int:
    """Waits for programs that were just stopped, or just started and have not told yet what they hold."""
    name, until, said = options.name, time.monotonic() + PATIENCE, ""
    while lacking := change_data_keys.without(name, now=clock.now()):
        sentence = f"{', '.join(lacking)}: does not hold {name}"
        if time.monotonic() > until:
            advice = f"give it the entry {name}:… and restart it, or stop it"
            print(f"Nothing was changed. {sentence}: {advice}.", file=sys.stderr)
            return 1
        if sentence != said:
            print(f"Waiting. {sentence}.", flush=True)
            said = sentence
        time.sleep(1)
    if not change_data_keys.activate(name, now=clock.now()):
        print(f"{name} writes already, or is no key that may: `massar keys list` names them.", file=sys.stderr)
        return 1
    print(f"{name} writes from now on. Next: massar keys reseal")
    return 0


def _reseal(_: argparse.Namespace) -> int:
    old = change_data_keys.old_keys()
    if not old:
        print("There is no old key: nothing to do.")
        return 0
    told = _ByColumn()
    broken = change_data_keys.reseal(say=told.say)
    told.end()
    for row in broken:
        print(f"The row {row} can't be opened: it was changed, or moved. It stays as it is.", file=sys.stderr)
    print(f"{told.rows} row(s) were encrypted anew. Next: massar keys retire {' or '.join(old)}")
    return 1 if broken else 0


class _ByColumn:
    """How far it is, with a bar for each column."""

    def __init__(self) -> None:
        self.rows, self._column, self._bar = 0, "", CommandProgress(0, "")

    def say(self, progress: Progress) -> None:
        sealed = progress.sealed
        column = f"{sealed.table}.{sealed.column} {sealed.where}".strip()
        if column != self._column:
            self.end()
            self._column, self._bar = column, CommandProgress(progress.total, f"rows of {column}")
        self._bar.total, more = progress.total, progress.done - self._bar.done
        self.rows += more
        self._bar.add(more)

    def end(self) -> None:
        if self._column:
            self._bar.end()


def _retire(options: argparse.Namespace) -> int:
    reasons = change_data_keys.reasons_to_keep(options.name, stolen=options.stolen, now=clock.now())
    if not reasons and not change_data_keys.retire(options.name, now=clock.now()):
        reasons = [f"{options.name} was just changed by another: look at `massar keys list`."]
    if reasons:
        print("Nothing was changed.", *(f"  - {reason}" for reason in reasons), sep="\n", file=sys.stderr)
        return 1
    print(f"{options.name} is retired. Take it out of MASSAR_DATA_KEYS everywhere, and restart in any order.")
    return 0


def _rotate(options: argparse.Namespace) -> int:
    """The keys that sign for sites."""
    lead = None if options.days is None else timedelta(days=options.days)
    uses = USES[options.use]
    print("\n".join(sites.keys.rotate(now=clock.now(), uses=uses, at_once=options.at_once, lead=lead)))
    return 0


ACTIONS = {
    "list": _list, "new": _new, "activate": _activate, "reseal": _reseal, "retire": _retire, "rotate": _rotate,
}  # fmt: skip
