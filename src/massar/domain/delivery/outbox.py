"""The outbox: a message stands in the same transaction as what it tells, and leaves under a lease.

    queued --claim, attempt row--> sending --accepted--> submitted; awaiting_receipt where the provider will tell more
                                      |----temporary refusal, not transmitted, outcome unknown, lapsed lease--> queued
                                      |----permanent refusal, or too many attempts--> failed
    awaiting_receipt --delivered--> delivered
                     |----it will not arrive--> queued (another provider), or failed
                     |----no word before its end--> submitted
    queued, sending --too late--> expired          queued, sending --no longer wanted--> cancelled

Final rows (submitted, delivered, failed, expired, cancelled) keep neither body nor destination."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from massar.core import encryption, ids, sql, text
from massar.domain.delivery.models import Attempt, Message

State = Message.State
FINAL = (State.SUBMITTED, State.DELIVERED, State.FAILED, State.EXPIRED, State.CANCELLED)
MOVES = {
    State.QUEUED: {State.SENDING, State.EXPIRED, State.CANCELLED},
    State.SENDING: {State.QUEUED, State.AWAITING_RECEIPT, *FINAL} - {State.DELIVERED},
    State.AWAITING_RECEIPT: {State.QUEUED, State.SUBMITTED, State.DELIVERED, State.FAILED},
    **{state: set() for state in FINAL},
}
LEASE = timedelta(seconds=90)  # until the provider is chosen, whose longest call then counts
GRACE = timedelta(seconds=8)  # in which a receipt may still tell what became of an attempt without an answer
MOST_ATTEMPTS = 120  # the deadline ends a message long before; this bounds what a deadly one can do to workers
MOST_UNSURE = 3  # it left us and nobody answered: a twin is harmless, a dozen is not
STOP_BEFORE = timedelta(seconds=30)  # a secret that ends in less is of no use to the person
MOST_FAULTS = 5  # attempts of one message that met a fault of ours
BACKOFF = (2, 5, 10, 20, 40, 60, 60, 120, 300, 600, 1800)  # seconds
OPEN = "state IN ('queued', 'sending')"  # as in the index of claims, which SQLite takes for the same words only
UNREADABLE = "can't be opened"  # the reason of a row that was changed
KEY_MISSING = "its key is not here"  # the reason of one that waits for a worker with its key
KEY_PAUSE = timedelta(seconds=15)
FAULT = "fault: "  # begins the reason where something of ours went wrong, each time it was tried
_BLOCK_DIGITS = 3  # a block of 1 000 numbers: what toll fraud takes its numbers from
_FILLED = (
    "uid, purpose, channel, language, person_id, temporary_id, about, priority, not_before, deadline, created_at, "
    "expires_at, lifetime, ciphertext, masked, to_hmac, block_hmac, block_ciphertext"
)
# In plain SQL: a sign-in on a new device puts a notice or two, and Django's models took as long as half a hash for it.
_PUT = (
    f"INSERT INTO delivery_message ({_FILLED}, state, provider, segments, cost, attempts, lease_by, reason, turn) "
    f"VALUES ({sql.placeholders(18)}, 'queued', '', 0, 0, 0, '', '', "
    f"(SELECT COUNT(*) FROM delivery_message WHERE person_id = %s AND channel = %s AND {OPEN}))"
)
# What the owner may read on the devices page; a site's address is no secret, but `about` names it.
_MASKS: dict[str, Callable[[str], str]] = {"sms": text.masked_phone, "email": text.masked_email}


@dataclass(frozen=True)
class QueuedMessage:
    """A claimed message, opened. `values` fill the wording; `expires_at` None until fixed at the first attempt.
    `lifetime` in seconds. `tried`: the providers of earlier attempts, oldest first."""

    id: int
    uid: str
    purpose: str
    channel: str
    language: str
    person_id: int
    temporary_id: int | None
    lifetime: int | None
    expires_at: datetime | None
    deadline: datetime
    attempt: int
    created_at: datetime
    lease: str
    priority: int
    turn: int
    ciphertext: bytes | None = field(default=None, repr=False)
    to: str = field(default="", repr=False)
    values: dict[str, Any] = field(default_factory=dict, repr=False)
    tried: tuple[str, ...] = ()

    def too_late(self, now: datetime) -> bool:
        return now >= (min(self.expires_at - STOP_BEFORE, self.deadline) if self.expires_at else self.deadline)


def put(
    *, purpose: str, channel: str, language: str, person_id: int, to: str, values: Mapping[str, Any], now: datetime,
    within: timedelta, lifetime: timedelta | None = None, expires_at: datetime | None = None,
    temporary_id: int | None = None, priority: int = 5, about: str = "",
) -> str:  # fmt: skip
    """Add a message; return its uid. `within`: how long it may wait to be handed over at all. Its turn, which is how
    many of the person's messages wait there already, is counted by the statement that adds it."""
    uid, keys = ids.short_token(), encryption.data_keys()
    body = json.dumps({"to": to, "values": dict(values)}, ensure_ascii=False).encode()
    block = to[:-_BLOCK_DIGITS] if channel == "sms" else ""
    row = (
        uid, purpose, channel, language, person_id, temporary_id, about, priority,
        sql.at(now), sql.at(now + within), sql.at(now), sql.at(expires_at),
        int(lifetime.total_seconds()) if lifetime else None,
        keys.encrypt(body, associated_data=f"message|{uid}"),
        _MASKS[channel](to) if channel in _MASKS else "",
        to_hmac(to),
        block_hmac(to) if block else "",
        keys.encrypt(block.encode(), associated_data=f"message-block|{uid}") if block else None,
    )  # fmt: skip
    sql.execute(_PUT, (*row, person_id, channel))
    return uid


