"""Receipts: what providers tell after they have accepted a message.

A receipt is stored before the provider is told that it was received. One that fits nothing yet stays unmatched: it
may have come before the provider's own answer was written, or the worker died between hand-over and answer. Then it
is the answer (reconciliation), and no twin is sent."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from massar.core import sql
from massar.domain.delivery import counters, outbox, receipt_match, wording
from massar.domain.delivery.provider import DELIVERED, FAILED, UNDERWAY, Receipt

RETURNED = "returned"
alike = receipt_match.alike
MOST_EARLY = timedelta(minutes=10)  # a receipt may come before the answer is written, but not by more
_UNTOLD = "state IN ('', 'underway')"
# As in the index by destination, which SQLite takes for the same words only.
_UNDER_WAY = "state IN ('queued', 'sending', 'awaiting_receipt')"
# Of the newest accepted attempt: what an earlier provider said was dealt with when the message went on.
_NEWEST = "p.number = (SELECT MAX(q.number) FROM delivery_part q WHERE q.message_id = m.id)"


class MessageStatus(NamedTuple):
    """What became known of one message. state: DELIVERED (all its segments), or FAILED with the provider's code."""

    message_id: int
    uid: str
    person_id: int
    purpose: str
    channel: str
    provider: str
    state: str
    code: str
    expires_at: datetime | None
    deadline: datetime
    submitted_at: datetime


class _Unmatched(NamedTuple):
    """An unmatched receipt, and the segment or the attempt without an answer that it may be about."""

    id: int
    provider: str
    reference: str
    uid: str
    state: str
    code: str
    to_hmac: str
    message_id: int = 0
    number: int = 0
    part: int = 0
    channel: str = ""
    purpose: str = ""
    language: str = ""


_UNMATCHED = "SELECT s.id, s.provider, s.reference, s.uid, s.state, s.code, s.to_hmac"


def store(told: Sequence[tuple[Receipt, str]], *, now: datetime) -> list[MessageStatus]:
    """Take (receipt, uid of the message or '') in the caller's transaction; return what is new about whole messages. A
    repeat changes nothing. Those that name their message are looked up together, in a few statements; `uid` helps where
    a provider's receipt has no name of its own."""
    key_of = receipt_match.key_of
    named = [one for one, uid in told if one.reference and not uid and one.state in (DELIVERED, FAILED)]
    by_name = receipt_match.find([key_of(one) for one in named], now=now)
    meant = [(one, "", segments) for one, segments in zip(named, by_name, strict=True)]
    for one, uid in told:
        if uid or not one.reference:
            meant.append((one, uid, receipt_match.find_one(key_of(one), uid, now=now)))
    for one, uid, segments in meant:
        if not segments and not (uid and _came_back(one, uid)):
            _keep_unmatched(one, uid, now)
    return _news(_tell_segments([(segment, one) for one, _, segments in meant for segment in segments], now))


def match_unmatched(*, now: datetime) -> list[MessageStatus]:
    """Unmatched receipts whose segment is known by now: by the provider's name for it, or by ours where it has none.
    What was told long before the segment left is about another one of that name."""
    columns = f"{_UNMATCHED}, p.id AS part, p.message_id FROM delivery_unmatchedreceipt s"
    found = sql.select(
        _Unmatched,
        # SQLite goes in this order.
        f"{columns} CROSS JOIN delivery_part p JOIN delivery_message m ON m.id = p.message_id "
        f"WHERE p.provider = s.provider AND p.reference = s.reference AND s.reference <> '' AND p.{_UNTOLD} "
        f"AND {sql.seconds_between('s.at', 'p.sent_at')} < %s "
        "ORDER BY s.id, CASE WHEN m.to_hmac = s.to_hmac THEN 0 ELSE 1 END, p.id DESC LIMIT 500",
        (MOST_EARLY.total_seconds(),),
    ) + sql.select(
        _Unmatched,
        f"{columns} JOIN delivery_message m ON m.uid = s.uid "
        "JOIN delivery_part p ON p.message_id = m.id AND p.provider = s.provider AND p.reference IN ('', s.reference) "
        f"WHERE s.uid <> '' AND p.{_UNTOLD} ORDER BY s.id LIMIT 500",
    )
    changed = set()
    for one in found:
        told = sql.execute(
            f"UPDATE delivery_part SET state = %s, code = %s, told_at = %s WHERE id = %s AND {_UNTOLD} "
            "AND EXISTS (SELECT 1 FROM delivery_unmatchedreceipt WHERE id = %s)",
            (one.state, one.code, sql.at(now), one.part, one.id),
        )
        _forget_unmatched(one.id)
        changed |= {one.message_id} if told else set()
    return _news(changed | _tell_spelt_otherwise(now))


