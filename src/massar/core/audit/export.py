"""The audit log for other programs: JSON lines that prove themselves, and syslog (RFC 5424) for a SIEM.

Only sealed rows leave, in the order of their places: who has had everything up to seq 1000 goes on after 1000."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from massar.core import sql
from massar.core.audit import events, sealing, verifier
from massar.core.audit.verifier import HASH, Row

AUDIT_FACILITY = 13  # "log audit", RFC 5424 §6.2.1
NOTICE, INFORMATIONAL = 5, 6  # severities
ENTERPRISE = 32473  # the number for documentation (RFC 5612): the ministry has none of its own in the product
LONGEST_VALUE = 512  # characters of one value; the whole stays below 2 KiB, which receivers take (§6.1)
_MARKED = re.compile(r'(["\\\]])')
# Line ends, control and format characters (bidi marks among them), which must not steer a terminal.
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


class Exported(NamedTuple):
    """One sealed row in its place."""

    database: str
    seq: int
    segment: str
    row: Row
    hash: bytes
    previous: bytes


def rows(*, after: int = 0, most: int | None = None) -> Iterator[Exported]:
    """Yield the sealed rows behind a place, in order; at least `most` where there are so many, to the end of a seal.
    What is missing is left out: the hashes tell."""
    here, sent = sealing.cursor(), 0
    statement = (
        "SELECT first_seq, segment, count, ids, hashes FROM audit_seal "
        "WHERE first_seq > %s AND first_seq <= %s ORDER BY first_seq LIMIT 20"
    )
    begin = sql.row(
        "SELECT first_seq FROM audit_seal WHERE first_seq <= %s ORDER BY first_seq DESC LIMIT 1", (after + 1,)
    )
    read = begin[0] - 1 if begin else 0
    while seals := sql.rows(statement, (read, here.last_seq)):
        for first, segment, count, ids, hashes in seals:
            for one in _of_seal(here.database, first, segment, verifier.unpack_ids(bytes(ids), count), bytes(hashes)):
                if one.seq > after:
                    yield one
                    sent += 1
            if most is not None and sent >= most:
                return
        read = seals[-1][0]


def _of_seal(
    database: str, first: int, segment: str, numbers: tuple[int, ...], hashes: bytes
) -> Iterator[Exported]:  # fmt: skip
    statement = (
        f"SELECT {verifier.COLUMNS} FROM audit_event WHERE segment = %s AND id IN ({sql.placeholders(len(numbers))})"
    )
    found = {row[0]: verifier.read_row(row) for row in sql.rows(statement, (segment, *numbers))}
    previous = _before(database, first, segment)
    for place, id in enumerate(numbers):
        own = hashes[HASH * place : HASH * (place + 1)]
        if id in found:
            yield Exported(database, first + place, segment, found[id], own, previous)
        previous = own


def _before(database: str, first: int, segment: str) -> bytes:
    head = sealing.head_of(segment, up_to=first - 1)
    return head.hash if head else verifier.first_hash(database, segment)


def first_since(moment: datetime) -> int:
    """The place before the first seal of that moment or later: where an export of it begins."""
    found = sql.row("SELECT MIN(first_seq) FROM audit_seal WHERE at >= %s", (sql.at(moment),))
    return found[0] - 1 if found and found[0] else sealing.cursor().last_seq


def as_json(one: Exported) -> str:
    """One line, ASCII only: no character in it ends a line or turns text around (LOG-04)."""
    row = one.row
    told = {
        "seq": one.seq, "segment": one.segment, "database": one.database, "hash": one.hash.hex(),
        "previous": one.previous.hex(), **row._asdict(), "at": verifier.moment(row.at), "detail": _detail(row.detail),
    }  # fmt: skip
    return json.dumps(told, ensure_ascii=True, separators=(",", ":"))


def _detail(text: str) -> object:
    """As an object where that gives the same text again, which is what was hashed."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    same = isinstance(found, dict) and json.dumps(found, ensure_ascii=False, sort_keys=True) == text
    return found if same else text


def as_syslog(one: Exported, host: str) -> bytes:
    """One message of RFC 5424 in UTF-8; everything of the row is structured data."""
    row = one.row
    detail = {f"detail_{name}": value for name, value in _facts(row.detail).items()}
    told = {
        "seq": one.seq, "segment": one.segment, "uid": row.uid, "event": row.event, "outcome": row.outcome,
        "person": row.person_id, "session": row.session_id, "network": row.network, "browser": row.browser, **detail,
        "signature": row.signature, "hash": one.hash.hex(),
    }  # fmt: skip
    severity = NOTICE if one.segment.startswith(events.REFUSED) else INFORMATIONAL
    said = f"{row.event} {row.outcome}".strip()
    return _message(severity, verifier.moment(row.at), host, row.event, "massarAudit", told, said)


def checkpoint_as_syslog(line: str, at: str, host: str) -> bytes:
    """A checkpoint, whole, as the text of a message: it can be pasted into a file of checkpoints."""
    return _message(INFORMATIONAL, at, host, "checkpoint", "massarCheckpoint", {}, line)


def _message(
    severity: int, at: str, host: str, kind: str, name: str, told: dict[str, object], said: str
) -> bytes:  # fmt: skip
    values = "".join(f' {_name(key)}="{_value(value)}"' for key, value in told.items() if value not in (None, ""))
    head = f"<{8 * AUDIT_FACILITY + severity}>1 {at} {_ascii(host, 255)} massar - {_ascii(kind, 32)}"
    data = f"[{name}@{ENTERPRISE}{values}]" if values else "-"
    return f"{head} {data} {_INVISIBLE.sub(_shown, said)}".encode("utf-8", "replace")


def _facts(text: str) -> dict[str, object]:
    found = _detail(text)
    return found if isinstance(found, dict) else {"text": found}


def _name(key: str) -> str:
    """A PARAM-NAME: 1 to 32 printable ASCII characters without = ] " or space (§6.3.3)."""
    return re.sub(r"[^!#-<>-\\^-~]", "_", key)[:32] or "_"


def _value(value: object) -> str:
    shown = _INVISIBLE.sub(_shown, str(value))[:LONGEST_VALUE]
    return _MARKED.sub(r"\\\1", shown)


def _shown(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _ascii(text: str, most: int) -> str:
    return re.sub(r"[^!-~]", "_", text)[:most] or "-"
