"""Season mode: one switch for a rush that is known beforehand, the night of results above all. It ends by itself.

While it is on
  ├─ a request for recovery waits for hours instead of 45 minutes, and is answered in its turn, oldest first
  ├─ secrets live longer while the queue is long: who waited does not find them run out
  ├─ sign-in and recovery say how long it takes and when to come back; by e-mail first while SMS do not leave
  └─ campaigns and counting rest

Each process looks every few seconds, beside its requests: no page asks the database for it."""

import logging
import threading
import time
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import close_old_connections

from massar.core import clock, sql
from massar.core.audit import api as audit_log
from massar.domain.delivery import api as delivery
from massar.domain.limits import api as limits
from massar.journeys.outcomes import Done, Problem

LOOK_EVERY = timedelta(seconds=5)
LONG = timedelta(minutes=2)  # of a queue
QUEUE = timedelta(minutes=45)  # then a person who asked for recovery has gone, by any measure …
QUEUE_IN_SEASON = timedelta(hours=3)  # … but who was told to come back later
LONGER = {"email": 4, "sms": 2}  # times as long lives a secret
LONGEST_LIFE = timedelta(hours=24)  # NIST SP 800-63B-4 §4.2.1.2, of a code by e-mail
note = logging.getLogger("massar.season")


class Rush(NamedTuple):
    """until: when the season ends; None: there is none. delay: for how long the oldest request or message for recovery
    has waited. sms_late: no provider takes SMS just now."""

    until: datetime | None = None
    delay: timedelta = timedelta(0)
    sms_late: bool = False

    @property
    def minutes(self) -> int:
        """How long a message takes just now, rounded up to what can be promised."""
        return -(-int(self.delay.total_seconds()) // 60)

    @property
    def long(self) -> bool:
        return self.delay >= LONG


CALM = Rush()
_seen: list[Rush] = [CALM]


def current(now: datetime) -> Rush:
    """What this process saw last. No statement."""
    seen = _seen[0]
    return seen if seen.until and now < seen.until else CALM


def look(*, now: datetime) -> Rush:
    """Look anew: one statement while there is no season."""
    until = limits.season.until(now=now)
    _seen[0] = CALM if until is None else Rush(until, _delay(now), _sms_late())
    return _seen[0]


def forget() -> None:
    """As a process that has not looked yet."""
    _seen[0] = CALM


def _delay(now: datetime) -> timedelta:
    waiting = [delivery.requests.oldest_waiting(), *map(delivery.outbox.oldest_urgent, delivery.wording.CHANNELS)]
    return max((now - one for one in waiting if one), default=timedelta(0))


def _sms_late() -> bool:
    names = [name for name, channel in settings.MASSAR.provider_channels.items() if channel == "sms"]
    states = delivery.breaker.all_states()
    shut = [name in states and states[name].state != delivery.breaker.State.CLOSED for name in names]
    return bool(shut) and all(shut)


def watch() -> None:
    """Look again and again, in a thread that ends with the process."""
    threading.Thread(target=_watch, name="season", daemon=True).start()


def _watch() -> None:
    while True:
        try:
            look(now=clock.now())
        except Exception as trouble:  # a thread that ended would be missing for good
            if not sql.is_away(trouble):  # then whoever needs the database says so
                note.exception("a fault while the season was looked up; trying again")
        close_old_connections()
        time.sleep(LOOK_EVERY.total_seconds())


def order(until: datetime | None, *, by: int | None, now: datetime) -> Done | Problem:
    """Switch it on until then, or off. by: the person; None: a command."""
    if until is not None and not now < until <= now + limits.season.LONGEST:
        return Problem("season_until", {"days": limits.season.LONGEST.days})
    limits.season.order(until)
    audit_log.record_event("season_ordered", now=now, outcome="on" if until else "off", by=by or "command")
    look(now=now)
    return Done()


def queue_longest(now: datetime) -> timedelta:
    """After which a request for recovery is answered no more."""
    return QUEUE_IN_SEASON if current(now).until else QUEUE


def lifetime(channel: str, now: datetime) -> timedelta:
    """How long a secret lives from its hand-over on: as set, or longer while many wait."""
    usual = settings.MASSAR.temporary_sms if channel == "sms" else settings.MASSAR.temporary_email
    return min(usual * LONGER[channel], max(usual, LONGEST_LIFE)) if current(now).long else usual
