"""The outbox: a message stands in the same transaction as what it tells, and leaves under a lease.

    queued --claim, attempt row--> sending --accepted--> handed
                                      |----temporary refusal, not sent, unsure, lapsed lease--> queued (later)
                                      |----permanent refusal, or too many attempts--> failed
    queued, sending --too late--> expired          queued, sending --no longer wanted--> cancelled

Final rows (handed, failed, expired, cancelled) keep neither body nor destination.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from massar.core import ids, seal, sql
from massar.domain.delivery.models import Attempt, Message

State = Message.State
FINAL = (State.HANDED, State.FAILED, State.EXPIRED, State.CANCELLED)
MOVES = {
    State.QUEUED: {State.SENDING, State.EXPIRED, State.CANCELLED},
    State.SENDING: {State.QUEUED, *FINAL},
    **{state: set() for state in FINAL},
}
LEASE = timedelta(
    seconds=90
)  # longer than the longest call of a carrier (`Carrier.longest`, 40 s by default)
MOST_ATTEMPTS = 120  # the deadline ends a message long before; this bounds what a deadly one can do to workers
MOST_UNSURE = 3  # it left us and nobody answered: a twin is harmless, a dozen is not
STOP_BEFORE = timedelta(seconds=30)  # a secret that ends in less is of no use to the person
_BACKOFF = (2, 5, 10, 20, 40, 60, 60, 120, 300, 600, 1800)
_COLUMNS = "id, uid, purpose, channel, language, person_id, temporary_id, sealed, lifetime, expires_at, deadline, attempts"


@dataclass(frozen=True)
class Letter:
    """A claimed message, opened. `values` fill the wording; `expires_at` None until fixed at the first attempt."""

    id: int
    uid: str
    purpose: str
    channel: str
    language: str
    person_id: int
    temporary_id: int | None
    to: str
    values: dict
    lifetime: timedelta | None
    expires_at: datetime | None
    deadline: datetime
    attempt: int
    lease: str

    def too_late(self, now: datetime) -> bool:
        limit = min(self.expires_at - STOP_BEFORE, self.deadline) if self.expires_at else self.deadline
        return now >= limit


def put(
    *,
    purpose: str,
    channel: str,
    language: str,
    person_id: int,
    to: str,
    values: dict,
    now: datetime,
    within: timedelta,
    lifetime: timedelta | None = None,
    expires_at: datetime | None = None,
    temporary_id: int | None = None,
    priority: int = 5,
    about: str = "",
) -> str:
    """Adds a message. `within`: how long it may wait to be handed over at all. Returns its uid."""
    uid = ids.short_token()
    body = json.dumps({"to": to, "values": values}, ensure_ascii=False).encode()
    Message.objects.create(
        uid=uid,
        purpose=purpose,
        channel=channel,
        language=language,
        person_id=person_id,
        temporary_id=temporary_id,
        about=about,
        sealed=seal.data_keys().seal(body, place=_place(uid)),
        priority=priority,
        not_before=now,
        deadline=now + within,
        lifetime=int(lifetime.total_seconds()) if lifetime else None,
        expires_at=expires_at,
        created_at=now,
    )
    return uid


def claim(most: int, *, now: datetime) -> list[Letter]:
    """Up to `most` due messages under one lease, most urgent first. What can't be opened is failed at once."""
    lease = ids.short_token()
    found = sql.rows(
        "UPDATE delivery_message SET state = 'sending', lease_by = %s, lease_until = %s, attempts = attempts + 1 WHERE id IN ("
        "SELECT id FROM delivery_message WHERE (state = 'queued' AND not_before <= %s) "
        "OR (state = 'sending' AND lease_until <= %s) "
        f"ORDER BY priority, not_before, id LIMIT %s {sql.skip_locked()}) RETURNING {_COLUMNS}",
        (lease, sql.at(now + LEASE), sql.at(now), sql.at(now), most),
    )
    letters = [_open(row, lease) for row in sorted(found)]
    for broken in (row for row, letter in zip(sorted(found), letters, strict=True) if letter is None):
        finish(broken[0], lease, State.FAILED, now=now, reason="can't be opened")
    return [letter for letter in letters if letter]


def fix_expiry(letter: Letter, expires_at: datetime) -> None:
    sql.change(
        "UPDATE delivery_message SET expires_at = %s WHERE id = %s AND expires_at IS NULL",
        (sql.at(expires_at), letter.id),
    )


