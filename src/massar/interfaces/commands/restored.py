"""After a copy of the database was put back: ends what must not live again, and says what was lost."""

import argparse
import json
import sys
from datetime import datetime
from pathlib import Path

from massar.core import clock
from massar.core.audit import api as audit_log
from massar.journeys import after_restore


def run(options: argparse.Namespace) -> int:
    now, newest, here = clock.now(), audit_log.checkpoints.newest(), audit_log.sealing.cursor().last_seq
    ended = after_restore.end_everything(now=now)
    print(
        "Ended: " + (", ".join(f"{number} {what}" for what, number in ended.items() if number) or "nothing lived") + "."
    )
    print("No device is known any more. Passwords and factors are those of the copy.")
    if newest > here:
        print(f"Of the audit log {newest} rows were signed, and {here} are here: {newest - here} are lost.")
    if options.lost:
        return _guard(options.lost, now)
    if newest > here:
        print("Whose password changed meanwhile can't be told from the copy: give an export by --lost.")
    return 0


def _guard(path: Path, now: datetime) -> int:
    try:
        with path.open(encoding="utf-8") as file:
            lost = after_restore.guard(map(json.loads, file), now=now)
    except (OSError, ValueError, KeyError, TypeError):
        print(f"{path} can't be read as JSON lines of `massar audit export`: no account was frozen.", file=sys.stderr)
        return 2
    _tell(lost)
    return 0


def _tell(lost: after_restore.Lost) -> None:
    print(f"{lost.rows} lost rows were read.")
    for login in lost.frozen:
        print(f"{login} is frozen, and opens by a recovery.")
    for login in lost.disabled:
        print(f"{login} is disabled.")
    for login, role, code in lost.revoked:
        print(f"{login} holds the role {role} at {code} no more.")
    if lost.unlinked:
        print(f"{lost.unlinked} guardian(s) answer for a pupil no more, as before the loss.")
    if lost.strange:
        print(f"{lost.strange} account(s) are newer than the copy: import them again.")
