"""Receipts: what carriers tell after they have accepted a message.

A receipt is stored before the carrier is told that it was received. One that fits nothing yet stays as a stray: it may
have come before the carrier's own answer was written, or the worker died between hand-over and answer. Then it is the
answer (adoption), and no twin is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from massar.core import sql
from massar.domain.delivery import counters, outbox, wording
from massar.domain.delivery.carriers.base import DELIVERED, FAILED, Receipt

RETURNED = "returned"
STRAYS_KEPT = timedelta(days=3)


@dataclass(frozen=True)
class Told:
    """What became known of one message. state: DELIVERED (all its segments), or FAILED with the carrier's code."""

    message_id: int
    uid: str
    person_id: int
    purpose: str
    channel: str
    carrier: str
    state: str
    code: str
    expires_at: datetime | None
    deadline: datetime
    handed_at: datetime


def store(told: Iterable[tuple[Receipt, str]], *, now: datetime) -> list[Told]:
    """Takes (receipt, uid of the message or '') in one transaction of the caller's; returns what is new about whole messages.

    A repeat changes nothing. `uid` helps where a carrier's receipt has no name of its own.
    """
    changed: set[int] = set()
    for receipt, uid in told:
        found = _find(receipt, uid)
        if found is None:
            if not _came_back(receipt, uid):
                _keep_stray(receipt, uid, now)
        elif _tell_part(found[0], receipt, now):
            changed.add(found[1])
    return _news(changed)


def store_by_reference(told: list[Receipt], *, now: datetime) -> list[Told]:
    """As `store` for many receipts that name their message, in a few statements."""
    latest = {(r.carrier, r.reference): r for r in told if r.state in (DELIVERED, FAILED)}
    if not latest:
        return []
    values = [v for r in latest.values() for v in (r.carrier, r.reference[:100], r.state, r.code[:80])]
    found = sql.rows(
        "UPDATE delivery_part AS p SET state = v.column3, code = v.column4, told_at = %s "
        f"FROM (VALUES {sql.marks(len(latest), 4)}) AS v "
        "WHERE p.carrier = v.column1 AND p.reference = v.column2 AND p.state IN ('', 'underway') "
        "RETURNING message_id, carrier, reference",
        [sql.at(now), *values],
    )
    known = {(row[1], row[2]) for row in found}
    for key in latest.keys() - known:
        if not _was_told(*key):
            _keep_stray(latest[key], "", now)
    return _news({row[0] for row in found})


def match_strays(*, now: datetime) -> list[Told]:
    """Strays whose segment is known by now: by the carrier's name for it, or by ours where it has none."""
    columns = "SELECT s.id, p.id, p.message_id, s.state, s.code FROM delivery_strayreceipt s "
    found = sql.rows(
        f"{columns} JOIN delivery_part p ON p.carrier = s.carrier AND p.reference = s.reference "
        "WHERE s.reference <> '' AND p.state IN ('', 'underway') ORDER BY s.id LIMIT 500"
    ) + sql.rows(
        f"{columns} JOIN delivery_message m ON m.uid = s.uid "
        "JOIN delivery_part p ON p.message_id = m.id AND p.carrier = s.carrier AND p.reference IN ('', s.reference) "
        "WHERE s.uid <> '' AND p.state IN ('', 'underway') ORDER BY s.id LIMIT 500"
    )
    for stray, part, _, state, code in found:
        sql.change(
            "UPDATE delivery_part SET state = %s, code = %s, told_at = %s WHERE id = %s AND state IN ('', 'underway')",
            (state, code, sql.at(now), part),
        )
        sql.change("DELETE FROM delivery_strayreceipt WHERE id = %s", (stray,))
    return _news({row[2] for row in found})


_UNDER_WAY = "state IN ('queued', 'sending', 'sent')"  # as in the index by destination: SQLite takes it for the same words
_UNANSWERED = (
    "SELECT s.id, s.carrier, s.reference, s.state, s.code, m.id, a.number, m.channel, m.purpose, m.language "
    "FROM delivery_strayreceipt s "
    "JOIN delivery_message m ON {same} "
    "JOIN delivery_attempt a ON a.message_id = m.id AND a.number = m.attempts AND a.carrier = s.carrier "
    "WHERE {told} AND s.at >= a.started_at "
    "AND ((m.state = 'sending' AND a.outcome = '' AND m.lease_until <= %s) "
    "  OR (m.state = 'queued' AND a.outcome IN ('unsure', 'unknown'))) {alone} ORDER BY s.id LIMIT 100"
)
_BY_DESTINATION = _UNANSWERED.format(
    same=f"m.to_tag = s.to_tag AND m.{_UNDER_WAY}",
    told="s.to_tag <> '' AND s.reference <> '' AND s.uid = ''",
    alone=f"AND NOT EXISTS (SELECT 1 FROM delivery_message o WHERE o.to_tag = s.to_tag AND o.{_UNDER_WAY} AND o.id <> m.id "
    "AND o.state <> 'queued')",
)
_BY_OUR_NAME = _UNANSWERED.format(same="m.uid = s.uid", told="s.uid <> ''", alone="")


