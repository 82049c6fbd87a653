"""Whether the database is there and its tables are those of this version, in one sentence, and what to do."""

import argparse
import sys
from pathlib import Path

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from massar.core import clock, private_files, sql
from massar.core.audit import api as audit_log
from massar.core.encryption import KeyMissing
from massar.core.keyring import api as keyring
from massar.journeys.keys import change_data_keys

MIGRATE = "run `massar migrate` first"
__all__ = ["KeyMissing", "file", "follow_keys", "migrate", "said", "trouble", "trouble_with_keys"]


def trouble() -> str:
    """What stands in the way of any command that needs the database; '' when nothing does."""
    place, path = settings.DATABASES["default"], file()
    named = f"The database {path}" if path else f"The database {place['NAME']} at {place['HOST'] or 'this machine'}"
    try:
        # Looked at beforehand: SQLite makes a file where there is none, and the pool does not say why it can't connect.
        if path is None:
            sql.dedicated_connection().close()
        elif not path.exists():
            return f"There is no database at {path}: {MIGRATE}."
        return _of_the_tables()
    except psycopg.Error as met:
        return f"{named} can't be reached: {said(met)}. Start its server, or put MASSAR_DATABASE_URL right."
    except Error as met:
        return f"{named} can't be read: {said(met)}. See to its file, its rights, or MASSAR_DATABASE_URL."


def file() -> Path | None:
    return Path(str(settings.DATABASES["default"]["NAME"])) if connection.vendor == "sqlite" else None


def said(met: Exception) -> str:
    """The first line of what a database said, without its full stop."""
    return (str(met).strip().splitlines() or [type(met).__name__])[0].rstrip(".:")


def trouble_with_keys() -> str:
    """Why this process can't work with its keys; '' when it can. New keys are made known to the database."""
    return change_data_keys.trouble()


def follow_keys() -> None:
    keyring.state.follow()


def _of_the_tables() -> str:
    executor = MigrationExecutor(connection)
    known, done = executor.loader.disk_migrations, executor.loader.applied_migrations
    newer = sorted(set(done) - set(known))
    if newer:
        advice = "start that version, or restore the backup from before"
        return f"The database was brought up to date by a newer version ({'.'.join(newer[-1])}): {advice}."
    if not done:
        return f"The database is empty: {MIGRATE}."
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return f"The database's tables are not up to date: {MIGRATE}."
    return ""


def migrate(_: argparse.Namespace) -> int:
    """Bring the tables up to date. Safe to run again."""
    sentence = trouble()
    if sentence and MIGRATE not in sentence:  # away, or newer than this version
        print(sentence, file=sys.stderr)
        return 2
    place = file()
    if place:
        private_files.make_folder(place.parent)
    call_command("migrate", interactive=False, verbosity=1)
    audit_log.retention.make_partitions(now=clock.now())  # before the first row comes
    if place and (open_to_others := private_files.readable_by_others(place)):
        private_files.restrict_to_owner(open_to_others)
        print(f"Nobody else on this machine reads the database any more: {', '.join(map(str, open_to_others))}.")
    return 0
