"""How far an import has come. A run is one list with what was said about it: the same again goes on where it stopped.

Its row moves in the transaction of each batch, so what is written and how far it came are one truth after kill -9. The
place where a batch began is part of the claim: of two programs with one list, the second is refused (ATK-134)."""

from datetime import datetime
from typing import NamedTuple

from massar.core import sql

_COLUMNS = "id, digest, position, added, changed, unchanged, refused, started_at, finished_at"


class ImportTally(NamedTuple):
    """How many rows were new people, changed one, changed nothing, or were refused."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0

    def __add__(self, other: tuple[int, ...]) -> "ImportTally":  # type: ignore[override]
        return ImportTally(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def rows(self) -> int:
        return sum(self)


class RunState(NamedTuple):
    """position: the number of the last row that was dealt with; 0: none yet."""

    id: int
    digest: str
    position: int
    added: int
    changed: int
    unchanged: int
    refused: int
    started_at: datetime
    finished_at: datetime | None

    @property
    def tally(self) -> ImportTally:
        return ImportTally(self.added, self.changed, self.unchanged, self.refused)


def begin(digest: str, *, now: datetime) -> RunState:
    """The unfinished run of this list, or a new one. digest: SHA-256 in hex over the list and what was said of it."""
    statement = (
        "INSERT INTO people_importrun (digest, position, added, changed, unchanged, refused, started_at) "
        "VALUES (%s, 0, 0, 0, 0, 0, %s) ON CONFLICT (digest) WHERE finished_at IS NULL DO NOTHING"
    )
    sql.execute(statement, (digest, sql.at(now)))
    found = f"SELECT {_COLUMNS} FROM people_importrun WHERE digest = %s AND finished_at IS NULL"
    (run,) = sql.select(RunState, found, (digest,))
    return run


def advance(run: RunState, position: int, more: ImportTally, *, finished_at: datetime | None = None) -> RunState | None:
    """Move the run on; None where another program did meanwhile. Inside the transaction of what it counts."""
    tally = run.tally + more
    statement = (
        "UPDATE people_importrun SET position = %s, added = %s, changed = %s, unchanged = %s, refused = %s, "
        "finished_at = %s WHERE id = %s AND position = %s AND finished_at IS NULL"
    )
    moved = sql.execute(statement, (position, *tally, sql.at(finished_at), run.id, run.position))
    if not moved:
        return None
    return RunState(run.id, run.digest, position, *tally, run.started_at, finished_at)
