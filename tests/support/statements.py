"""Which places of the product ask the database: the run on PostgreSQL leaves out tests, and must not leave out a place.

A place is a function of `src/massar` that has a statement executed, directly or by Django's models. Each stage that is
given a file name in MASSAR_TEST_STATEMENTS writes its places there; `tests/run.py` compares those of the two databases
in the end.
"""

import functools
import json
import os
import sys
from pathlib import Path
from typing import Any

from django.db.backends.utils import CursorWrapper

SOURCE = str(Path(__file__).resolve().parents[2] / "src" / "massar") + os.sep
_OF_ONE_DATABASE = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "PRAGMA")  # or said by one of them as a statement
_TOOLS = ("core/sql.py", "core/sqlite/", "core/postgres/")  # who called them is the place
_places: set[str] = set()


def record() -> None:
    """Notice each place from now on."""
    for name in ("execute", "executemany"):
        setattr(CursorWrapper, name, _noticed(getattr(CursorWrapper, name)))
    CursorWrapper.__getattr__ = _copy_noticed(CursorWrapper.__getattr__)


def write(file: Path) -> None:
    file.write_text(json.dumps(sorted(_places)), "utf-8")


def _copy_noticed(attribute: Any) -> Any:
    """COPY is no statement of Django's: the driver's own method is reached through the wrapper."""

    def wrapper(self: CursorWrapper, name: str) -> Any:
        if name == "copy":
            _places.add(_place())
        return attribute(self, name)

    return wrapper


def _noticed(execute: Any) -> Any:
    @functools.wraps(execute)
    def wrapper(self: CursorWrapper, statement: Any, *arguments: Any, **named: Any) -> Any:
        if not str(statement).startswith(_OF_ONE_DATABASE):
            _places.add(_place())
        return execute(self, statement, *arguments, **named)

    return wrapper


def _place() -> str:
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(SOURCE):
            path = code.co_filename[len(SOURCE) :]
            if not path.startswith(_TOOLS) and "/migrations/" not in path:
                return f"{path}:{code.co_qualname}"
        frame = frame.f_back
    return ""
