"""Requests for a secret: put in by the page in one insert, answered by the worker under a lease."""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from massar.core import encryption, ids, sql
from massar.domain.delivery.outbox import FAULT, KEY_MISSING, KEY_PAUSE

LEASE = timedelta(seconds=20)
MOST_TRIES = 8  # then it fails: what ends in a fault eight times ends so the ninth time
_PAUSES = (1, 5, 15, 30, 60, 120, 240)  # seconds after a fault, by the number of tries
_ID_LONGEST = 43


@dataclass(frozen=True, repr=False)
class TypedRecovery:
    """What was typed and by which browser. `purpose`: what the secret is asked for, "recovery" or "vouching"."""

    login: str
    channel: str
    contact: str
    language: str
    network: str
    browser: str
    trusted_devices: str
    recovery_browser: str
    purpose: str = "recovery"


@dataclass(frozen=True)
class ClaimedRequest:
    """A request under this worker's lease. `form` is None when the row can't be opened. `tries`: this one included."""

    id: int
    ask_id: str
    lease: str
    created_at: datetime
    tries: int
    ciphertext: bytes = field(repr=False)
    form: TypedRecovery | None = field(default=None, repr=False)


def put(ask_id: str, asked: TypedRecovery, *, now: datetime) -> bool:
    """One insert; False if this very form was already put in (a reload asks nothing twice). A form that was put right
    and sent again under its old number is another one."""
    keys = encryption.data_keys()
    form = keys.blind_index("recovery-form", ask_id, asked.login, asked.channel, asked.contact)[:_ID_LONGEST]
    # The last version's workers know no purpose, and answer what names none.
    typed = {name: value for name, value in vars(asked).items() if (name, value) != ("purpose", "recovery")}
    ciphertext = keys.encrypt(json.dumps(typed).encode(), associated_data=f"recovery-request|{form}")
    added = sql.execute(
        "INSERT INTO delivery_recoveryrequest (ask_id, ciphertext, state, lease_by, created_at) "
        "VALUES (%s, %s, 'waiting', '', %s) ON CONFLICT (ask_id) DO NOTHING",
        (form, ciphertext, sql.at(now)),
    )
    return added == 1


def claim(most: int, *, now: datetime) -> list[ClaimedRequest]:
    """Claim up to `most` open requests, oldest first, under a new lease; a lapsed lease counts as open. What stands
    under a key that this process lacks stays in the queue, for another worker or for the key."""
    found = sql.select(
        ClaimedRequest,
        "WITH picked AS MATERIALIZED ("  # once: see outbox.claim
        "SELECT id FROM delivery_recoveryrequest WHERE state = 'waiting' OR (state = 'claimed' AND lease_until <= %s) "
        f"ORDER BY id LIMIT %s {sql.skip_locked()}) "
        "UPDATE delivery_recoveryrequest SET state = 'claimed', lease_by = %s, lease_until = %s, tries = tries + 1 "
        "WHERE id IN (SELECT id FROM picked) RETURNING id, ask_id, lease_by AS lease, created_at, tries, ciphertext",
        (sql.at(now), most, ids.short_token(), sql.at(now + LEASE)),
    )
    opened = []
    for one in sorted(found, key=lambda row: row.id):
        try:
            opened.append(replace(one, form=_form(one)))
        except encryption.KeyMissing:
            _keep(one, now + KEY_PAUSE, KEY_MISSING, tries=one.tries - 1)
    return opened


def _form(one: ClaimedRequest) -> TypedRecovery | None:
    """None for a row that was changed, and for one that a version wrote which knew other fields. Raises KeyMissing."""
    place, data = f"delivery_recoveryrequest {one.id}", f"recovery-request|{one.ask_id}"
    typed = encryption.open_row(one.ciphertext or b"", associated_data=data, row=place)
    try:
        return TypedRecovery(**json.loads(typed)) if typed is not None else None
    except (TypeError, ValueError):
        return None


def finish(claimed: ClaimedRequest, *, now: datetime, reason: str = "") -> bool:
    """End a request, answered or failed for that reason: the row keeps no content. False if the lease went to another
    worker meanwhile."""
    ended = sql.execute(
        "UPDATE delivery_recoveryrequest SET state = %s, reason = %s, ciphertext = NULL, done_at = %s, "
        "lease_until = NULL WHERE id = %s AND state = 'claimed' AND lease_by = %s",
        ("failed" if reason else "done", reason[:80], sql.at(now), claimed.id, claimed.lease),
    )
    return ended == 1


def postpone(claimed: ClaimedRequest, *, until: datetime, fault: str = "") -> None:
    """Keep a request under its lease until then. The try counts only where it met a fault of ours."""
    _keep(claimed, until, f"{FAULT}{fault}"[:80] if fault else "", tries=claimed.tries - (not fault))


def _keep(claimed: ClaimedRequest, until: datetime, reason: str, *, tries: int) -> None:
    sql.execute(
        "UPDATE delivery_recoveryrequest SET lease_until = %s, tries = %s, reason = %s "
        "WHERE id = %s AND state = 'claimed' AND lease_by = %s",
        (sql.at(until), tries, reason, claimed.id, claimed.lease),
    )


def pause(claimed: ClaimedRequest) -> timedelta:
    """Return how long to wait after a fault: it grows with the tries."""
    return timedelta(seconds=_PAUSES[min(claimed.tries, len(_PAUSES)) - 1])


def oldest_waiting() -> datetime | None:
    """When the request was asked that has waited longest, of those that nobody has taken up."""
    found = sql.row("SELECT created_at FROM delivery_recoveryrequest WHERE state = 'waiting' ORDER BY id LIMIT 1")
    return sql.moment(found[0]) if found else None


def drop_all() -> int:
    """Forget every form that nobody has answered."""
    return sql.execute("DELETE FROM delivery_recoveryrequest WHERE state NOT IN ('done', 'failed')")


def sweep(*, now: datetime, keep: timedelta) -> int:
    return sql.execute(
        "DELETE FROM delivery_recoveryrequest WHERE state IN ('done', 'failed') AND done_at < %s", (sql.at(now - keep),)
    )