def to_hmac(to: str) -> str:
    """Finds messages and receipts for the same destination."""
    return encryption.data_keys().blind_index("destination", to)


def block_hmac(number: str) -> str:
    """Finds messages to the same block of 1 000 numbers."""
    return encryption.data_keys().blind_index("block", number[:-_BLOCK_DIGITS])


def block_of(uid: str, ciphertext: bytes) -> str:
    """The readable beginning of the numbers of a block, as `+212661123`; `?` if it can't be opened."""
    try:
        return encryption.data_keys().decrypt(ciphertext, associated_data=f"message-block|{uid}").decode()
    except encryption.DecryptionFailed:
        return "?"


def claim(
    most: int, *, channel: str, now: datetime, besides: Sequence[str] = (), due_by: datetime | None = None
) -> list[QueuedMessage]:
    """Up to `most` due messages under one lease, most urgent first, then everybody's first before anybody's second.
    What was changed is failed at once. What stands under a key that this process lacks stays in the queue, while
    there is time, for another worker or for the key: the try does not count.

    besides: what messages may be about that stay where they are, unless their time is over. due_by: only what could
    have been claimed since then, or whose time is over.

    Messages are picked in a WITH, which runs once. A SELECT inside IN may run again for each row: each time it skips
    what is claimed already and finds `most` others."""
    which, params = "channel = %s", [channel]
    if due_by:
        which += " AND (not_before <= %s OR deadline <= %s OR expires_at <= %s)"
        params += [sql.at(due_by), sql.at(now), sql.at(now + STOP_BEFORE)]
    if besides:
        which += f" AND (about NOT IN ({sql.placeholders(len(besides))}) OR deadline <= %s)"
        params += [*besides, sql.at(now)]
    found = sql.select(
        QueuedMessage,
        f"WITH picked AS MATERIALIZED (SELECT id FROM delivery_message WHERE {OPEN} AND ((state = 'queued' AND "
        f"not_before <= %s) OR (state = 'sending' AND lease_until <= %s)) AND {which} "
        f"ORDER BY priority, turn, not_before, id LIMIT %s {sql.skip_locked()}) "
        "UPDATE delivery_message SET state = 'sending', lease_by = %s, lease_until = %s, attempts = attempts + 1 "
        "WHERE id IN (SELECT id FROM picked) RETURNING id, uid, purpose, channel, language, person_id, temporary_id, "
        "lifetime, expires_at, deadline, attempts AS attempt, created_at, lease_by AS lease, priority, turn, "
        "ciphertext",
        [sql.at(now), sql.at(now), *params, most, ids.short_token(), sql.at(now + LEASE)],
    )
    ordered = sorted(found, key=lambda row: (row.priority, row.turn, row.id))
    return _with_history([opened for sealed in ordered if (opened := _opened(sealed, now))])


