"""What carriers tell later about messages that they had accepted."""

import logging
from datetime import datetime

from massar.core import sql
from massar.domain.delivery.carriers.base import DELIVERED, FAILED, Receipt

note = logging.getLogger("massar.receipts")
_FINAL = {DELIVERED: "delivered", FAILED: "failed"}


def store(receipt: Receipt, *, uid: str = "", now: datetime) -> None:
    """Writes the last word about an attempt, once: a repeat changes nothing.

    `uid`: the message it is about, where the call-back's address told it; otherwise it is found by carrier and reference.
    """
    outcome = _FINAL.get(receipt.state)
    if outcome is None or not (uid or receipt.reference):
        return
    which = "m.uid = %s" if uid else "a.reference = %s"
    found = sql.row(
        "SELECT a.id, m.uid FROM delivery_attempt a JOIN delivery_message m ON m.id = a.message_id "
        f"WHERE a.carrier = %s AND a.outcome <> 'refused' AND {which} ORDER BY a.id DESC LIMIT 1",
        (receipt.carrier, uid or receipt.reference),
    )
    if found is None:
        note.warning("a receipt of %s fits no message", receipt.carrier)
        return
    changed = sql.change(
        "UPDATE delivery_attempt SET outcome = %s, code = %s, ended_at = %s "
        "WHERE id = %s AND outcome NOT IN ('delivered', 'failed')",
        (outcome, receipt.code[:80], sql.at(now), found[0]),
    )
    if changed:
        note.info("message %s: %s by %s", found[1], outcome, receipt.carrier)