def _tell_spelt_otherwise(now: datetime) -> set[int]:
    """Unmatched receipts of the last minutes whose segment is known by now, but by another spelling of the name."""
    waiting = sql.select(
        _Unmatched,
        f"{_UNMATCHED} FROM delivery_unmatchedreceipt s WHERE at > %s AND reference <> '' ORDER BY id DESC LIMIT 100",
        (sql.at(now - MOST_EARLY),),
    )
    asked = [receipt_match.ReceiptKey(one.provider, one.reference, one.to_hmac) for one in waiting]
    found = []
    for one, segments in zip(waiting, receipt_match.find(asked, now=now), strict=True):
        if segments:
            found += [(segment, Receipt(one.provider, one.reference, one.state, one.code)) for segment in segments]
            _forget_unmatched(one.id)
    return _tell_segments(found, now)


_UNANSWERED = (
    f"{_UNMATCHED}, m.id AS message_id, a.number, m.channel, m.purpose, m.language "
    "FROM delivery_unmatchedreceipt s JOIN delivery_message m ON {same} "
    "JOIN delivery_attempt a ON a.message_id = m.id AND a.number = m.attempts AND a.provider = s.provider "
    "WHERE {told} AND s.at >= a.started_at "
    "AND ((m.state = 'sending' AND a.outcome = '' AND m.lease_until <= %s) "
    "  OR (m.state = 'queued' AND a.outcome IN ('outcome_unknown', 'interrupted'))) {alone} ORDER BY s.id LIMIT 100"
)
_BY_DESTINATION = _UNANSWERED.format(
    same=f"m.to_hmac = s.to_hmac AND m.{_UNDER_WAY}",
    told="s.to_hmac <> '' AND s.reference <> '' AND s.uid = ''",
    alone=f"AND NOT EXISTS (SELECT 1 FROM delivery_message o WHERE o.to_hmac = s.to_hmac AND o.{_UNDER_WAY} "
    "AND o.id <> m.id AND o.state <> 'queued')",
)
_BY_OUR_NAME = _UNANSWERED.format(same="m.uid = s.uid", told="s.uid <> ''", alone="")


def reconcile(*, price: Callable[[str], int], now: datetime) -> list[MessageStatus]:
    """Unmatched receipts that are the missing answer to an attempt, which then counts as accepted; no twin is sent.
    Same provider, told after the attempt began, and our own name for the message; or the same destination, if no other
    message is under way to it. `price`: of a segment, by provider. Segments are taken as the most of its kind: the text
    is not written again."""
    lapses = (sql.at(now + outbox.GRACE),)
    reconciled: set[int] = set()
    for one in sql.select(_Unmatched, _BY_OUR_NAME, lapses) + sql.select(_Unmatched, _BY_DESTINATION, lapses):
        if one.message_id not in reconciled:
            taken = sql.execute(
                "UPDATE delivery_message SET state = 'awaiting_receipt', provider = %s, submitted_at = %s, "
                "lease_until = NULL, lease_by = '' WHERE id = %s AND state IN ('sending', 'queued') AND attempts = %s",
                (one.provider, sql.at(now), one.message_id, one.number),
            )
            if not taken:
                continue
            sql.execute(
                "UPDATE delivery_attempt SET outcome = 'reconciled', ended_at = %s "
                "WHERE message_id = %s AND number = %s",
                (sql.at(now), one.message_id, one.number),
            )
            reconciled.add(one.message_id)
            segments = wording.most_segments(one.purpose, one.language) if one.channel == "sms" else 0
            cost = segments * price(one.provider)
            outbox.bill(one.message_id, segments, cost)
            counters.add(counters.count_accepted(one.channel, one.provider, "reconciled", segments, cost))
        sql.execute(
            "INSERT INTO delivery_part (provider, reference, message_id, number, sent_at, state, code, told_at) "
            "SELECT %s, %s, message_id, number, started_at, %s, %s, %s FROM delivery_attempt "
            "WHERE message_id = %s AND number = %s",
            (one.provider, one.reference, one.state, one.code, sql.at(now), one.message_id, one.number),
        )
        _forget_unmatched(one.id)
    return _news(reconciled)