def _opened(sealed: QueuedMessage, now: datetime) -> QueuedMessage | None:
    """None for what can't be opened: it was failed, or put back."""
    place, data = f"delivery_message {sealed.id}", f"message|{sealed.uid}"
    try:
        plain = encryption.open_row(sealed.ciphertext or b"", associated_data=data, row=place)
        body = json.loads(plain or b"")
        return replace(sealed, ciphertext=None, to=body["to"], values=body["values"])
    except encryption.KeyMissing:
        if sealed.too_late(now):
            finish(sealed.id, sealed.lease, State.EXPIRED, now=now, reason=KEY_MISSING)
        else:
            put_back([sealed], now=now, pause=KEY_PAUSE, reason=KEY_MISSING)
    except (KeyError, TypeError, ValueError):
        finish(sealed.id, sealed.lease, State.FAILED, now=now, reason=UNREADABLE)
    return None


def _with_history(messages: list[QueuedMessage]) -> list[QueuedMessage]:
    again = [message.id for message in messages if message.attempt > 1]
    if not again:
        return messages
    tried: dict[int, tuple[str, ...]] = {}
    for message_id, provider in sql.rows(
        f"SELECT message_id, provider FROM delivery_attempt WHERE message_id IN ({sql.placeholders(len(again))}) "
        "ORDER BY number",
        again,
    ):
        tried[message_id] = (*tried.get(message_id, ()), provider)
    return [replace(message, tried=tried.get(message.id, ())) for message in messages]


def fix_expiry(messages: list[QueuedMessage], expires_at: datetime) -> None:
    """The end of messages that had none: once, at the first attempt."""
    sql.execute(
        "UPDATE delivery_message SET expires_at = %s WHERE expires_at IS NULL AND id IN "
        f"({sql.placeholders(len(messages))})",
        [sql.at(expires_at), *(message.id for message in messages)],
    )


def begin_attempts(messages: list[QueuedMessage], provider: str, *, longest: timedelta, now: datetime) -> None:
    """The attempt rows, before the provider is called, and a lease that outlives its longest call. An attempt of an
    earlier lease without outcome was interrupted."""
    again = [message.id for message in messages if message.attempt > 1]
    if again:
        sql.execute(
            "UPDATE delivery_attempt SET outcome = 'interrupted', ended_at = %s "
            f"WHERE outcome = '' AND message_id IN ({sql.placeholders(len(again))})",
            [sql.at(now), *again],
        )
    sql.execute(
        "INSERT INTO delivery_attempt (message_id, number, provider, started_at, outcome, code, reference) "
        f"VALUES {sql.values(len(messages), 7)}",
        [v for message in messages for v in (message.id, message.attempt, provider, sql.at(now), "", "", "")],
    )
    sql.execute(
        f"UPDATE delivery_message SET lease_until = %s WHERE id IN ({sql.placeholders(len(messages))})",
        [sql.at(now + longest + GRACE), *(message.id for message in messages)],
    )


def may_repeat(message: QueuedMessage) -> bool:
    """Whether one more try is right after attempts that may have arrived, or that met a fault of ours."""
    outcomes = Counter(Attempt.objects.filter(message_id=message.id).values_list("outcome", flat=True))
    return outcomes["outcome_unknown"] + outcomes["interrupted"] < MOST_UNSURE and outcomes["fault"] < MOST_FAULTS


def end_attempt(message: QueuedMessage, outcome: str, *, now: datetime, code: str = "", reference: str = "") -> None:
    Attempt.objects.filter(message_id=message.id, number=message.attempt).update(
        ended_at=now, outcome=outcome, code=code[:80], reference=reference[:100]
    )


class Acceptance(NamedTuple):
    """A message that a provider accepted. `references`: its name, or that of each segment; none if it has none."""

    message: QueuedMessage
    provider: str
    references: tuple[str, ...]
    receipt: bool
    segments: int
    cost: int


