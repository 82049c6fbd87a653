"""Breakers: a provider that fails is left alone for a while, then tried with one message.

    closed --FAULTS in a row, or one that is our own fault--> open --pause over, one worker--> half-open
    half-open --success--> closed        half-open --fault, or no word in time--> open, for twice as long
    half-open --an answer about the message that tried--> open, for FIRST_PAUSE: another message tries
    half-open --nothing was sent after all--> open, and due

The state stands in the database, so all workers know it. Throttling is no fault. What came before anything of a message
was told is the provider's trouble. What came after it may be about that recipient alone: it comes with a witness, and
counts once for each recipient, so one person who mistypes an address shuts no provider; a site is blamed when different
people meet it. What a site answers is proof that it is there, however little of it can be believed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from massar.core import encryption, sql
from massar.domain.delivery.models import Breaker
from massar.domain.delivery.outbox import QueuedMessage
from massar.domain.delivery.provider import NOTHING, RECIPIENT, Accepted, NotTransmitted, Refusal, Rejected, Result

State = Breaker.State
MOVES = {State.CLOSED: {State.OPEN}, State.OPEN: {State.HALF_OPEN}, State.HALF_OPEN: {State.CLOSED, State.OPEN}}
FAULTS = 5
OF_ONE = 3  # of them, at most so many from one person, or from one domain where an answer may be about the domain
FIRST_PAUSE, LONGEST_PAUSE = 5, 300  # seconds
NO_PAUSE = timedelta(seconds=2 * LONGEST_PAUSE)  # an end farther ahead is of a clock that ran ahead: it holds nobody up
CONFIGURATION_ERROR = "configuration error: "  # begins the reason where the provider refused our account or setting
FORGOTTEN_AFTER = timedelta(days=1)
_SHORT = 12  # signs of a tag that tell recipients in a row apart
PROBE_ENDS = timedelta(seconds=60)  # a worker that died with the probe must not keep the provider shut


class Witness(NamedTuple):
    """Who met a fault that may be about one message alone: short tags or numbers, without spaces or colons. domain:
    where the answer may be about all recipients of a domain. own: it may be about this message even at a probe."""

    recipient: str
    person: str = ""
    domain: str = ""
    own: bool = False

    def adds_to(self, known: list[Witness]) -> bool:
        """Whether somebody else has met it: another recipient, not always of one person, nor of one domain."""
        of_person = sum(bool(self.person) and one.person == self.person for one in known)
        of_domain = sum(bool(self.domain) and one.domain == self.domain for one in known)
        return max(of_person, of_domain) < OF_ONE and all(one.recipient != self.recipient for one in known)


class Facts(NamedTuple):
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
    provider: str, reason: str, *, now: datetime, at_once: bool = False, configuration_error: bool = False,
    witness: Witness | None = None,
) -> bool:  # fmt: skip
    """Counts a fault; True if it opened the breaker. `at_once`: our account or setting is wrong, no more tries are due.
    configuration_error: it may be so. witness: it may be about that message alone; None: it is about no message. A
    probe that told nothing about the provider is soon followed by another one, and the pause does not grow."""
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
    sql.execute(
        "UPDATE delivery_breaker SET faults = 0, reason = '', witnesses = '' "
        "WHERE provider = %s AND state = 'closed' AND (faults > 0 OR reason <> '')",
        (provider,),
    )
    return closed


def alive(provider: str, *, now: datetime) -> bool:
    """It answered that it is busy: a probe has found it well, counted faults stay; True if that closed it."""
    closed = sql.execute(
        "UPDATE delivery_breaker SET state = 'closed', faults = 0, pause = 0, until = NULL, reason = '', "
        "witnesses = '', changed_at = %s WHERE provider = %s AND state = 'half-open'",
        (sql.at(now), provider),
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


# Whose trouble an answer is


def report_provider(provider: str, message: QueuedMessage, result: Result, *, now: datetime) -> bool:
    """Tell a provider's breaker what became of one message. True if what waits for it should be looked at anew."""
    if isinstance(result, Accepted):
        return success(provider, now=now)
    if _is_well(result):
        return alive(provider, now=now)
    if result.about == NOTHING:
        return _accuse(provider, result, None, now)
    to = message.to.lower()
    told = (to, to.rpartition("@")[2] if result.about == RECIPIENT else "")
    recipient, domain = (encryption.data_keys().blind_index("witness", one)[:_SHORT] if one else "" for one in told)
    return _accuse(provider, result, Witness(recipient, str(message.person_id), domain, _is_its_own(result)), now)


def report_site(site: str, logout: QueuedMessage, result: Result, *, now: datetime) -> bool:
    """Tell a site's breaker what became of one logout. True if what waits for it should be looked at anew. A site is
    told by few messages: one person's tries must not keep the next person's away while it comes back."""
    if isinstance(result, Accepted):
        return success(site, now=now)
    if _is_well(result):
        return alive(site, now=now)
    if result.about == RECIPIENT:
        ours = isinstance(result, Rejected) and result.configuration_error
        return remark(site, result.why, now=now) if ours else alive(site, now=now)
    if result.about == NOTHING:
        witness = Witness(logout.uid[:_SHORT]) if isinstance(result, NotTransmitted) else None
        return _accuse(site, result, witness, now)
    return _accuse(site, result, Witness(str(logout.person_id), own=_is_its_own(result)), now)


def _is_well(result: Refusal) -> bool:
    """It answered as it does when it is well: busy, or that there is no such recipient."""
    return isinstance(result, Rejected) and (result.busy or (result.permanent and not result.elsewhere))


def _is_its_own(result: Refusal) -> bool:
    """Whether the answer may be about this message even at a probe."""
    return isinstance(result, Rejected) and not result.configuration_error


def _accuse(name: str, result: Refusal, witness: Witness | None, now: datetime) -> bool:
    ours = isinstance(result, Rejected) and result.configuration_error
    at_once = ours and result.about == NOTHING
    return fault(name, result.why, now=now, at_once=at_once, configuration_error=ours, witness=witness)
