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
from massar.domain.delivery.provider import (
    MESSAGE,
    NOTHING,
    RECIPIENT,
    Accepted,
    NotTransmitted,
    OutcomeUnknown,
    Rejected,
    Result,
)

_SHORT = 12  # signs of a tag that tell recipients in a row apart


def report_provider(provider: str, message: QueuedMessage, result: Result, *, now: datetime) -> bool:
    """Tell a provider's breaker what became of one message. True if what waits for it should be looked at anew."""
    if _is_well(result):
        return _praise(provider, result, now)
    return _accuse(provider, result, _witness_of_provider(message, result), now)


def report_site(site: str, logout: QueuedMessage, result: Result, *, now: datetime) -> bool:
    """Tell a site's breaker what became of one logout. True if what waits for it should be looked at anew."""
    if _is_well(result):
        return _praise(site, result, now)
    if _about(result) == RECIPIENT:
        ours = isinstance(result, Rejected) and result.configuration_error
        return breaker.remark(site, _why(result), now=now) if ours else breaker.alive(site, now=now)
    return _accuse(site, result, _witness_of_site(logout, result), now)


def _is_well(result: Result) -> bool:
    """It accepted, or answered as it does when it is well: busy, or that there is no such recipient."""
    if isinstance(result, Rejected):
        return result.busy or (result.permanent and not result.elsewhere)
    return isinstance(result, Accepted)


def _praise(name: str, result: Result, now: datetime) -> bool:
    return breaker.success(name, now=now) if isinstance(result, Accepted) else breaker.alive(name, now=now)


def _accuse(name: str, result: Result, witness: Witness | None, now: datetime) -> bool:
    ours = isinstance(result, Rejected) and result.configuration_error
    at_once = ours and _about(result) == NOTHING
    why = _why(result)
    return breaker.fault(name, why, now=now, at_once=at_once, configuration_error=ours, witness=witness)


def _about(result: Result) -> str:
    """How much the other side knew: a message that left and was not answered is known."""
    return result.about if isinstance(result, Rejected | NotTransmitted) else MESSAGE


def _why(result: Result) -> str:
    match result:
        case Rejected(code=said) | NotTransmitted(why=said) | OutcomeUnknown(why=said):
            return said
    return ""


def _is_its_own(result: Result) -> bool:
    """Whether the answer may be about this message even at a probe."""
    return isinstance(result, Rejected) and not result.configuration_error


def _witness_of_provider(message: QueuedMessage, result: Result) -> Witness | None:
    about = _about(result)
    if about == NOTHING:
        return None
    domain = message.to.rpartition("@")[2].lower() if about == RECIPIENT else ""
    recipient, of_domain = _tag(message.to.lower()), _tag(domain) if domain else ""
    return Witness(recipient, str(message.person_id), of_domain, own=_is_its_own(result))


def _witness_of_site(logout: QueuedMessage, result: Result) -> Witness | None:
    """A site is told by few messages: one person's tries must not keep the next person's away while it comes back."""
    if _about(result) == NOTHING:
        return Witness(logout.uid[:_SHORT]) if isinstance(result, NotTransmitted) else None
    return Witness(str(logout.person_id), own=_is_its_own(result))


def _tag(value: str) -> str:
    return encryption.data_keys().blind_index("witness", value)[:_SHORT]