def accept(taken: list[Acceptance], *, now: datetime) -> list[Acceptance]:
    """Settles what providers accepted, in three statements for all. Returns those whose lease was still ours. Attempt,
    segments and cost are kept whoever holds the lease now: it did leave, and is paid for. Once: who does not know
    whether the commit counted settles the same again; and what was reconciled meanwhile has been paid. Segments are
    kept only where a receipt is to come: it is found by their names, or by our own where the provider gave none."""
    if not taken:
        return []
    references = [v for one in taken for v in (one.message.id, one.message.attempt, (one.references or ("",))[0][:100])]
    ended: dict[int, str] = dict(
        sql.rows(
            "UPDATE delivery_attempt AS a SET "
            "outcome = CASE WHEN a.outcome = 'reconciled' THEN a.outcome ELSE 'accepted' END, "
            "ended_at = CASE WHEN a.outcome = 'reconciled' THEN a.ended_at ELSE %s END, "
            "reference = CASE WHEN a.outcome = 'reconciled' THEN a.reference ELSE v.column3 END "
            f"FROM (VALUES {sql.values(len(taken), 3)}) AS v WHERE a.message_id = v.column1 AND a.number = v.column2 "
            "AND a.outcome <> 'accepted' RETURNING message_id, outcome",
            [sql.at(now), *references],
        )
    )
    parts = [
        (one.provider, reference[:100], one.message.id, one.message.attempt, sql.at(now), "", "")
        for one in taken
        if one.receipt and one.message.id in ended
        for reference in one.references or ("",)
    ]
    if parts:
        sql.execute(
            "INSERT INTO delivery_part (provider, reference, message_id, number, sent_at, state, code) "
            f"VALUES {sql.values(len(parts), 7)}",
            [value for part in parts for value in part],
        )
    values: list[Any] = []
    for one in taken:
        state = State.AWAITING_RECEIPT if one.receipt else State.SUBMITTED
        values += [one.message.id, one.message.lease, state, one.provider, one.segments, one.cost]
    settled = sql.rows(
        "UPDATE delivery_message AS m SET state = v.column3, provider = v.column4, segments = m.segments + v.column5, "
        "cost = m.cost + v.column6, submitted_at = %s, lease_until = NULL, reason = '', "
        "ciphertext = CASE WHEN v.column3 = 'awaiting_receipt' THEN m.ciphertext ELSE NULL END, "
        "final_at = CASE WHEN v.column3 = 'awaiting_receipt' THEN NULL ELSE %s END "
        f"FROM (VALUES {sql.values(len(taken), 6)}) AS v "
        "WHERE m.id = v.column1 AND m.state = 'sending' AND m.lease_by = v.column2 RETURNING id",
        [sql.at(now), sql.at(now), *values],
    )
    ours = {message_id for (message_id,) in settled}
    for one in taken:
        if one.message.id not in ours and ended.get(one.message.id) == "accepted":
            bill(one.message.id, one.segments, one.cost)
    return [one for one in taken if one.message.id in ours]


def bill(message_id: int, segments: int, cost: int) -> None:
    """A provider takes money for it whatever became of the message."""
    sql.execute(
        "UPDATE delivery_message SET segments = segments + %s, cost = cost + %s WHERE id = %s",
        (segments, cost, message_id),
    )


def finish(message_id: int, lease: str, state: str, *, now: datetime, reason: str = "") -> bool:
    """A final state, never left; body and destination go. False if the lease is no longer ours."""
    handed = sql.at(now) if state == State.SUBMITTED else None
    changes = "state = %s, ciphertext = NULL, final_at = %s, submitted_at = %s"
    return _end_lease(message_id, lease, reason, changes, state, sql.at(now), handed)


def later(message: QueuedMessage, *, now: datetime, reason: str, pause: timedelta | None = None) -> bool:
    """Back to the queue: after `pause`, or one that grows with the attempts. Failed for good after MOST_ATTEMPTS."""
    if message.attempt >= MOST_ATTEMPTS:
        return finish(message.id, message.lease, State.FAILED, now=now, reason=reason)
    if pause is None:
        pause = timedelta(seconds=BACKOFF[min(message.attempt, len(BACKOFF)) - 1])
    return _end_lease(message.id, message.lease, reason, "state = 'queued', not_before = %s", sql.at(now + pause))


def put_back(messages: list[QueuedMessage], *, now: datetime, pause: timedelta, reason: str) -> None:
    """Claimed, but no provider may be spoken to now: the try does not count."""
    changes = "state = 'queued', not_before = %s, attempts = attempts - 1"
    for message in messages:
        _end_lease(message.id, message.lease, reason, changes, sql.at(now + pause))


