"""Lists that agents sent by the page: who sent which, how far it is, and what is kept of it meanwhile.

States are moved by one statement each, which names the state before: of two that ask at once one is late. A worker
holds a list under a lease; where it dies, another goes on. What is in a list, and what is told of it, is encrypted."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from massar.core import encryption, ids, sql
from massar.domain.people.import_runs import ImportTally

PART = 512 * 1024  # bytes of one row
LEASE = timedelta(seconds=60)
KEPT = timedelta(hours=48)  # after the last move; then the list and all about it go
REFUSED_KEPT = timedelta(hours=24)  # of a list that was written: what is to be corrected; nothing else of it is left
_COLUMNS = (
    "id, uid, holds, name, size, said, state, why, sent_by, said_by, approved_by, language, turn, total, done, added, "
    "changed, unchanged, refused, sent_at, began_at, moved_at"
)


class State(StrEnum):
    WAITING = "waiting"  # to be compared
    COMPARING = "comparing"
    COMPARED = "compared"
    UNUSABLE = "unusable"  # not as it is, or as it was said to be
    APPROVED = "approved"  # to be written
    WRITING = "writing"
    WRITTEN = "written"
    CANCELLED = "cancelled"


MOVES: Mapping[State, Collection[State]] = {
    State.WAITING: {State.COMPARING, State.CANCELLED},
    State.COMPARING: {State.COMPARED, State.UNUSABLE, State.CANCELLED},
    State.COMPARED: {State.WAITING, State.APPROVED, State.CANCELLED},
    State.UNUSABLE: {State.WAITING, State.CANCELLED},
    State.APPROVED: {State.WRITING, State.CANCELLED},
    State.WRITING: {State.WRITTEN, State.UNUSABLE, State.CANCELLED},
    State.WRITTEN: (),
    State.CANCELLED: (),
}
AT_WORK = {State.WAITING: State.COMPARING, State.APPROVED: State.WRITING}  # what a worker makes of what waits for it
GOES_ON = frozenset({*AT_WORK, *AT_WORK.values()})
ENDED = frozenset(state for state, then in MOVES.items() if not then)


class Piece(StrEnum):
    """What is kept of a list, in pieces."""

    LIST = "list"  # the file
    REPORT = "report"  # its refused rows, to send back
    TOLD = "told"  # what the comparison told, JSON


class ListFacts(NamedTuple):
    """holds: 'people' or 'units'. size: bytes. said: what was said about it, JSON. why: of an unusable one, a message
    id; what it is about is told (`Piece.TOLD`). turn: how often a worker took it up. total: about how many rows it has;
    done: how many of them the worker has seen. The tally is of the comparison, then of the writing. sent_by,
    approved_by: agents. said_by: the agent who last said how it is read; None: nobody has."""

    id: int
    uid: str
    holds: str
    name: str
    size: int
    said: str
    state: State
    why: str
    sent_by: int
    said_by: int | None
    approved_by: int | None
    language: str
    turn: int
    total: int
    done: int
    added: int
    changed: int
    unchanged: int
    refused: int
    sent_at: datetime
    began_at: datetime | None
    moved_at: datetime


def add(
    content: bytes, *, holds: str, name: str, said: Mapping[str, Any], sent_by: int, language: str, now: datetime
) -> str:
    """Keep a list that is to be compared; return its uid. Inside the caller's transaction."""
    uid = ids.short_token()
    [(job_id,)] = sql.rows(
        "INSERT INTO people_listjob (uid, holds, name, size, said, state, why, sent_by, language, turn, total, done, "
        "added, changed, unchanged, refused, sent_at, moved_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, '', %s, %s, 0, 0, 0, 0, 0, 0, 0, %s, %s) RETURNING id",
        (uid, holds, name, len(content), json.dumps(said), State.WAITING.value, sent_by, language, *[sql.at(now)] * 2),
    )  # fmt: skip
    put(job_id, Piece.LIST, content)
    return uid


def by_uid(uid: str) -> ListFacts | None:
    return _made(sql.row(f"SELECT {_COLUMNS} FROM people_listjob WHERE uid = %s", (uid,)))


def newest(most: int) -> list[ListFacts]:
    found = sql.rows(f"SELECT {_COLUMNS} FROM people_listjob ORDER BY id DESC LIMIT %s", (most,))
    return [job for job in map(_made, found) if job]


def count_open() -> int:
    [(many,)] = sql.rows("SELECT COUNT(*) FROM people_listjob WHERE state NOT IN (%s, %s)", sorted(ENDED))
    return int(many)


def written_alone(agent_id: int, *, beside: int, since: datetime) -> int:
    """How many changes an agent has let be written since then of lists that the same agent sent, or said how to read,
    without the list `beside`: of those that are KEPT."""
    statement = """SELECT COALESCE(SUM(added + changed), 0) FROM people_listjob
    WHERE (sent_by = %s OR said_by = %s) AND approved_by = %s AND id <> %s AND moved_at > %s"""
    [(many,)] = sql.rows(statement, (*[agent_id] * 3, beside, sql.at(since)))
    return int(many)


