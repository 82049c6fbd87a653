"""What the demo's phone and mailbox have received, in the clear: the receiver writes one small SQLite file, the page
reads it."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from massar.core import clock, phone, private_files

_TABLE = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, sender TEXT NOT NULL,
    recipient TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL, html TEXT NOT NULL, at TEXT NOT NULL
)
"""
_COLUMNS = "kind, key, sender, recipient, subject, text, html, at"
_CODE = re.compile(r"^(?:[a-z]{5}-\d{5}|\d{6})$", re.MULTILINE)


@dataclass(frozen=True)
class Received:
    """`kind` is sms or email; `key` is the same when a message comes again; `html` may be empty."""

    id: int
    kind: str
    key: str
    sender: str
    recipient: str
    subject: str
    text: str
    html: str
    at: datetime

    @property
    def to(self) -> str:
        return phone.shown(self.recipient) if self.kind == "sms" else self.recipient

    @property
    def code(self) -> str:
        found = _CODE.search(self.text)
        return found[0] if found else ""

    @property
    def rtl(self) -> bool:
        first = re.search(r"[^\W\d_]", self.text)
        return first is not None and "\u0590" <= first[0] <= "\u08ff"


class Store:
    """Safe to use from several threads and processes: every call opens the file for itself."""

    def __init__(self, path: Path):
        self._path = path

    def prepare(self) -> None:
        """The file is there afterwards. The page only reads, so the receiver calls this."""
        private_files.make_folder(self._path.parent)
        private_files.make_file(self._path)  # what arrives holds secrets
        private_files.restrict_to_owner(private_files.readable_by_others(self._path))
        with self._open() as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(_TABLE)

    def add(self, *, kind: str, key: str, sender: str, recipient: str, subject: str, text: str, html: str = "") -> int:
        row = (kind, key, sender, recipient, subject, text, html, clock.now().isoformat())
        with self._open() as database:
            added = database.execute(f"INSERT INTO message ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            return added.lastrowid or 0

    def after(self, number: int, *, most: int = 100) -> list[Received]:
        """The newest `most` messages with a higher number than `number`, newest first."""
        return self._read("WHERE id > ? ORDER BY id DESC LIMIT ?", (number, most))

    def one(self, number: int) -> Received | None:
        found = self._read("WHERE id = ?", (number,))
        return found[0] if found else None

    def _read(self, condition: str, values: tuple[int, ...]) -> list[Received]:
        if not self._path.exists():
            return []
        with self._open() as database:
            rows = database.execute(f"SELECT id, {_COLUMNS} FROM message {condition}", values).fetchall()
        return [Received(**{**dict(row), "at": datetime.fromisoformat(row["at"])}) for row in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self._path, timeout=10)
        database.row_factory = sqlite3.Row
        try:
            with database:
                yield database
        finally:
            database.close()
