"""Requests for recovery: put in by the page in one insert, answered by the worker under a lease."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from massar.core import encryption, ids, sql

LEASE = timedelta(seconds=20)
_ID_LONGEST = 43


@dataclass(frozen=True)
class Asked:
    """What was typed and by which browser. `spent`: only the last version's web servers say so; nothing is to be sent."""

    login: str
    channel: str
    contact: str
    language: str
    network: str
    browser: str
    devices: str
    asked: str
    spent: bool = False


@dataclass(frozen=True)
class Claimed:
    """A request under this worker's lease. `asked` is None when the row can't be opened."""

    id: int
    lease: str
    asked: Asked | None
    created_at: datetime


def put(ask_id: str, asked: Asked, *, now: datetime) -> bool:
    """One insert; False if this very form was already put in (a reload asks nothing twice).

    A form that was put right and sent again under its old number is another one.
    """
    form = encryption.data_keys().blind_index("recovery-form", ask_id, asked.login, asked.channel, asked.contact)[
        :_ID_LONGEST
    ]
    ciphertext = encryption.data_keys().encrypt(
        json.dumps(asdict(asked)).encode(), associated_data=f"recovery-request|{form}"
    )
    return (
        sql.change(
            "INSERT INTO delivery_recoveryrequest (ask_id, ciphertext, state, lease_by, created_at) "
            "VALUES (%s, %s, 'waiting', '', %s) "
            "ON CONFLICT (ask_id) DO NOTHING",
            (form, ciphertext, sql.at(now)),
        )
        == 1
    )


def claim(most: int, *, now: datetime) -> list[Claimed]:
    """Up to `most` open requests, oldest first, under a new lease; a lapsed lease counts as open."""
    lease = ids.short_token()
    found = sql.rows(
        "WITH picked AS MATERIALIZED ("  # once: see outbox.claim
        "SELECT id FROM delivery_recoveryrequest WHERE state = 'waiting' OR (state = 'claimed' AND lease_until <= %s) "
        f"ORDER BY id LIMIT %s {sql.skip_locked()}) "
        "UPDATE delivery_recoveryrequest SET state = 'claimed', lease_by = %s, lease_until = %s "
        "WHERE id IN (SELECT id FROM picked) RETURNING id, ask_id, ciphertext, created_at",
        (sql.at(now), most, lease, sql.at(now + LEASE)),
    )
    return [
        Claimed(row_id, lease, _open(ask_id, ciphertext), sql.moment(created))
        for row_id, ask_id, ciphertext, created in sorted(found)
    ]


def finish(claimed: Claimed, *, now: datetime) -> bool:
    """Answered: the row keeps no content. False if the lease went to another worker meanwhile."""
    return (
        sql.change(
            "UPDATE delivery_recoveryrequest SET state = 'done', ciphertext = NULL, done_at = %s, lease_until = NULL, "
            "unreadable = %s WHERE id = %s AND state = 'claimed' AND lease_by = %s",
            (sql.at(now), claimed.asked is None, claimed.id, claimed.lease),
        )
        == 1
    )


def postpone(claimed: Claimed, *, until: datetime) -> bool:
    """Nobody takes it before then. False if the lease went to another worker meanwhile."""
    return (
        sql.change(
            "UPDATE delivery_recoveryrequest SET lease_until = %s WHERE id = %s AND state = 'claimed' AND lease_by = %s",
            (sql.at(until), claimed.id, claimed.lease),
        )
        == 1
    )


def sweep(*, now: datetime, keep: timedelta = timedelta(days=1)) -> int:
    return sql.change(
        "DELETE FROM delivery_recoveryrequest WHERE state = 'done' AND done_at < %s", (sql.at(now - keep),)
    )


def _open(ask_id: str, ciphertext) -> Asked | None:
    try:
        return Asked(
            **json.loads(encryption.data_keys().decrypt(ciphertext, associated_data=f"recovery-request|{ask_id}"))
        )
    except (encryption.DecryptionFailed, TypeError, ValueError):
        return None