def undelivered() -> list[MessageStatus]:
    """Messages that their newest provider said will not arrive, and that still wait for what is to be done about it."""
    found = sql.rows(
        "SELECT m.id FROM delivery_message m WHERE m.state = 'awaiting_receipt' AND EXISTS "
        f"(SELECT 1 FROM delivery_part p WHERE p.message_id = m.id AND {_NEWEST} AND p.state = 'failed') "
        "ORDER BY m.expires_at LIMIT 100"
    )
    return _news({message_id for (message_id,) in found})


def try_again(one: MessageStatus, *, now: datetime) -> bool:
    """A message that will not arrive by its provider goes back to the queue at once, for another."""
    touched = sql.execute(
        "UPDATE delivery_message SET state = 'queued', not_before = %s, reason = %s, submitted_at = NULL "
        "WHERE id = %s AND state = 'awaiting_receipt' AND ciphertext IS NOT NULL",
        (sql.at(now), f"not delivered: {one.code}"[:80], one.message_id),
    )
    return touched == 1


def providers_tried(message_id: int) -> set[str]:
    tried = sql.rows("SELECT DISTINCT provider FROM delivery_attempt WHERE message_id = %s", (message_id,))
    return {provider for (provider,) in tried}


def fail(one: MessageStatus, *, now: datetime) -> bool:
    touched = sql.execute(
        "UPDATE delivery_message SET state = 'failed', ciphertext = NULL, final_at = %s, reason = %s "
        "WHERE id = %s AND state = 'awaiting_receipt'",
        (sql.at(now), one.code[:80], one.message_id),
    )
    return touched == 1


def deliver(ones: list[MessageStatus], *, now: datetime) -> None:
    """Body and destination go; also a message whose end came before its receipt learns when it arrived."""
    if ones:
        which = f"id IN ({sql.placeholders(len(ones))})"
        params = [sql.at(now), *(one.message_id for one in ones)]
        sql.execute(
            "UPDATE delivery_message SET state = 'delivered', ciphertext = NULL, final_at = %s "
            f"WHERE state = 'awaiting_receipt' AND {which}",
            params,
        )
        sql.execute(f"UPDATE delivery_message SET delivered_at = %s WHERE delivered_at IS NULL AND {which}", params)


def end_silent(*, now: datetime) -> int:
    """Messages whose time is over without a word of the provider: handed over, and that is all we know."""
    return sql.execute(
        "UPDATE delivery_message SET state = 'submitted', ciphertext = NULL, final_at = %s "
        "WHERE state = 'awaiting_receipt' AND (expires_at <= %s OR (expires_at IS NULL AND deadline <= %s))",
        (sql.at(now), sql.at(now), sql.at(now)),
    )


def sweep(*, now: datetime, keep: timedelta) -> int:
    return sql.execute("DELETE FROM delivery_unmatchedreceipt WHERE at < %s", (sql.at(now - keep),))


