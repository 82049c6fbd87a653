"""Write and read the events. Their rows hold ids and HMACs, never a secret, a typed value or a whole contact.

Writing is one INSERT inside the transaction of the step; nobody waits for anybody. Places and hashes are given
afterwards (`sealing`). What strangers can cause without end is counted for a minute, and then written as one event with
its count."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import transaction

from massar.core import encryption, ids, sql
from massar.core.audit.verifier import Row
from massar.core.browser import Browser

REFUSED, KEPT = KINDS = ("refused", "kept")  # of segments: each is kept for a time of its own
COUNTED_FOR = timedelta(minutes=1)
MOST_FLUSHED = 500
_COLUMNS = "uid, at, event, outcome, person_id, session_id, network, browser, detail, signature"
_KEY = "person_id, minute, event, outcome, network, detail"
_SPREAD = 4096  # rows of one minute that the names nobody has are spread over
_NOWHERE = Browser()
# Asked in vain at the cost of nothing but a request. What a limit pays for stays an event of its own.
_ASKED_IN_VAIN = frozenset({"unknown", "disabled", "guesses_spent", "too_often", "too_late", "sent_meanwhile"})


@dataclass(frozen=True)
class AuditEvent:
    """One event of the audit log. `genuine` tells of a stored one whether its signature fits; `id` is its row's, 0
    while it is counted. `typed_login`: the login that was typed, where it may be nobody's; it is never stored."""

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
    id: int = field(default=0, compare=False)
    typed_login: str = field(default="", compare=False, repr=False)

    @property
    def counted(self) -> bool:
        """Whether it is counted before it is written."""
        # A wrong password too: what is written otherwise for a known account than for an unknown one tells them apart.
        if self.event in ("sign_in_refused", "site_refused", "vouching_refused"):
            return True
        return self.event.endswith("_asked") and self.outcome in _ASKED_IN_VAIN

    @property
    def asked_in_vain(self) -> bool:
        """Whether somebody asked for a message, and none left."""
        return self.event.endswith("_asked") and not self.outcome.startswith("sent")

    @property
    def segment(self) -> str:
        """Refusals are many and soon of no use; the rest is proof for years."""
        kind = REFUSED if self.event.endswith("_refused") or self.asked_in_vain else KEPT
        return f"{kind}-{self.at:%Y-%m}"


def record_event(
    event: str, *, now: datetime, person_id: int | None = None, outcome: str = "", session_id: int | None = None,
    browser: Browser = _NOWHERE, typed_login: str = "", **detail: str | int,
) -> str:  # fmt: skip
    """Add an event; return its uid. Called inside the transaction of the step it tells, so that both stand or
    neither. typed_login: what was typed as login, of known and unknown accounts alike."""
    one = AuditEvent(
        event, now, outcome, person_id, session_id, browser.network, browser.label, detail, typed_login=typed_login
    )
    record_events([one])
    return one.uid


def record_events(events: Sequence[AuditEvent]) -> None:
    _write([one for one in events if not one.counted])
    _count([one for one in events if one.counted])


def _write(events: Sequence[AuditEvent]) -> None:
    params: list[object] = []
    for one in events:
        detail = _text(one.detail)
        params += [one.uid, sql.at(one.at), one.event, one.outcome, one.person_id, one.session_id, one.network]
        params += [one.browser, detail, encryption.data_keys().sign("audit", *_signed(one, detail)), one.segment]
    if params:
        sql.execute(f"INSERT INTO audit_event ({_COLUMNS}, segment) VALUES {sql.values(len(events), 11)}", params)


