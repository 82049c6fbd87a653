"""Breakers: a provider that fails is left alone for a while, then tried with one message.

    closed --FAULTS in a row, or one that is our own fault--> open --pause over, one worker--> half-open
    half-open --success--> closed        half-open --fault, or no word in time--> open, for twice as long
    half-open --an answer about the message that tried--> open, for FIRST_PAUSE: another message tries
    half-open --nothing was sent after all--> open, and due

The state stands in the database, so all workers know it. Throttling is no fault. What may be one message's own trouble
comes with a witness, and counts once for each recipient: one person who mistypes an address shuts no provider.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q

from massar.core import sql
from massar.domain.delivery.models import Breaker

State = Breaker.State
MOVES = {State.CLOSED: {State.OPEN}, State.OPEN: {State.HALF_OPEN}, State.HALF_OPEN: {State.CLOSED, State.OPEN}}
FAULTS = 5
OF_ONE = 3  # of them, at most so many from one person, or from one domain where an answer may be about the domain
FIRST_PAUSE, LONGEST_PAUSE = 5, 300  # seconds
NO_PAUSE = timedelta(seconds=2 * LONGEST_PAUSE)  # so far ahead only a clock that ran ahead has put an end
CONFIGURATION_ERROR = "configuration error: "  # begins the reason where the provider refused our account or setting
FORGOTTEN_AFTER = timedelta(days=1)
PROBE_ENDS = timedelta(seconds=60)  # a worker that died with the probe must not keep the provider shut


class Witness(NamedTuple):
    """Who met a fault that may be about one message alone: short tags or numbers, without spaces or colons.

    domain: where the answer may be about all recipients of a domain. own: it may be about this message even at a probe.
    """

    recipient: str
    person: str = ""
    domain: str = ""
    own: bool = False

    def adds_to(self, known: list[Witness]) -> bool:
        """Whether somebody else has met it: another recipient, not always of one person, nor of one domain."""
        of_person = sum(bool(self.person) and one.person == self.person for one in known)
        of_domain = sum(bool(self.domain) and one.domain == self.domain for one in known)
        return max(of_person, of_domain) < OF_ONE and all(one.recipient != self.recipient for one in known)


@dataclass(frozen=True)
class Facts:
    """Where a breaker stands. `changed_at`: when it closed, or since when it is not closed; `told_at`: last fault."""

    provider: str
    state: str
    faults: int
    until: datetime | None
    reason: str
    changed_at: datetime | None
    told_at: datetime | None = None

    def due(self, now: datetime) -> bool:
        """Open or given up by whoever probed, and time for a probe."""
        return self.state != State.CLOSED and self.until is not None and not now < self.until <= now + NO_PAUSE

    @property
    def configuration_error(self) -> bool:
        """The provider refused our account or setting, last and since: it will not get well by itself."""
        return self.reason.startswith(CONFIGURATION_ERROR)


def all_states() -> dict[str, Facts]:
    """Of every provider that ever had a fault."""
    columns = "provider, state, faults, until, reason, changed_at, told_at"
    return {facts.provider: facts for facts in sql.select(Facts, f"SELECT {columns} FROM delivery_breaker")}


@transaction.atomic
def fault(
    provider: str,
    reason: str,
    *,
    now: datetime,
    at_once: bool = False,
    configuration_error: bool = False,
    witness: Witness | None = None,
) -> bool:
    """Counts a fault; True if it opened the breaker. `at_once`: our account or setting is wrong, no more tries are due.

    configuration_error: it may be so. witness: it may be about that message alone; None: it is about no message.
    A probe that told nothing about the provider is soon followed by another one, and the pause does not grow.
    """
    row = _locked(provider, now)
    split = (one.split(":") for one in row.witnesses.split())
    known = [Witness(recipient, person, domain) for recipient, person, domain in split]
    new = witness is None or witness.adds_to(known)
    row.faults += new
    if new and witness:
        row.witnesses = " ".join(":".join(one[:3]) for one in (*known, witness))
    ours = at_once or configuration_error
    if ours or row.state != State.CLOSED or not row.reason.startswith(CONFIGURATION_ERROR):
        row.reason = f"{CONFIGURATION_ERROR if ours else ''}{reason}"[:80]
    row.told_at = now
    probing = row.state == State.HALF_OPEN
    opens = row.state != State.OPEN and (at_once or probing or row.faults >= FAULTS)
    if opens:
        tells_nothing = probing and not at_once and witness is not None and (witness.own or not new)
        if not tells_nothing:
            row.pause = min(2 * row.pause, LONGEST_PAUSE) or FIRST_PAUSE
        if row.state == State.CLOSED:
            row.changed_at = now
        row.state, row.until = State.OPEN, now + timedelta(seconds=FIRST_PAUSE if tells_nothing else row.pause)
    row.save()
    return opens


def _locked(provider: str, now: datetime) -> Breaker:
    Breaker.objects.get_or_create(provider=provider, defaults={"changed_at": now})
    return Breaker.objects.select_for_update().get(provider=provider)


@transaction.atomic
def remark(provider: str, reason: str, *, now: datetime) -> bool:
    """Something is wrong between it and us, and it is there: operators hear of it, nothing waits. True if that closed
    it."""
    closed = alive(provider, now=now)
    row = _locked(provider, now)
    if row.state == State.CLOSED:
        row.reason, row.told_at = f"{CONFIGURATION_ERROR}{reason}"[:80], now
        row.save()
    return closed


def success(provider: str, *, now: datetime) -> bool:
    """Forgets the faults; True if that closed the breaker, which only a probe can do."""
    closed = alive(provider, now=now)
    told = Q(faults__gt=0) | ~Q(reason="")
    Breaker.objects.filter(told, provider=provider, state=State.CLOSED).update(faults=0, reason="", witnesses="")
    return closed


def alive(provider: str, *, now: datetime) -> bool:
    """It answered that it is busy: a probe has found it well, counted faults stay; True if that closed it."""
    closed = Breaker.objects.filter(provider=provider, state=State.HALF_OPEN).update(
        state=State.CLOSED, faults=0, pause=0, until=None, reason="", witnesses="", changed_at=now
    )
    return closed == 1


def release_probe(provider: str, *, now: datetime) -> None:
    """Whoever wanted to try it has nothing to send: the next one may."""
    Breaker.objects.filter(provider=provider, state=State.HALF_OPEN).update(state=State.OPEN, until=now)


def claim_probe(provider: str, *, now: datetime) -> bool:
    """Atomic: one worker may send one message through a provider whose pause is over."""
    claimed = sql.execute(
        "UPDATE delivery_breaker SET state = 'half-open', until = %s "
        "WHERE provider = %s AND state IN ('open', 'half-open') AND (until <= %s OR until > %s)",
        (sql.at(now + PROBE_ENDS), provider, sql.at(now), sql.at(now + NO_PAUSE)),
    )
    return claimed == 1


def sweep(*, now: datetime) -> int:
    """Forgets breakers that nothing has tried for a day: the provider or site is gone, or nothing is to be sent."""
    return sql.execute("DELETE FROM delivery_breaker WHERE until < %s", (sql.at(now - FORGOTTEN_AFTER),))
