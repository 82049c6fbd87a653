"""Whose trouble an answer is: the carrier's, ours, or one message's own. Breakers hear of it here.

What came before anything of a message was told is the carrier's. What came after it may be about that recipient alone, so
a carrier is blamed only when different recipients meet it in a row; a site when different people do. What a site answers is
proof that it is there, so no other person's message waits for it, however little of it can be believed.
"""

from __future__ import annotations

from datetime import datetime

from massar.core import encryption
from massar.domain.delivery import breaker
from massar.domain.delivery.breaker import Witness
from massar.domain.delivery.outbox import Letter
from massar.domain.delivery.provider import MESSAGE, NOTHING, RECIPIENT, Accepted, NotSent, Refused, Result

_SHORT = 12  # signs of a tag that tell recipients in a row apart


def hear(carrier: str, letter: Letter, result: Result, *, now: datetime) -> bool:
    """Tells the carrier's breaker what became of one message. True if what waits for this carrier should be looked at anew."""
    if isinstance(result, Accepted):
        return breaker.success(carrier, now=now)
    if isinstance(result, Refused) and _is_alive(result):
        return breaker.alive(carrier, now=now)
    why = result.code if isinstance(result, Refused) else result.why
    ours = isinstance(result, Refused) and result.ours
    about = getattr(result, "about", MESSAGE)  # a message that left and was not answered
    if letter.channel in ("site", "soap") and about == RECIPIENT:
        return breaker.remark(carrier, why, now=now) if ours else breaker.alive(carrier, now=now)
    witness = _witness(letter, result, about)
    return breaker.fault(carrier, why, now=now, at_once=ours and about == NOTHING, ours=ours, witness=witness)


def _is_alive(result: Refused) -> bool:
    """It answered as it does when it is well: busy, or that there is no such recipient."""
    return result.busy or (result.permanent and not result.elsewhere)


def _witness(letter: Letter, result: Result, about: str) -> Witness | None:
    to_site = letter.channel in ("site", "soap")
    if about == NOTHING:
        # A site is told by few messages: one person's tries must not keep the next person's away while it comes back.
        return Witness(letter.uid[:_SHORT]) if to_site and isinstance(result, NotSent) else None
    own = isinstance(result, Refused) and not result.ours
    person = str(letter.person_id)
    if to_site:
        return Witness(person, own=own)
    domain = letter.to.rpartition("@")[2].lower() if about == RECIPIENT else ""
    return Witness(_tag(letter.to.lower()), person, _tag(domain) if domain else "", own=own)


def _tag(value: str) -> str:
    return encryption.data_keys().blind_index("witness", value)[:_SHORT]
