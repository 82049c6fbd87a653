"""The register of lists that leave: who took which branch, why, and how far the making of the file is.

waiting → making → made → gone (after KEPT, or with a restored backup); making → failed

The number of a row stands in its file and is never given again. States are moved by one statement each, which names the
state before; a worker makes a file under a lease, and where it dies another begins anew. Files are encrypted; a list
that a command writes is a row that is gone at once."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import BinaryIO, NamedTuple

from django.db import transaction

from massar.core import encryption, ids, sql

PART = 512 * 1024  # bytes of one row
LEASE = timedelta(seconds=60)
KEPT = timedelta(hours=24)  # the file, after it was made
REGISTERED = timedelta(days=400)  # that it was made
_COLUMNS = (
    "id, uid, asked_by, desk_id, unit_id, who, ending, language, reason, state, why, turn, total, done, asked_at, "
    "moved_at"
)


class ExportState(StrEnum):
    WAITING = "waiting"
    MAKING = "making"
    MADE = "made"
    FAILED = "failed"
    GONE = "gone"


MOVES: Mapping[ExportState, Collection[ExportState]] = {
    ExportState.WAITING: {ExportState.MAKING, ExportState.GONE},
    ExportState.MAKING: {ExportState.MADE, ExportState.FAILED, ExportState.GONE},
    ExportState.MADE: {ExportState.GONE},
    ExportState.FAILED: (),
    ExportState.GONE: (),
}
AT_WORK = frozenset({ExportState.WAITING, ExportState.MAKING})


class ExportFacts(NamedTuple):
    """asked_by: an agent; None: a command. desk_id: the unit at which the agent's role is held; unit_id: whose people.
    who: '' for everybody, or 'staff', 'pupil', 'guardian'. why: of a failed one 'role' or 'fault'. total: how many
    it was about when it was asked for, people of two units twice; done: how many stand in it."""

    id: int
    uid: str
    asked_by: int | None
    desk_id: int | None
    unit_id: int
    who: str
    ending: str
    language: str
    reason: str
    state: ExportState
    why: str
    turn: int
    total: int
    done: int
    asked_at: datetime
    moved_at: datetime

    @property
    def number(self) -> str:
        """As it stands in the file and in the audit log."""
        return f"{self.id:06d}"

    @property
    def kept_until(self) -> datetime:
        return self.moved_at + KEPT


def add(
    *, asked_by: int | None, desk_id: int | None, unit_id: int, who: str, ending: str, language: str, reason: str,
    total: int, now: datetime,
) -> ExportFacts:  # fmt: skip
    """Register a list. One that an agent asked for waits for a worker. Inside the caller's transaction."""
    state = ExportState.WAITING if asked_by else ExportState.GONE
    at = sql.at(now)
    values = (ids.short_token(), asked_by, desk_id, unit_id, who, ending, language, reason, state.value, total, at, at)
    made = _made(sql.row(
        "INSERT INTO people_listexport (uid, asked_by, desk_id, unit_id, who, ending, language, reason, state, why, "
        "turn, total, done, asked_at, moved_at) "
        f"VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, '', 0, %s, 0, %s, %s) RETURNING {_COLUMNS}", values,
    ))  # fmt: skip
    assert made
    return made


def by_uid(uid: str) -> ExportFacts | None:
    return _made(sql.row(f"SELECT {_COLUMNS} FROM people_listexport WHERE uid = %s", (uid,)))


def of_desks(unit_ids: Collection[int], *, most: int) -> list[ExportFacts]:
    """What agents of these desks took, newest first."""
    if not unit_ids:
        return []
    statement = (
        f"SELECT {_COLUMNS} FROM people_listexport WHERE desk_id IN ({sql.placeholders(len(unit_ids))}) "
        "ORDER BY id DESC LIMIT %s"
    )
    return [one for one in map(_made, sql.rows(statement, (*unit_ids, most))) if one]


def count_open(asked_by: int) -> int:
    """How many of an agent's lists wait or are being made."""
    statement = "SELECT COUNT(*) FROM people_listexport WHERE asked_by = %s AND state IN (%s, %s)"
    [(many,)] = sql.rows(statement, (asked_by, *sorted(AT_WORK)))
    return int(many)