def stop_all(*, now: datetime) -> int:
    """End all that have not ended, with what is kept of them; how many."""
    open_ones = "state NOT IN (%s, %s)"
    ended = sorted(ENDED)
    sql.execute(f"DELETE FROM people_listpart WHERE job_id IN (SELECT id FROM people_listjob WHERE {open_ones})", ended)
    statement = f"UPDATE people_listjob SET state = %s, why = '', moved_at = %s WHERE {open_ones}"
    return sql.execute(statement, (State.CANCELLED.value, sql.at(now), *ended))


def move(
    job: ListFacts, to: State, *, now: datetime, said: Mapping[str, Any] | None = None, said_by: int | None = None,
    approved_by: int | None = None,
) -> bool:  # fmt: skip
    """Whether the list was in the state in which `job` saw it, and is in the next one now."""
    if to not in MOVES[job.state]:
        return False
    statement = """UPDATE people_listjob SET state = %s, moved_at = %s, said = %s, said_by = %s, approved_by = %s
    WHERE id = %s AND state = %s AND turn = %s"""
    words = job.said if said is None else json.dumps(said)
    new = (to.value, sql.at(now), words, said_by or job.said_by, approved_by or job.approved_by)
    return sql.execute(statement, (*new, job.id, job.state.value, job.turn)) == 1


def finish(job: ListFacts, to: State, tally: ImportTally, *, why: str = "", now: datetime) -> bool:
    """End a worker's turn; False where somebody stopped it, or took it over."""
    if to not in MOVES[job.state]:
        return False
    statement = """UPDATE people_listjob SET state = %s, moved_at = %s, why = %s, added = %s, changed = %s,
    unchanged = %s, refused = %s, done = %s, total = %s WHERE id = %s AND state = %s AND turn = %s"""
    new = (to.value, sql.at(now), why, *tally, tally.rows, tally.rows)
    return sql.execute(statement, (*new, job.id, job.state.value, job.turn)) == 1


def claim(*, now: datetime) -> ListFacts | None:
    """One list that waits for a worker, or whose worker is gone, under a lease."""
    for waiting, working in AT_WORK.items():
        statement = f"""UPDATE people_listjob SET state = %s, lease_until = %s, began_at = %s, moved_at = %s,
        turn = turn + 1, done = 0
        WHERE id = (SELECT id FROM people_listjob WHERE state = %s OR (state = %s AND lease_until < %s)
        ORDER BY id LIMIT 1 {sql.skip_locked()}) RETURNING {_COLUMNS}"""
        at = sql.at(now)
        taken = sql.row(statement, (working.value, sql.at(now + LEASE), at, at, waiting.value, working.value, at))
        if taken:
            return _made(taken)
    return None


def go_on(job: ListFacts, *, done: int, total: int, now: datetime) -> bool:
    """Say how far it is and keep the lease; False where somebody stopped it, or took it over."""
    statement = """UPDATE people_listjob SET done = %s, total = %s, lease_until = %s
    WHERE id = %s AND state = %s AND turn = %s"""
    new = (done, total, sql.at(now + LEASE))
    return sql.execute(statement, (*new, job.id, job.state.value, job.turn)) == 1


def put(job_id: int, part: Piece, content: bytes) -> None:
    """Keep a part in place of what stood there. Inside the caller's transaction."""
    keys = encryption.data_keys()
    sql.execute("DELETE FROM people_listpart WHERE job_id = %s AND part = %s", (job_id, part.value))
    pieces = [content[at : at + PART] for at in range(0, len(content), PART)]
    rows = [
        (job_id, part.value, number, keys.encrypt(piece, associated_data=_place(job_id, part, number)))
        for number, piece in enumerate(pieces)
    ]
    sql.insert("people_listpart", "job_id, part, number, ciphertext", rows)


def get(job_id: int, part: Piece) -> bytes:
    """The whole part; b'' where nothing is kept. Raises encryption.Broken where a piece was changed."""
    keys = encryption.data_keys()
    statement = "SELECT number, ciphertext FROM people_listpart WHERE job_id = %s AND part = %s ORDER BY number"
    return b"".join(
        keys.decrypt(ciphertext, associated_data=_place(job_id, part, number))
        for number, ciphertext in sql.rows(statement, (job_id, part.value))
    )


def kept_until(job: ListFacts) -> datetime:
    """When what is kept of the list goes by itself, if nobody moves it before."""
    return job.moved_at + (REFUSED_KEPT if job.state is State.WRITTEN else KEPT)


def sweep(*, now: datetime) -> None:
    """Remove what is over; the audit log keeps that it was."""
    old = "SELECT id FROM people_listjob WHERE moved_at < %s OR (state = %s AND moved_at < %s)"
    over = (sql.at(now - KEPT), State.WRITTEN.value, sql.at(now - REFUSED_KEPT))
    sql.execute(f"DELETE FROM people_listpart WHERE job_id IN ({old})", over)
    sql.execute("DELETE FROM people_listjob WHERE moved_at < %s", (sql.at(now - KEPT),))


def _made(row: sql.Row | None) -> ListFacts | None:
    if row is None:
        return None
    job = sql.make(ListFacts, ListFacts._fields, row)
    return job._replace(state=State(job.state))


def _place(job_id: int, part: Piece, number: int) -> str:
    return f"list|{job_id}|{part.value}|{number}"
