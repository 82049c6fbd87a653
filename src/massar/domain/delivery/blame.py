"""Whose trouble an answer is: the provider's, ours, or one message's own. Breakers hear of it here.

What came before anything of a message was told is the provider's. What came after it may be about that recipient alone, so
a provider is blamed only when different recipients meet it in a row; a site when different people do. What a site answers is
proof that it is there, so no other person's message waits for it, however little of it can be believed.
"""

from __future__ import annotations

from datetime import datetime

from massar.core import encryption
from massar.domain.delivery import breaker
from massar.domain.delivery.breaker import Witness
from massar.domain.delivery.outbox import QueuedMessage
from massar.domain.delivery.provider import MESSAGE, NOTHING, RECIPIENT, Accepted, NotTransmitted, Rejected, Result

_SHORT = 12  # signs of a tag that tell recipients in a row apart


def hear(provider: str, message: QueuedMessage, result: Result, *, now: datetime) -> bool:
    """Tells the provider's breaker what became of one message. True if what waits for this provider should be looked at anew."""
    if isinstance(result, Accepted):
        return breaker.success(provider, now=now)
    if isinstance(result, Rejected) and _is_alive(result):
        return breaker.alive(provider, now=now)
    why = result.code if isinstance(result, Rejected) else result.why
    configuration_error = isinstance(result, Rejected) and result.configuration_error
    about = getattr(result, "about", MESSAGE)  # a message that left and was not answered
    if message.channel in ("site", "soap") and about == RECIPIENT:
        return breaker.remark(provider, why, now=now) if configuration_error else breaker.alive(provider, now=now)
    witness = _witness(message, result, about)
    return breaker.fault(
        provider,
        why,
        now=now,
        at_once=configuration_error and about == NOTHING,
        configuration_error=configuration_error,
        witness=witness,
    )


def _is_alive(result: Rejected) -> bool:
    """It answered as it does when it is well: busy, or that there is no such recipient."""
    return result.busy or (result.permanent and not result.elsewhere)


def _witness(message: QueuedMessage, result: Result, about: str) -> Witness | None:
    to_site = message.channel in ("site", "soap")
    if about == NOTHING:
        # A site is told by few messages: one person's tries must not keep the next person's away while it comes back.
        return Witness(message.uid[:_SHORT]) if to_site and isinstance(result, NotTransmitted) else None
    own = isinstance(result, Rejected) and not result.configuration_error
    person = str(message.person_id)
    if to_site:
        return Witness(person, own=own)
    domain = message.to.rpartition("@")[2].lower() if about == RECIPIENT else ""
    return Witness(_tag(message.to.lower()), person, _tag(domain) if domain else "", own=own)


def _tag(value: str) -> str:
    return encryption.data_keys().blind_index("witness", value)[:_SHORT]