def claim(*, now: datetime) -> ExportFacts | None:
    """One that waits for a worker, or whose worker is gone, under a lease."""
    statement = f"""UPDATE people_listexport SET state = %s, lease_until = %s, moved_at = %s, turn = turn + 1, done = 0
    WHERE id = (SELECT id FROM people_listexport WHERE state = %s OR (state = %s AND lease_until < %s)
    ORDER BY id LIMIT 1 {sql.skip_locked()}) RETURNING {_COLUMNS}"""
    at, making = sql.at(now), ExportState.MAKING.value
    return _made(sql.row(statement, (making, sql.at(now + LEASE), at, ExportState.WAITING.value, making, at)))


def go_on(one: ExportFacts, *, done: int, now: datetime) -> bool:
    """Say how far it is and keep the lease; False where another worker has it, or it was ended."""
    statement = "UPDATE people_listexport SET done = %s, lease_until = %s WHERE id = %s AND state = %s AND turn = %s"
    return sql.execute(statement, (done, sql.at(now + LEASE), one.id, ExportState.MAKING.value, one.turn)) == 1


def fail(one: ExportFacts, why: str, *, now: datetime) -> bool:
    return _move(one, ExportState.FAILED, now, why=why)


@transaction.atomic
def keep(one: ExportFacts, file: BinaryIO, *, done: int, now: datetime) -> bool:
    """Keep the file, a piece at a time, with how many stand in it; False where another worker has it."""
    if not _move(one, ExportState.MADE, now, done=done):
        return False
    keys, number = encryption.data_keys(), 0
    while piece := file.read(PART):
        ciphertext = keys.encrypt(piece, associated_data=_place(one.id, number))
        sql.insert("people_exportpart", "export_id, number, ciphertext", [(one.id, number, ciphertext)])
        number += 1
    return True


def pieces(export_id: int) -> Iterator[bytes]:
    """The file, a piece at a time. Raises encryption.Broken where one was changed."""
    keys = encryption.data_keys()
    statement = "SELECT number FROM people_exportpart WHERE export_id = %s ORDER BY number"
    for (number,) in sql.rows(statement, (export_id,)):
        statement = "SELECT ciphertext FROM people_exportpart WHERE export_id = %s AND number = %s"
        for (ciphertext,) in sql.rows(statement, (export_id, number)):
            yield keys.decrypt(ciphertext, associated_data=_place(export_id, number))


def sweep(*, now: datetime) -> None:
    """Files go, and at last the register's row; the audit log keeps that it was."""
    _end("state = 'made' AND moved_at < %s", now, sql.at(now - KEPT))
    sql.execute("DELETE FROM people_listexport WHERE asked_at < %s", (sql.at(now - REGISTERED),))


def end_all(*, now: datetime) -> int:
    """No list is made any more, and no file is left; how many there were."""
    return _end("state IN ('waiting', 'making', 'made')", now)


def _end(which: str, now: datetime, *params: object) -> int:
    parts = f"DELETE FROM people_exportpart WHERE export_id IN (SELECT id FROM people_listexport WHERE {which})"
    sql.execute(parts, params)
    statement = f"UPDATE people_listexport SET state = %s, moved_at = %s WHERE {which}"
    return sql.execute(statement, (ExportState.GONE.value, sql.at(now), *params))


def _move(one: ExportFacts, to: ExportState, now: datetime, *, why: str = "", done: int = 0) -> bool:
    if to not in MOVES[one.state]:
        return False
    statement = """UPDATE people_listexport SET state = %s, moved_at = %s, why = %s, done = %s
    WHERE id = %s AND state = %s AND turn = %s"""
    params = (to.value, sql.at(now), why, done, one.id, one.state.value, one.turn)
    return sql.execute(statement, params) == 1


def _made(row: sql.Row | None) -> ExportFacts | None:
    if row is None:
        return None
    one = sql.make(ExportFacts, ExportFacts._fields, row)
    return one._replace(state=ExportState(one.state))


def _place(export_id: int, number: int) -> str:
    return f"export|{export_id}|{number}"
