"""Write and read the audit log. Its rows hold ids and HMACs, never a secret, a typed value or a whole contact."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from massar.core import encryption, ids, sql
from massar.core.browser import Browser

_COLUMNS = "uid, at, event, outcome, person_id, session_id, network, browser, detail, signature"
_NOWHERE = Browser()


@dataclass(frozen=True)
class AuditEvent:
    """One event of the audit log. `genuine` tells of a stored one whether its signature fits."""

    event: str
    at: datetime
    outcome: str = ""
    person_id: int | None = None
    session_id: int | None = None
    network: str = ""
    browser: str = ""
    detail: Mapping[str, str | int] = field(default_factory=dict)
    uid: str = field(default_factory=ids.short_token)
    genuine: bool = True


def record_event(
    event: str, *, now: datetime, person_id: int | None = None, outcome: str = "", session_id: int | None = None,
    browser: Browser = _NOWHERE, **detail: str | int,
) -> None:  # fmt: skip
    """Add an event. Called inside the transaction of the step it tells, so that both stand or neither."""
    record_events([AuditEvent(event, now, outcome, person_id, session_id, browser.network, browser.label, detail)])


def record_events(events: Sequence[AuditEvent]) -> None:
    params: list[object] = []
    for one in events:
        detail = json.dumps(one.detail, ensure_ascii=False, sort_keys=True) if one.detail else ""
        params += [one.uid, sql.at(one.at), one.event, one.outcome, one.person_id, one.session_id, one.network]
        params += [one.browser, detail, encryption.data_keys().sign("audit", *_signed(one, detail))]
    if params:
        sql.execute(f"INSERT INTO audit_event ({_COLUMNS}) VALUES {sql.values(len(events), 10)}", params)


def of_person(person_id: int, *, limit: int = 50) -> list[AuditEvent]:
    statement = f"SELECT {_COLUMNS} FROM audit_event WHERE person_id = %s ORDER BY id DESC LIMIT %s"
    return [_read(row) for row in sql.rows(statement, (person_id, limit))]


def all_events(*, after: int = 0) -> Iterator[AuditEvent]:
    """Yield all events in the order of writing, for `massar audit --verify`."""
    statement = f"SELECT {_COLUMNS}, id FROM audit_event WHERE id > %s ORDER BY id LIMIT 1000"
    while batch := sql.rows(statement, (after,)):
        yield from (_read(row) for row in batch)
        after = batch[-1][-1]


def _read(row: sql.Row) -> AuditEvent:
    uid, at, event, outcome, person_id, session_id, network, browser, detail, signature = row[:10]
    facts = json.loads(detail) if detail else {}
    one = AuditEvent(event, sql.moment(at), outcome, person_id, session_id, network, browser, facts, uid)
    return replace(one, genuine=encryption.data_keys().verify(signature, "audit", *_signed(one, detail)))


def _signed(one: AuditEvent, detail: str) -> tuple[object, ...]:
    """What the signature covers; the moment in whole microseconds, since every database gives back the same number."""
    rest = (one.event, one.outcome, one.person_id, one.session_id, one.network, one.browser, detail)
    return (one.uid, int(one.at.timestamp() * 1_000_000 + 0.5), *("" if v is None else v for v in rest))