def _tell_segments(found: list[tuple[receipt_match.Segment, Receipt]], now: datetime) -> set[int]:
    """Write what was told; return the messages of which something final is new. A final word is never taken back, but
    of several at once about a message of several SMS the bad one counts."""
    words: dict[int, Receipt] = {}
    for segment, receipt in found:
        before = words.get(segment.id)
        if before is None or before.state == UNDERWAY or (receipt.state == FAILED and segment.segments > 1):
            words[segment.id] = receipt
    if not words:
        return set()
    values = [value for one, r in words.items() for value in (one, r.state, r.code[:80])]
    told = sql.rows(
        "UPDATE delivery_part AS p SET state = v.column2, code = v.column3, told_at = %s "
        f"FROM (VALUES {sql.values(len(words), 3)}) AS v "
        f"WHERE p.id = v.column1 AND p.{_UNTOLD} RETURNING message_id, state",
        [sql.at(now), *values],
    )
    return {message_id for message_id, state in told if state in (DELIVERED, FAILED)}


def take_unmatched(provider: str, *, uid: str, references: set[str]) -> Receipt | None:
    """Takes away a receipt that belongs to no message of the outbox: an operator's trial."""
    newest = f"{_UNMATCHED} FROM delivery_unmatchedreceipt s WHERE provider = %s ORDER BY id DESC LIMIT 1000"
    for one in sql.select(_Unmatched, newest, (provider,)):
        if one.uid == uid or (one.reference and alike(one.reference, references)):
            _forget_unmatched(one.id)
            return Receipt(provider, one.reference, one.state, one.code)
    return None


def _came_back(receipt: Receipt, uid: str) -> bool:
    """Mail for which no receipt was to come, and which is returned: its state is final, what is known of it is not."""
    return receipt.state == FAILED and bool(
        sql.execute(
            "UPDATE delivery_message SET reason = %s WHERE uid = %s AND state = 'submitted'",
            (f"{RETURNED}: {receipt.code}"[:80], uid),
        )
    )


def _keep_unmatched(receipt: Receipt, uid: str, now: datetime) -> None:
    if receipt.state in (DELIVERED, FAILED):
        key = receipt_match.key_of(receipt)
        sql.execute(
            "INSERT INTO delivery_unmatchedreceipt (provider, reference, uid, state, code, to_hmac, at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (provider, reference, uid, state) DO NOTHING",
            (key.provider, key.reference, uid[:22], receipt.state, receipt.code[:80], key.to_hmac, sql.at(now)),
        )


def _forget_unmatched(number: int) -> None:
    sql.execute("DELETE FROM delivery_unmatchedreceipt WHERE id = %s", (number,))


def _news(message_ids: set[int]) -> list[MessageStatus]:
    """Whole messages among them about which all, or the worst, is known: of the newest accepted attempt alone."""
    if not message_ids:
        return []
    whole = "m.id, m.uid, m.person_id, m.purpose, m.channel, p.provider, m.expires_at, m.deadline, m.submitted_at"
    parts = (
        "SUM(CASE WHEN p.state = 'delivered' THEN 1 ELSE 0 END) AS delivered, "
        "SUM(CASE WHEN p.state = 'failed' THEN 1 ELSE 0 END) AS failed, "
        "COALESCE(MAX(CASE WHEN p.state = 'failed' THEN p.code END), '') AS code, COUNT(*) AS parts"
    )
    return sql.select(
        MessageStatus,
        "SELECT id AS message_id, uid, person_id, purpose, channel, provider, "
        f"CASE WHEN failed > 0 THEN '{FAILED}' ELSE '{DELIVERED}' END AS state, code, expires_at, deadline, "
        f"submitted_at FROM (SELECT {whole}, {parts} FROM delivery_message m JOIN delivery_part p "
        f"ON p.message_id = m.id WHERE m.id IN ({sql.placeholders(len(message_ids))}) AND m.delivered_at IS NULL "
        f"AND {_NEWEST} GROUP BY {whole}) AS told WHERE failed > 0 OR delivered = parts",
        sorted(message_ids),
    )
