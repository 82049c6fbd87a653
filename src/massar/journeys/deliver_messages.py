"""Handing messages over: claim, fix text and time, write the attempt, and only then speak to the carrier.

No transaction is open while a carrier is spoken to. A worker may die at any line: the lease ends, another takes over,
and a repeat carries the same secret and the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from django.db import transaction

from massar.core import ids
from massar.core.audit import api as trail
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.journeys import saml_farewell, tell_sites

outbox, Letter, State = delivery.outbox, delivery.Letter, delivery.State
Carriers = Mapping[str, delivery.Carrier]
TO_SITES = {"site": tell_sites.logout_token, "soap": saml_farewell.envelope}  # what says it, by channel


@transaction.atomic
def take(most: int, *, carriers: Carriers, now: datetime) -> list[Letter]:
    """Claims due messages, ends those that are too late or no longer wanted, and writes the attempt of the others."""
    ready = []
    for letter in outbox.claim(most, now=now):
        fixed = _prepare(letter, now)
        if fixed is None:
            continue
        if letter.channel not in carriers:
            outbox.later(letter, now=now, reason="no carrier for this channel")
            continue
        outbox.begin_attempt(letter, carriers[letter.channel].name, now=now)
        ready.append(fixed)
    return ready


def hand_over(letter: Letter, *, carriers: Carriers, tick: Callable[[], datetime]) -> str:
    """Speaks to the carrier and settles the attempt. Returns the outcome's name."""
    moment = tick()
    if letter.too_late(moment):  # the queue inside this worker was long
        _give_up(letter, State.EXPIRED, "too late", moment)
        return "expired"
    result = carriers[letter.channel].send(_written(letter, moment), valid_for=letter.expires_at - moment)
    if letter.channel == "soap":
        result = saml_farewell.heard(letter, result, now=tick())
    return settle(letter, result, now=tick())


@transaction.atomic
def settle(letter: Letter, result, *, now: datetime) -> str:
    """Writes what became of the attempt, and of the message."""
    match result:
        case delivery.Accepted(reference=reference):
            outbox.end_attempt(letter, "accepted", now=now, reference=reference)
            if outbox.finish(letter.id, letter.lease, State.HANDED, now=now):
                _tell(letter, "handed", now)
            return "accepted"
        case delivery.Refused(code=code, ours=True):
            outbox.end_attempt(letter, "refused", now=now, code=code)
            outbox.later(letter, now=now, reason=code)
            return "refused: our account or setting is at fault"
        case delivery.Refused(code=code, permanent=permanent):
            outbox.end_attempt(letter, "refused", now=now, code=code)
            if permanent:
                _give_up(letter, State.FAILED, code, now)
            else:
                outbox.later(letter, now=now, reason=code)
            return "refused"
        case delivery.Unsure(why=why):
            outbox.end_attempt(letter, "unsure", now=now, code=why)
            if outbox.may_repeat(letter):
                outbox.later(letter, now=now, reason=why)
            else:
                _give_up(letter, State.FAILED, why, now)
            return "unsure"
        case delivery.NotSent(why=why):
            outbox.end_attempt(letter, "not_sent", now=now, code=why)
            outbox.later(letter, now=now, reason=why)
            return "not_sent"
    raise TypeError(f"a carrier answered {result!r}")


def _prepare(letter: Letter, now: datetime) -> Letter | None:
    """The letter with its time fixed, or None if it ended here."""
    if letter.too_late(now):
        _give_up(letter, State.EXPIRED, "too late", now)
        return None
    if letter.attempt > outbox.MOST_ATTEMPTS:  # each worker that took it died: do not kill the next
        _give_up(letter, State.FAILED, "too many attempts", now)
        return None
    if letter.temporary_id and not credentials.temporary.wanted(letter.temporary_id, now):
        _give_up(letter, State.CANCELLED, "no longer wanted", now)
        return None
    if letter.expires_at is not None:
        return letter
    expires_at = now + letter.lifetime if letter.lifetime else letter.deadline
    outbox.fix_expiry(letter, expires_at)
    if letter.temporary_id:
        credentials.temporary.fix_expiry(letter.temporary_id, expires_at)
    return Letter(**{**letter.__dict__, "expires_at": expires_at})


def _give_up(letter: Letter, state: str, reason: str, now: datetime) -> None:
    if outbox.finish(letter.id, letter.lease, state, now=now, reason=reason):
        _tell(letter, str(state), now)


def _tell(letter: Letter, outcome: str, now: datetime) -> None:
    trail.record(
        "message",
        now=now,
        person_id=letter.person_id,
        outcome=outcome,
        purpose=letter.purpose,
        channel=letter.channel,
    )


def _written(letter: Letter, now: datetime) -> delivery.Outgoing:
    """The message as the carrier gets it; the same for every repeat (what a site gets is signed anew)."""
    if letter.channel in TO_SITES:
        return delivery.Outgoing(
            message_id=letter.uid,
            channel=letter.channel,
            to=letter.to,
            language=letter.language,
            subject="",
            text=TO_SITES[letter.channel](letter, now=now),
        )
    values = dict(letter.values)
    if letter.purpose == "temporary_password":
        values["secret"] = ids.show_temporary_password(values["secret"])
    if letter.purpose in ("temporary_password", "contact_code"):
        values["valid_until"] = letter.expires_at
    for moment in ("when", "counts_from"):
        if values.get(moment):
            values[moment] = datetime.fromisoformat(values[moment])
    text = delivery.wording.render(
        letter.purpose, language=letter.language, channel=letter.channel, values=values
    )
    return delivery.Outgoing(
        message_id=letter.uid,
        channel=letter.channel,
        to=letter.to,
        language=letter.language,
        subject=text.subject,
        text=text.text,
        html=text.html,
    )
