"""Which segment a receipt is about: by the provider's name for it, in whatever form that name comes back.

Answer and receipt may write one id with and without leading zeros, in capitals or not, in decimal or in hexadecimal
(SMPP 3.4 leaves the form to the operator). The same name first; then the only one among the provider's recent segments
that can be meant; with the same number where the receipt tells it. Where two could be meant, nothing is guessed. A
provider that begins to count anew each day means its newest."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from massar.core import sql
from massar.domain.delivery import outbox
from massar.domain.delivery.provider import Receipt

HEARD_WITHIN = timedelta(days=3)  # an id that is older is another message's by now
_HEX, _DEC = re.compile(r"(?:0x)?([0-9a-f]{1,64})"), re.compile(r"[0-9]{1,64}")
_FOLDED = "lower(ltrim(p.reference, '0'))"  # as in the index of models.Part
_SEGMENTS = (
    "SELECT p.id, p.message_id, p.provider, p.reference, p.state, m.to_hmac, m.state = 'awaiting_receipt' AS waits, "
    "m.segments FROM {} JOIN delivery_message m ON m.id = p.message_id WHERE "
)
# Named first, then looked up, in this order: SQLite keeps to it after CROSS JOIN.
_BY_NAME = (
    _SEGMENTS.format("(VALUES {values}) AS v CROSS JOIN delivery_part p")
    + "p.provider = v.column1 AND {name} = v.column2 AND p.sent_at > %s"
)
_BY_MESSAGE = _SEGMENTS.format("delivery_part p") + "p.provider = %s AND m.uid = %s ORDER BY p.id DESC"


class Segment(NamedTuple):
    """A row of delivery_part and what is known of its message, which has so many segments. `waits`: for its receipt."""

    id: int
    message_id: int
    provider: str
    reference: str
    state: str
    to_hmac: str
    waits: bool
    segments: int


class ReceiptKey(NamedTuple):
    """What a receipt says of its message; `to_hmac` is empty where it tells no number."""

    provider: str
    reference: str
    to_hmac: str = ""


def key_of(receipt: Receipt) -> ReceiptKey:
    return ReceiptKey(receipt.provider, receipt.reference[:100], outbox.to_hmac(receipt.to) if receipt.to else "")


def folded(reference: str) -> str:
    """Without what differs between two ways to write one id: leading zeros, capitals."""
    return reference.strip().lower().lstrip("0")


def other_bases(reference: str) -> set[str]:
    """As `folded` would have it, were the id written in hexadecimal instead of decimal, or the other way round."""
    plain = reference.strip().lower()
    found = set()
    if hexadecimal := _HEX.fullmatch(plain):
        value = int(hexadecimal[1], 16)
        found |= {str(value), f"{value:x}", f"x{value:x}"}
    if _DEC.fullmatch(plain):
        found |= {f"{int(plain):x}", f"x{int(plain):x}"}
    return found - {"0", "x0"}


def alike(reference: str, names: Iterable[str]) -> bool:
    """Whether a receipt's id may stand for one of these names."""
    keys = {folded(reference), *other_bases(reference)} - {""}
    return any(name == reference or folded(name) in keys for name in names if name)


def find(receipts: list[ReceiptKey], *, now: datetime) -> list[list[Segment]]:
    """For each receipt, which must have a reference, the segments of one message that it is about; none: it is unknown.
    Several only where the provider has given them one name."""
    exact = _by(receipts, "p.reference", lambda r: {r.reference}, now)
    found = [_newest(r, [s for s in exact if (s.provider, s.reference) == (r.provider, r.reference)]) for r in receipts]
    unsure = [r for r, one in zip(receipts, found, strict=True) if not _sure(r, one)]
    recent = _by(unsure, _FOLDED, lambda r: {folded(r.reference), *other_bases(r.reference)} - {""}, now)
    return [
        one if _sure(r, one) else _only(r, [s for s in recent if s.provider == r.provider], one)
        for r, one in zip(receipts, found, strict=True)
    ]


def find_one(receipt: ReceiptKey, uid: str, *, now: datetime) -> list[Segment]:
    """As `find`, where it may be known that the receipt came about our message `uid`: then it may have no reference,
    and a segment whose name never reached us is meant before nothing is."""
    own = sql.select(Segment, _BY_MESSAGE, (receipt.provider, uid)) if uid else []
    if not receipt.reference:
        return own[:1]
    named = [s for s in own if s.reference == receipt.reference]
    spelt = [s for s in own if alike(receipt.reference, [s.reference])]
    return (
        named
        or (spelt if len(spelt) == 1 else [])
        or find([receipt], now=now)[0]
        or [s for s in own if not s.reference][:1]  # one that has another name is about something else
    )


def _by(receipts: list[ReceiptKey], name: str, keys: Callable[[ReceiptKey], set[str]], now: datetime) -> list[Segment]:
    wanted = list({(r.provider, key): None for r in receipts for key in keys(r)})
    if not wanted:
        return []
    values = [value for pair in wanted for value in pair]
    statement = _BY_NAME.format(values=sql.values(len(wanted), 2), name=name)
    return sql.select(Segment, statement, [*values, sql.at(now - HEARD_WITHIN)])


def _same_number(receipt: ReceiptKey, segments: list[Segment]) -> list[Segment]:
    return [s for s in segments if s.to_hmac == receipt.to_hmac] if receipt.to_hmac else []


def _sure(receipt: ReceiptKey, found: list[Segment]) -> bool:
    return bool(found) and (not receipt.to_hmac or bool(_same_number(receipt, found)))


def _newest(receipt: ReceiptKey, segments: list[Segment]) -> list[Segment]:
    """Of the newest message among them, of those to the receipt's number if there are any. What is over by now is no
    longer meant by a receipt for somebody else."""
    meant = _same_number(receipt, segments) or [s for s in segments if s.waits or not receipt.to_hmac]
    newest = max((s.id for s in meant), default=0)
    message = next((s.message_id for s in meant if s.id == newest), None)
    return sorted(s for s in meant if s.message_id == message)


def _only(receipt: ReceiptKey, recent: list[Segment], exact: list[Segment]) -> list[Segment]:
    """The only one of another spelling; where the number is told, only to that number, and rather than an equal
    name."""
    same = folded(receipt.reference)
    candidates = _same_number(receipt, recent) if receipt.to_hmac else recent
    for keys in ({same}, other_bases(receipt.reference) - {same}):
        found = [s for s in candidates if folded(s.reference) in keys - {""}]
        if found:
            return sorted(found) if len({(s.message_id, s.reference) for s in found}) == 1 else exact
    return exact
