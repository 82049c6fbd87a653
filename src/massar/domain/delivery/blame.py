"""Whose trouble an answer is: the provider's, ours, or one message's own. Breakers hear of it here.

What came before anything of a message was told is the provider's. What came after it may be about that recipient
alone, so a provider is blamed only when different recipients meet it in a row; a site when different people do. What
a site answers is proof that it is there, so no other person's message waits for it, however little of it can be
believed.
"""

from __future__ import annotations

from datetime import datetime

from massar.core import encryption
from massar.domain.delivery import breaker
from massar.domain.delivery.breaker import Witness
from massar.domain.delivery.outbox import QueuedMessage
from massar.domain.delivery.provider import NOTHING, RECIPIENT, Accepted, NotTransmitted, Refusal, Rejected, Result

_SHORT = 12  # signs of a tag that tell recipients in a row apart


def report_provider(provider: str, message: QueuedMessage, result: Result, *, now: datetime) -> bool:
    """Tell a provider's breaker what became of one message. True if what waits for it should be looked at anew."""
    if isinstance(result, Accepted):
        return breaker.success(provider, now=now)
    if _is_well(result):
        return breaker.alive(provider, now=now)
    if result.about == NOTHING:
        return _accuse(provider, result, None, now)
    domain = message.to.rpartition("@")[2].lower() if result.about == RECIPIENT else ""
    recipient, of_domain = _tag(message.to.lower()), _tag(domain) if domain else ""
    witness = Witness(recipient, str(message.person_id), of_domain, own=_is_its_own(result))
    return _accuse(provider, result, witness, now)


def report_site(site: str, logout: QueuedMessage, result: Result, *, now: datetime) -> bool:
    """Tell a site's breaker what became of one logout. True if what waits for it should be looked at anew.

    A site is told by few messages: one person's tries must not keep the next person's away while it comes back.
    """
    if isinstance(result, Accepted):
        return breaker.success(site, now=now)
    if _is_well(result):
        return breaker.alive(site, now=now)
    if result.about == RECIPIENT:
        return breaker.remark(site, result.why, now=now) if _is_ours(result) else breaker.alive(site, now=now)
    if result.about == NOTHING:
        witness = Witness(logout.uid[:_SHORT]) if isinstance(result, NotTransmitted) else None
        return _accuse(site, result, witness, now)
    return _accuse(site, result, Witness(str(logout.person_id), own=_is_its_own(result)), now)


def _is_well(result: Refusal) -> bool:
    """It answered as it does when it is well: busy, or that there is no such recipient."""
    return isinstance(result, Rejected) and (result.busy or (result.permanent and not result.elsewhere))


def _is_ours(result: Refusal) -> bool:
    return isinstance(result, Rejected) and result.configuration_error


def _is_its_own(result: Refusal) -> bool:
    """Whether the answer may be about this message even at a probe."""
    return isinstance(result, Rejected) and not result.configuration_error


def _accuse(name: str, result: Refusal, witness: Witness | None, now: datetime) -> bool:
    ours = _is_ours(result)
    at_once = ours and result.about == NOTHING
    return breaker.fault(name, result.why, now=now, at_once=at_once, configuration_error=ours, witness=witness)


def _tag(value: str) -> str:
    return encryption.data_keys().blind_index("witness", value)[:_SHORT]
