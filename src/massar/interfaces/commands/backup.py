"""Makes a whole copy of the database while people work; of PostgreSQL it says how its own program does.

The shell of SQLite begins its `.backup` again at each commit of another process and never ends beside a busy server
(`findings/sqlite-shell-backup.sh`). VACUUM INTO reads everything in one transaction, which no commit disturbs and which
disturbs none. The copy holds no remains of what was deleted. It appears under its name when it is whole, and not
before."""

import argparse
import os
import shlex
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from django.db import Error, connection
from psycopg import conninfo

from massar.core import private_files
from massar.interfaces.commands import tables

LOOK_AFTER = 200_000  # steps of SQLite's machine between two looks at how far it is
SAID_EVERY = 2.0  # seconds
TO_THE_SERVER = ("host", "port", "user", "dbname", "service", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey")


def run(options: argparse.Namespace) -> int:
    target, database = Path(options.path).absolute(), tables.file()
    if database is None:
        print(_how_postgres_does(target))
        return 2
    sentence = ""
    if not database.exists():
        sentence = f"There is no database at {database}: nothing was copied."
    elif target.exists() or target.is_symlink():
        sentence = f"There is something at {target} already, and nothing is overwritten: give another path."
    elif not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
        sentence = f"There is no folder {target.parent} that this user may write into."
    if sentence:
        print(sentence, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:  # 0700
        part = Path(folder, "part")
        private_files.make_file(part)
        return _copy(database, part, target)


def _copy(database: Path, part: Path, target: Path) -> int:
    begun = time.monotonic()
    try:
        connection.ensure_connection()
        connection.connection.set_progress_handler(_progress(part, database.stat().st_size), LOOK_AFTER)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(part)])
    except Error as met:
        print(f"The database could not be copied: {tables.said(met)}. Nothing was left behind.", file=sys.stderr)
        return 1
    if wrong := _wrong_with(part):
        print(f"The copy is not sound, and was thrown away: {wrong}.", file=sys.stderr)
        return 1
    _put_in_place(part, target)
    size = target.stat().st_size
    print(f"{target}: {size / 1e6:.1f} MB in {time.monotonic() - begun:.1f} s, verified. Keep the keys somewhere else.")
    return 0


def _progress(part: Path, size: int) -> Callable[[], int]:
    """Says how far the copy is. Nothing is said of one that is quick."""
    said = time.monotonic()

    def say() -> int:
        nonlocal said
        if time.monotonic() - said >= SAID_EVERY:
            said = time.monotonic()
            print(f"{part.stat().st_size / 1e6:.0f} MB of at most {size / 1e6:.0f} MB", flush=True)
        return 0  # go on

    return say


def _wrong_with(part: Path) -> str:
    """Every page and every index is read. '' for a sound copy."""
    try:
        with closing(sqlite3.connect(part)) as copy:
            [first, *_] = copy.execute("PRAGMA integrity_check").fetchall()
            copy.execute("SELECT 1 FROM django_migrations").fetchone()
            return "" if first == ("ok",) else str(first[0])
    except sqlite3.Error as met:
        return tables.said(met)


def _put_in_place(part: Path, target: Path) -> None:
    """On the disk first, then under its name; never over another file."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without second names
        part.rename(target)
    with suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def _how_postgres_does(target: Path) -> str:
    known = connection.get_connection_params()
    server = shlex.quote(conninfo.make_conninfo(**{k: str(known[k]) for k in TO_THE_SERVER if known.get(k)}))
    file = shlex.quote(str(target))
    return f"""\
This database is PostgreSQL: its own program makes the copy, whole, while people work. Nothing was copied yet. Run

  (umask 077 && pg_dump --format=custom --no-owner --file={file} --dbname={server})

It asks for the password, or finds it in ~/.pgpass. Into an empty database it comes back by

  pg_restore --exit-on-error --no-owner --dbname={server} {file}"""