def adopt(*, price: Callable[[str], int], now: datetime) -> list[Told]:
    """Strays that are the missing answer to an attempt, which then counts as accepted; no twin is sent.

    Same carrier, told after the attempt began, and our own name for the message; or the same destination, if no other
    message is under way to it. `price`: of a segment, by carrier. Segments are taken as the most of its kind: the text
    is not written again.
    """
    lapses = (sql.at(now + outbox.GRACE),)
    adopted: set[int] = set()
    for row in sql.rows(_BY_OUR_NAME, lapses) + sql.rows(_BY_DESTINATION, lapses):
        stray, carrier, reference, state, code, message_id, number, channel, *kind = row
        if message_id not in adopted:
            if not _adopt(carrier, message_id, number, now):
                continue
            adopted.add(message_id)
            segments = wording.most_segments(*kind) if channel == "sms" else 0
            outbox.bill(message_id, segments, segments * price(carrier))
            counters.add(counters.of_accepted(channel, carrier, "adopted", segments, segments * price(carrier)))
        sql.change(
            "INSERT INTO delivery_part (carrier, reference, message_id, number, sent_at, state, code, told_at) "
            "SELECT %s, %s, message_id, number, started_at, %s, %s, %s FROM delivery_attempt "
            "WHERE message_id = %s AND number = %s",
            (carrier, reference, state, code, sql.at(now), message_id, number),
        )
        sql.change("DELETE FROM delivery_strayreceipt WHERE id = %s", (stray,))
    return _news(adopted)


def _adopt(carrier: str, message_id: int, number: int, now: datetime) -> bool:
    taken = sql.change(
        "UPDATE delivery_message SET state = 'sent', carrier = %s, handed_at = %s, lease_until = NULL, lease_by = '' "
        "WHERE id = %s AND state IN ('sending', 'queued') AND attempts = %s",
        (carrier, sql.at(now), message_id, number),
    )
    if taken:
        sql.change(
            "UPDATE delivery_attempt SET outcome = 'adopted', ended_at = %s WHERE message_id = %s AND number = %s",
            (sql.at(now), message_id, number),
        )
    return taken == 1


# Of the newest accepted attempt: what an earlier carrier said was dealt with when the message went on.
_NEWEST = "p.number = (SELECT MAX(q.number) FROM delivery_part q WHERE q.message_id = m.id)"


def undelivered() -> list[Told]:
    """Messages that their newest carrier said will not arrive, and that still wait for what is to be done about it."""
    found = sql.rows(
        "SELECT m.id FROM delivery_message m WHERE m.state = 'sent' AND EXISTS "
        f"(SELECT 1 FROM delivery_part p WHERE p.message_id = m.id AND {_NEWEST} AND p.state = 'failed') "
        "ORDER BY m.expires_at LIMIT 100"
    )
    return _news({row[0] for row in found})


def try_again(one: Told, *, now: datetime) -> bool:
    """A message that will not arrive by its carrier goes back to the queue at once, for another."""
    return (
        sql.change(
            "UPDATE delivery_message SET state = 'queued', not_before = %s, reason = %s, handed_at = NULL "
            "WHERE id = %s AND state = 'sent' AND sealed IS NOT NULL",
            (sql.at(now), f"not delivered: {one.code}"[:80], one.message_id),
        )
        == 1
    )


def carriers_tried(message_id: int) -> set[str]:
    return {
        row[0]
        for row in sql.rows("SELECT DISTINCT carrier FROM delivery_attempt WHERE message_id = %s", (message_id,))
    }


def fail(one: Told, *, now: datetime) -> bool:
    return _end(one.message_id, "failed", one.code, now)


def deliver(ones: list[Told], *, now: datetime) -> None:
    """Body and destination go; also a message whose end came before its receipt learns when it arrived."""
    if ones:
        which = sql.one_of(len(ones))
        numbers = [one.message_id for one in ones]
        sql.change(
            "UPDATE delivery_message SET state = 'delivered', sealed = NULL, final_at = %s "
            f"WHERE state = 'sent' AND id IN ({which})",
            [sql.at(now), *numbers],
        )
        sql.change(
            f"UPDATE delivery_message SET delivered_at = %s WHERE delivered_at IS NULL AND id IN ({which})",
            [sql.at(now), *numbers],
        )


def end_silent(*, now: datetime) -> int:
    """Messages whose time is over without a word of the carrier: handed over, and that is all we know."""
    return sql.change(
        "UPDATE delivery_message SET state = 'handed', sealed = NULL, final_at = %s WHERE state = 'sent' "
        "AND (expires_at <= %s OR (expires_at IS NULL AND deadline <= %s))",
        (sql.at(now), sql.at(now), sql.at(now)),
    )


def sweep(*, now: datetime) -> int:
    return sql.change("DELETE FROM delivery_strayreceipt WHERE at < %s", (sql.at(now - STRAYS_KEPT),))