def begin_attempt(letter: Letter, carrier: str, *, now: datetime) -> None:
    """The attempt row, before the carrier is called. One of an earlier lease without outcome is marked unknown."""
    sql.change(
        "UPDATE delivery_attempt SET outcome = 'unknown', ended_at = %s WHERE message_id = %s AND outcome = ''",
        (sql.at(now), letter.id),
    )
    Attempt.objects.create(message_id=letter.id, number=letter.attempt, carrier=carrier, started_at=now)


def may_repeat(letter: Letter) -> bool:
    """Whether one more try is right after attempts that may have arrived."""
    unsure = Attempt.objects.filter(message_id=letter.id, outcome__in=("unsure", "unknown")).count()
    return unsure < MOST_UNSURE


def end_attempt(letter: Letter, outcome: str, *, now: datetime, code: str = "", reference: str = "") -> None:
    Attempt.objects.filter(message_id=letter.id, number=letter.attempt).update(
        ended_at=now, outcome=outcome, code=code[:80], reference=reference[:100]
    )


def finish(message_id: int, lease: str, state: str, *, now: datetime, reason: str = "") -> bool:
    """A final state, never left; body and destination go. False if the lease is no longer ours."""
    handed = sql.at(now) if state == State.HANDED else None
    return (
        sql.change(
            "UPDATE delivery_message SET state = %s, sealed = NULL, final_at = %s, handed_at = %s, reason = %s, lease_until = NULL "
            "WHERE id = %s AND state = 'sending' AND lease_by = %s",
            (state, sql.at(now), handed, reason[:80], message_id, lease),
        )
        == 1
    )


def later(letter: Letter, *, now: datetime, reason: str) -> bool:
    """Back to the queue with a growing pause; failed for good after MOST_ATTEMPTS."""
    if letter.attempt >= MOST_ATTEMPTS:
        return finish(letter.id, letter.lease, State.FAILED, now=now, reason=reason)
    pause = timedelta(seconds=_BACKOFF[min(letter.attempt, len(_BACKOFF)) - 1])
    return (
        sql.change(
            "UPDATE delivery_message SET state = 'queued', not_before = %s, lease_until = NULL, reason = %s "
            "WHERE id = %s AND state = 'sending' AND lease_by = %s",
            (sql.at(now + pause), reason[:80], letter.id, letter.lease),
        )
        == 1
    )


def waiting() -> dict[str, int]:
    """How many messages stand in each state that is not final."""
    return dict(
        sql.rows(
            "SELECT state, COUNT(*) FROM delivery_message WHERE state IN ('queued', 'sending') GROUP BY state"
        )
    )


def _open(row: tuple, lease: str) -> Letter | None:
    (
        row_id,
        uid,
        purpose,
        channel,
        language,
        person_id,
        temporary_id,
        sealed,
        lifetime,
        expires_at,
        deadline,
        attempts,
    ) = row
    try:
        body = json.loads(seal.data_keys().open(sealed or b"", place=_place(uid)))
    except (seal.SealBroken, ValueError):
        return None
    return Letter(
        row_id,
        uid,
        purpose,
        channel,
        language,
        person_id,
        temporary_id,
        body["to"],
        body["values"],
        timedelta(seconds=lifetime) if lifetime else None,
        sql.moment(expires_at),
        sql.moment(deadline),
        attempts,
        lease,
    )


def _place(uid: str) -> str:
    return f"message|{uid}"


def about(person_id: int, *, purpose: str, since: datetime) -> list[tuple[str, str]]:
    """(what it is about, state) of the person's messages of one purpose, oldest first."""
    return sql.rows(
        "SELECT about, state FROM delivery_message WHERE person_id = %s AND purpose = %s AND created_at >= %s ORDER BY id",
        (person_id, purpose, sql.at(since)),
    )


@dataclass(frozen=True)
class Handed:
    """What is known of a message after it left: whose it is, and who took it under which name."""

    person_id: int
    purpose: str
    channel: str
    created_at: datetime
    carrier: str
    reference: str


def handed(uid: str) -> Handed | None:
    """The message `uid` with its newest attempt. A report may come before the attempt is settled: any outcome will do."""
    row = sql.row(
        "SELECT m.person_id, m.purpose, m.channel, m.created_at, a.carrier, a.reference FROM delivery_message m "
        "JOIN delivery_attempt a ON a.message_id = m.id WHERE m.uid = %s ORDER BY a.number DESC LIMIT 1",
        (uid,),
    )
    return Handed(*row[:3], sql.moment(row[3]), *row[4:]) if row else None
