"""What carriers tell later about messages that they had accepted."""

import logging
from datetime import datetime

from massar.core import sql
from massar.domain.delivery.carriers.base import DELIVERED, FAILED, Receipt

note = logging.getLogger("massar.receipts")
_FINAL = {DELIVERED: "delivered", FAILED: "failed"}


def store(receipt: Receipt, *, uid: str = "", now: datetime) -> None:
    """Writes the last word about an attempt, once: a repeat changes nothing.

    Found by carrier and reference, else by `uid`, the message that the call-back's address told.
    """
    outcome = _FINAL.get(receipt.state)
    if outcome is None:
        return
    attempt = receipt.reference and _attempt("a.reference = %s", receipt, receipt.reference)
    if not attempt and uid:
        # An attempt that has another reference of its own is about something else.
        attempt = _attempt("m.uid = %s" + (" AND a.reference = ''" if receipt.reference else ""), receipt, uid)
    if not attempt:
        note.warning("a receipt of %s fits no message", receipt.carrier)
        return
    changed = sql.change(
        "UPDATE delivery_attempt SET outcome = %s, code = %s, ended_at = %s "
        "WHERE id = %s AND outcome NOT IN ('delivered', 'failed')",
        (outcome, receipt.code[:80], sql.at(now), attempt[0]),
    )
    if changed:
        note.info("message %s: %s by %s", attempt[1], outcome, receipt.carrier)


def _attempt(which: str, receipt: Receipt, *values: str) -> tuple | None:
    """(row id, message uid) of the newest attempt of this carrier that it may be about."""
    return sql.row(
        "SELECT a.id, m.uid FROM delivery_attempt a JOIN delivery_message m ON m.id = a.message_id "
        f"WHERE a.carrier = %s AND a.outcome <> 'refused' AND {which} ORDER BY a.id DESC LIMIT 1",
        (receipt.carrier, *values),
    )