def _count(events: Sequence[AuditEvent]) -> None:
    """Add to this minute's tallies, one statement for all."""
    found: dict[tuple[object, ...], list[object]] = {}
    for one in events:
        minute = int(one.at.timestamp() // COUNTED_FOR.total_seconds())
        nobody = _nobody(one.typed_login)  # of a known one too: both take the same time
        key = (one.person_id or nobody, minute, one.event, one.outcome, one.network, _text(one.detail))
        found.setdefault(key, [one.browser, sql.at(one.at), 0])[2] += 1  # type: ignore[operator]
    if found:
        sql.execute(
            f"INSERT INTO audit_tally ({_KEY}, browser, at, count) VALUES {sql.values(len(found), 9)} "
            f"ON CONFLICT ({_KEY}) DO UPDATE SET count = audit_tally.count + excluded.count",
            [value for key in sorted(found, key=str) for value in (*key, *found[key])],
        )


def _nobody(name: str) -> int:
    """What stands for a person where there is none, 0 or less. Names that nobody has are kept apart as accounts are:
    with one row for all of them who types one waits for others, which tells it from an account under a flood."""
    return -1 - int(encryption.data_keys().blind_index("tally", name)[:8], 16) % _SPREAD if name else 0


def flush(*, now: datetime) -> int:
    """Write what was counted in minutes that are over as events. Returns how many."""
    minute = int(now.timestamp() // COUNTED_FOR.total_seconds())
    if not sql.row("SELECT 1 FROM audit_tally WHERE minute < %s LIMIT 1", (minute,)):
        return 0
    over = f"SELECT id FROM audit_tally WHERE minute < %s ORDER BY id LIMIT {MOST_FLUSHED} {sql.skip_locked()}"
    deleted = f"DELETE FROM audit_tally WHERE id IN ({over}) RETURNING {_TALLIED}"
    with transaction.atomic():
        done = [_read_tally(row) for row in _merged(sql.rows(deleted, (minute,)))]
        _write(done)
    return len(done)


_TALLIED = "event, outcome, person_id, network, browser, detail, at, count, id"


def _merged(rows: Iterable[sql.Row]) -> list[sql.Row]:
    """The rows in their order, those of one minute and nobody's as one."""
    found: dict[tuple[object, ...], sql.Row] = {}
    for row in sorted(rows, key=lambda row: row[-1]):
        event, outcome, person_id, network, _, detail, at, count, id = row
        minute = sql.moment(at).replace(second=0, microsecond=0)
        key = (event, outcome, max(person_id, 0), network, detail, minute)
        first = found.setdefault(key, (*row[:7], 0, id))
        found[key] = (*first[:7], first[7] + count, first[8])
    return list(found.values())


def _read_tally(row: sql.Row) -> AuditEvent:
    event, outcome, person_id, network, browser, detail, at, count, _ = row
    facts = {**(json.loads(detail) if detail else {}), **({"count": count} if count > 1 else {})}
    person = person_id if person_id > 0 else None
    return AuditEvent(event, sql.moment(at), outcome, person, None, network, browser, facts)


def by_uid(person_id: int, uid: str) -> AuditEvent | None:
    """Return one event of that person; None if there is none of that uid, or its signature does not fit."""
    found = sql.row(f"SELECT {_COLUMNS}, id FROM audit_event WHERE person_id = %s AND uid = %s", (person_id, uid))
    one = _read(found) if found else None
    return one if one and one.genuine else None


def newest(person_id: int, event: str) -> AuditEvent | None:
    """The newest event of that name of a person."""
    statement = f"SELECT {_COLUMNS}, id FROM audit_event WHERE person_id = %s AND event = %s ORDER BY id DESC LIMIT 1"
    found = sql.row(statement, (person_id, event))
    return _read(found) if found else None


def outcomes_of_sessions(person_id: int, event: str, session_ids: Sequence[int]) -> list[tuple[int, str]]:
    """Return (session, outcome) of each such event of these sessions, oldest first."""
    if not session_ids:
        return []
    found = sql.rows(
        "SELECT session_id, outcome FROM audit_event WHERE person_id = %s AND event = %s "
        f"AND session_id IN ({sql.placeholders(len(session_ids))}) ORDER BY id",
        (person_id, event, *session_ids),
    )
    return [(session_id, outcome) for session_id, outcome in found]


def newest_of(events: Sequence[str], *, since: datetime, most: int) -> list[tuple[str, str, str, int, datetime]]:
    """(event, outcome, site, how often, last) of these events since then, among the newest `most` rows of all."""
    statement = (
        "SELECT event, outcome, detail, at FROM audit_event "
        "WHERE id > (SELECT COALESCE(MAX(id), 0) FROM audit_event) - %s "
        f"AND at >= %s AND event IN ({sql.placeholders(len(events))})"
    )
    found: dict[tuple[str, str, str], tuple[int, datetime]] = {}
    for event, outcome, detail, at in sql.rows(statement, (most, sql.at(since), *events)):
        facts = json.loads(detail) if detail else {}
        key = (event, outcome, str(facts.get("site", "")))
        number, last = found.get(key, (0, sql.moment(at)))
        found[key] = (number + int(facts.get("count", 1)), max(last, sql.moment(at)))
    return [(*key, *value) for key, value in found.items()]


def of_person(person_id: int, *, limit: int = 50, before: int | None = None) -> list[AuditEvent]:
    """A person's own events, newest first. before: the id of the last one of the page before; the first page also has
    what is still counted."""
    statement = f"SELECT {_COLUMNS}, id FROM audit_event WHERE person_id = %s AND id < %s ORDER BY id DESC LIMIT %s"
    most = (1 << 62) if before is None else before
    stored = [_read(row) for row in sql.rows(statement, (person_id, most, limit))]
    if before is not None:
        return stored
    statement = f"SELECT {_TALLIED} FROM audit_tally WHERE person_id = %s ORDER BY id DESC LIMIT %s"
    counted = [_read_tally(row) for row in sql.rows(statement, (person_id, limit))]
    # By moment; rows of one moment as they were written. Python's sort keeps their order.
    return sorted([*counted, *stored], key=lambda one: one.at, reverse=True)[:limit]


def is_genuine(row: Row) -> bool:
    """Whether the row's own signature fits, under any key of MASSAR_DATA_KEYS."""
    told = (row.uid, row.at, row.event, row.outcome, row.person_id, row.session_id, row.network, row.browser)
    return encryption.data_keys().verify(row.signature, "audit", *_filled((*told, row.detail)))


def _read(row: sql.Row) -> AuditEvent:
    uid, at, event, outcome, person_id, session_id, network, browser, detail, signature, id = row
    facts = json.loads(detail) if detail else {}
    one = AuditEvent(event, sql.moment(at), outcome, person_id, session_id, network, browser, facts, uid, id=id)
    return replace(one, genuine=encryption.data_keys().verify(signature, "audit", *_signed(one, detail)))


def _text(detail: Mapping[str, str | int]) -> str:
    return json.dumps(detail, ensure_ascii=False, sort_keys=True) if detail else ""


def _signed(one: AuditEvent, detail: str) -> tuple[object, ...]:
    """What the signature covers; the moment in whole microseconds, since every database gives back the same number."""
    at = int(one.at.timestamp() * 1_000_000 + 0.5)
    return _filled(
        (one.uid, at, one.event, one.outcome, one.person_id, one.session_id, one.network, one.browser, detail)
    )


def _filled(values: Iterable[object]) -> tuple[object, ...]:
    return tuple("" if value is None else value for value in values)
