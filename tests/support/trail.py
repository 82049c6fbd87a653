"""The audit log as tests look at it: every event, and a keeper with a folder of checkpoints of its own."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from django.db import connection

from massar.core import sql
from massar.core.audit import api as audit_log
from massar.core.audit import events
from massar.core.audit.api import AuditEvent, verifier
from massar.interfaces.commands.audit_keeper import AuditKeeper


def all_events() -> list[AuditEvent]:
    """Everything that was written, in the order of writing, and behind it what is still counted."""
    stored = sql.rows(f"SELECT {events._COLUMNS}, id FROM audit_event ORDER BY id")
    counted = sql.rows(f"SELECT {events._TALLIED} FROM audit_tally ORDER BY id")
    return [*map(events._read, stored), *map(events._read_tally, counted)]


class Trail:
    """The keeper of an installation whose checkpoints stand in `folder`."""

    def __init__(self, settings, folder: Path):
        self.folder = folder
        settings.MASSAR = replace(settings.MASSAR, audit_checkpoints=folder)
        self.keeper = AuditKeeper()

    def turn(self, now: datetime) -> None:
        """Count, seal and sign; also when it has just done so."""
        self.keeper._last.pop("sign", None)
        self.keeper.turn(now=now)

    def verify(self, *, keys: bool = False, files: bool = True) -> verifier.Findings:
        report, checkpoints = verifier.Findings(), verifier.Checkpoints([audit_log.checkpoints.public_key()])
        if files and self.folder.exists():
            checkpoints.read(self.folder, report)
        fits = audit_log.is_genuine if keys else None
        return verifier.verify(verifier.Database(sql.rows), checkpoints, report, fits=fits)

    def verify_export(self, lines: list[str], folder: Path) -> verifier.Findings:
        """As on another machine."""
        path = folder / "export.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines))
        report, checkpoints = verifier.Findings(), verifier.Checkpoints([audit_log.checkpoints.public_key()])
        checkpoints.read(self.folder, report)
        return verifier.verify(verifier.Export(path), checkpoints, report)


@contextlib.contextmanager
def guards_off() -> Iterator[None]:
    """As somebody who owns the database: its triggers are switched off meanwhile."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET session_replication_role = replica")
            yield
            cursor.execute("SET session_replication_role = origin")
            return
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit_%'")
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f"DROP TRIGGER {name}")
        yield
        for _, made in triggers:
            cursor.execute(made)


def tamper(*statements: str) -> None:
    with guards_off():
        for one in statements:
            sql.execute(one)