def _end(message_id: int, state: str, reason: str, now: datetime) -> bool:
    return (
        sql.change(
            "UPDATE delivery_message SET state = %s, sealed = NULL, final_at = %s, reason = %s WHERE id = %s AND state = 'sent'",
            (state, sql.at(now), reason[:80], message_id),
        )
        == 1
    )


def _find(receipt: Receipt, uid: str) -> tuple[int, int] | None:
    """(segment, message): by the carrier's name for it, newest first, for some reuse names; else by our own."""
    if receipt.reference:
        found = sql.row(
            "SELECT id, message_id FROM delivery_part WHERE carrier = %s AND reference = %s ORDER BY id DESC LIMIT 1",
            (receipt.carrier, receipt.reference[:100]),
        )
        if found:
            return found
    if not uid:
        return None
    # A segment that has another name of its own is about something else.
    nameless = "AND p.reference = '' " if receipt.reference else ""
    return sql.row(
        "SELECT p.id, p.message_id FROM delivery_part p JOIN delivery_message m ON m.id = p.message_id "
        f"WHERE p.carrier = %s AND m.uid = %s {nameless}ORDER BY p.id DESC LIMIT 1",
        (receipt.carrier, uid),
    )


def _tell_part(part_id: int, receipt: Receipt, now: datetime) -> bool:
    """A final word is never taken back; True for a new one."""
    told = sql.change(
        "UPDATE delivery_part SET state = %s, code = %s, told_at = %s WHERE id = %s AND state IN ('', 'underway')",
        (receipt.state, receipt.code[:80], sql.at(now), part_id),
    )
    return told == 1 and receipt.state in (DELIVERED, FAILED)


def take_stray(carrier: str, *, uid: str, references: set[str]) -> Receipt | None:
    """Takes away a receipt that belongs to no message of the outbox: an operator's trial."""
    named = sorted(references - {""})
    by_name = f"OR reference IN ({sql.one_of(len(named))})" if named else ""
    found = sql.row(
        f"SELECT id, reference, state, code FROM delivery_strayreceipt WHERE carrier = %s AND (uid = %s {by_name}) LIMIT 1",
        [carrier, uid, *named],
    )
    if found is None:
        return None
    sql.change("DELETE FROM delivery_strayreceipt WHERE id = %s", (found[0],))
    return Receipt(carrier, *found[1:])


def _came_back(receipt: Receipt, uid: str) -> bool:
    """Mail for which no receipt was to come, and which is returned: its state is final, what is known of it is not."""
    return receipt.state == FAILED and bool(
        sql.change(
            "UPDATE delivery_message SET reason = %s WHERE uid = %s AND state = 'handed'",
            (f"{RETURNED}: {receipt.code}"[:80], uid),
        )
    )


def _was_told(carrier: str, reference: str) -> bool:
    return (
        sql.row("SELECT 1 FROM delivery_part WHERE carrier = %s AND reference = %s LIMIT 1", (carrier, reference[:100]))
        is not None
    )


def _keep_stray(receipt: Receipt, uid: str, now: datetime) -> None:
    if receipt.state not in (DELIVERED, FAILED):
        return
    sql.change(
        "INSERT INTO delivery_strayreceipt (carrier, reference, uid, state, code, to_tag, at) VALUES (%s, %s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (carrier, reference, uid, state) DO NOTHING",
        (
            receipt.carrier,
            receipt.reference[:100],
            uid[:22],
            receipt.state,
            receipt.code[:80],
            outbox.to_tag(receipt.to) if receipt.to else "",
            sql.at(now),
        ),
    )


def _news(message_ids: set[int]) -> list[Told]:
    """Whole messages among them about which all, or the worst, is known: of the newest accepted attempt alone."""
    if not message_ids:
        return []
    ordered = sorted(message_ids)
    found = sql.rows(
        "SELECT m.id, m.uid, m.person_id, m.purpose, m.channel, p.carrier, m.expires_at, m.deadline, m.handed_at, "
        "COUNT(*), SUM(CASE WHEN p.state = 'delivered' THEN 1 ELSE 0 END), "
        "MAX(CASE WHEN p.state = 'failed' THEN p.code END), SUM(CASE WHEN p.state = 'failed' THEN 1 ELSE 0 END) "
        "FROM delivery_message m JOIN delivery_part p ON p.message_id = m.id "
        f"WHERE m.id IN ({sql.one_of(len(ordered))}) AND m.delivered_at IS NULL "
        f"AND {_NEWEST} "
        "GROUP BY m.id, m.uid, m.person_id, m.purpose, m.channel, p.carrier, m.expires_at, m.deadline, m.handed_at",
        ordered,
    )
    news = []
    for *facts, expires_at, deadline, handed_at, parts, delivered, code, failed in found:
        state = FAILED if failed else DELIVERED if delivered == parts else ""
        if state:
            news.append(Told(*facts, state, code or "", *map(sql.moment, (expires_at, deadline, handed_at))))
    return news