def _end_lease(message_id: int, lease: str, reason: str, changes: str, *values: object) -> bool:
    touched = sql.execute(
        f"UPDATE delivery_message SET {changes}, reason = %s, lease_until = NULL "
        "WHERE id = %s AND state = 'sending' AND lease_by = %s",
        (*values, reason[:80], message_id, lease),
    )
    return touched == 1


def cancel_all(*, now: datetime, reason: str, about: str | None = None) -> int:
    """End all that has not left: body and destination go. What is being handed over in this moment may still arrive; it
    is not tried again. about: only what is about it."""
    which = "" if about is None else " AND about = %s"
    return sql.execute(
        "UPDATE delivery_message SET state = 'cancelled', ciphertext = NULL, final_at = %s, reason = %s, "
        f"lease_until = NULL WHERE {OPEN}{which}",
        (sql.at(now), reason, *([] if about is None else [about])),
    )


def oldest_urgent(channel: str) -> datetime | None:
    """When the message was put in that leaves next, if it is one that somebody waits for."""
    statement = (
        f"SELECT created_at FROM delivery_message WHERE {OPEN} AND channel = %s AND priority = 1 "
        "ORDER BY priority, turn, not_before, id LIMIT 1"
    )
    found = sql.row(statement, (channel,))
    return sql.moment(found[0]) if found else None


def waiting(channel: str, *, priority: int, most: int, besides: Sequence[str] = ()) -> int:
    """How many of that priority have not left yet, `most` at most. besides: as of `claim`."""
    others = f"AND about NOT IN ({sql.placeholders(len(besides))}) " if besides else ""
    statement = (
        f"SELECT COUNT(*) FROM (SELECT 1 FROM delivery_message WHERE {OPEN} AND channel = %s AND priority = %s "
        f"{others}LIMIT %s) AS waiting"
    )
    [(number,)] = sql.rows(statement, (channel, priority, *besides, most))
    return int(number)


def wake(reason: str, *, channel: str, about: str = "", at: datetime) -> None:
    """What was put back for that reason need not wait longer than until then. about: only what is about it."""
    sql.execute(
        f"UPDATE delivery_message SET not_before = %s WHERE {OPEN} AND state = 'queued' AND channel = %s AND "
        f"reason = %s AND not_before > %s{' AND about = %s' if about else ''}",
        [sql.at(at), channel, reason, sql.at(at), *([about] if about else [])],
    )


def used(person_id: int, purpose: str, *, to: str = "", temporary_id: int | None = None, now: datetime) -> None:
    """What the newest such message carried was typed in: it arrived and served (conversion)."""
    which, value = ("to_hmac", to_hmac(to)) if to else ("temporary_id", temporary_id)
    sql.execute(
        "UPDATE delivery_message SET used_at = %s WHERE used_at IS NULL AND id = ("
        f"SELECT MAX(id) FROM delivery_message WHERE person_id = %s AND purpose = %s AND {which} = %s)",
        (sql.at(now), person_id, purpose, value),
    )


def about(person_id: int, *, purpose: str, since: datetime) -> list[tuple[str, str]]:
    """(what it is about, state) of the person's messages of one purpose, oldest first."""
    return sql.rows(
        "SELECT about, state FROM delivery_message WHERE person_id = %s AND purpose = %s AND created_at >= %s "
        "ORDER BY id",
        (person_id, purpose, sql.at(since)),
    )


def sweep(*, now: datetime, keep: timedelta) -> int:
    """Forgets messages that ended long ago, with their attempts and segments."""
    old = now - keep
    return Message.objects.filter(created_at__lt=old, state__in=FINAL, final_at__lt=old).delete()[0]


class SubmittedMessage(NamedTuple):
    """What is known of a message after it left: whose it is, and who took it under which name."""

    person_id: int
    purpose: str
    channel: str
    created_at: datetime
    provider: str
    reference: str


def find_submitted(uid: str) -> SubmittedMessage | None:
    """The message `uid` with its newest attempt. A report may come before it is settled: any outcome will do."""
    return sql.select_one(
        SubmittedMessage,
        "SELECT m.person_id, m.purpose, m.channel, m.created_at, a.provider, a.reference FROM delivery_message m "
        "JOIN delivery_attempt a ON a.message_id = m.id WHERE m.uid = %s ORDER BY a.number DESC LIMIT 1",
        (uid,),
    )
