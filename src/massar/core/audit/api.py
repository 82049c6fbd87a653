"""Writing and reading the trail. Rows hold tags and ids, never a secret, a typed value or a whole contact."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from massar.core import encryption, ids, sql
from massar.core.browser import Browser

_COLUMNS = "uid, at, event, outcome, person_id, session_id, network, browser, detail, tag"
_NOWHERE = Browser()


@dataclass(frozen=True)
class Entry:
    """One row of the trail. `genuine` tells whether its tag fits."""

    uid: str
    at: datetime
    event: str
    outcome: str
    person_id: int | None
    session_id: int | None
    network: str
    browser: str
    detail: dict
    genuine: bool


def record(
    event: str,
    *,
    now: datetime,
    person_id: int | None = None,
    outcome: str = "",
    session_id: int | None = None,
    browser: Browser = _NOWHERE,
    **detail: str | int,
) -> None:
    """Adds a row. Called inside the transaction of the step it tells, so both stand or neither."""
    _insert([_row(event, now, person_id, outcome, session_id, browser, detail)])


def record_many(event: str, rows: list[dict], *, now: datetime) -> None:
    """As `record`, one row for each mapping of its named values, in one statement."""
    if rows:
        _insert([_of(event, now, **row) for row in rows])


def _of(event: str, now: datetime, *, person_id: int | None = None, outcome: str = "", **detail: str | int) -> tuple:
    return _row(event, now, person_id, outcome, None, _NOWHERE, detail)


def _row(event, now, person_id, outcome, session_id, browser, detail) -> tuple:
    text = json.dumps(detail, ensure_ascii=False, sort_keys=True) if detail else ""
    return (ids.short_token(), now, event, outcome, person_id, session_id, browser.network, browser.label, text)


def _insert(rows: list[tuple]) -> None:
    params = [v for row in rows for v in (row[0], sql.at(row[1]), *row[2:], _tag(row))]
    sql.change(f"INSERT INTO audit_trailrow ({_COLUMNS}) VALUES {sql.marks(len(rows), 10)}", params)


def of_person(person_id: int, *, limit: int = 50) -> list[Entry]:
    """The newest rows of a person, newest first."""
    return [
        _entry(r)
        for r in sql.rows(
            f"SELECT {_COLUMNS} FROM audit_trailrow WHERE person_id = %s ORDER BY id DESC LIMIT %s",
            (person_id, limit),
        )
    ]


def everything(*, after: int = 0) -> Iterator[Entry]:
    """All rows in the order of writing, for `massar audit --verify`."""
    while batch := sql.rows(
        f"SELECT {_COLUMNS}, id FROM audit_trailrow WHERE id > %s ORDER BY id LIMIT 1000", (after,)
    ):
        yield from (_entry(r[:-1]) for r in batch)
        after = batch[-1][-1]


def _tag(values: tuple) -> str:
    return encryption.data_keys().sign("audit", *_canonical(values))


def _canonical(values: tuple) -> tuple:
    """The moment as whole microseconds: every database gives back the same number."""
    uid, at, *rest = values
    return (uid, int(at.timestamp() * 1_000_000 + 0.5), *("" if v is None else v for v in rest))


def _entry(row: tuple) -> Entry:
    *values, tag = row
    values[1] = sql.moment(values[1])
    genuine = encryption.data_keys().verify(tag, "audit", *_canonical(tuple(values)))
    return Entry(*values[:8], detail=json.loads(values[8]) if values[8] else {}, genuine=genuine)
