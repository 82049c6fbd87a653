"""What a worker does for the audit log, in a thread of its own: counts, seals, signs, sends, and deletes what is old.

Any number of workers may do so: each step is one transaction that only one of them gets. A fault in one step ends none
of the others; the alarms tell when one has not come on for five minutes."""

import contextlib
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import close_old_connections

from massar.core import clock, ids, sql
from massar.core.audit import api as audit_log
from massar.providers.connect import describe
from massar.providers.syslog import SyslogReceiver

EVERY = 2.0  # seconds between two turns
SIGNED_EVERY = timedelta(seconds=10)
TIDIED_EVERY = timedelta(hours=1)
SENDER_FOR = timedelta(seconds=60)  # how long one worker sends alone
MOST_SEALS = 50  # of a thousand rows, in one turn
MOST_SENT = 5000
SENT_AT_ONCE = 200
note = logging.getLogger("massar.audit")


class AuditKeeper:
    """`receiver`: where rows are sent; of the settings where nothing is given."""

    def __init__(self, receiver: SyslogReceiver | None = None) -> None:
        address = settings.MASSAR.audit_syslog
        self.receiver = receiver or (SyslogReceiver(address, settings.MASSAR.audit_syslog_ca_file) if address else None)
        self._name, self._host = ids.short_token(), settings.MASSAR.host
        self._last: dict[str, datetime] = {}
        self._signed: list[bytes] = []  # checkpoints that were not sent yet; the file has them too
        self._troubles: dict[str, str] = {}

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.turn(now=clock.now())
            stop.wait(EVERY)
        self.turn(now=clock.now())
        close_old_connections()

    def turn(self, *, now: datetime) -> None:
        if self._is_time("tidy", TIDIED_EVERY, now):
            self._try("tidy", self.tidy, now)
        self._try("seal", self.seal, now)
        if self._is_time("sign", SIGNED_EVERY, now):
            self._try("sign", self.sign, now)
        if self.receiver:
            self._try("send", self.send, now)

    def seal(self, *, now: datetime) -> None:
        """Write what was counted, and seal what is there."""
        for _ in range(MOST_SEALS):
            if audit_log.flush(now=now) < audit_log.MOST_FLUSHED:
                break
        for _ in range(MOST_SEALS):
            if audit_log.sealing.seal(now=now) < audit_log.sealing.MOST:
                return

    def sign(self, *, now: datetime) -> None:
        if line := audit_log.checkpoints.write(now=now):
            told = audit_log.export.checkpoint_as_syslog(line, now.isoformat(), self._host)
            self._signed = [*self._signed, told][-MOST_SENT:]

    def tidy(self, *, now: datetime) -> None:
        for made in audit_log.retention.make_partitions(now=now):
            note.info("the partition of %s was made", made)
        for segment in audit_log.retention.retire_old(now=now):
            note.info("%s was deleted: its time is over", segment)

    def send(self, *, now: datetime) -> None:
        """Send what was sealed and not sent yet. A row counts as sent once the other side has taken it: after a fault
        some come twice, none is left out."""
        receiver, here = self.receiver, audit_log.sealing.cursor()
        if receiver is None or (here.sent_seq == here.last_seq and not self._signed):
            return
        if not audit_log.sealing.claim_sending(self._name, until=now + SENDER_FOR, now=now):
            return
        waiting: list[bytes] = []
        seq = 0
        for one in audit_log.export.rows(after=here.sent_seq, most=MOST_SENT):
            waiting.append(audit_log.export.as_syslog(one, self._host))
            seq = one.seq
            if len(waiting) == SENT_AT_ONCE:
                receiver.send(waiting)
                audit_log.sealing.note_sent(seq)
                waiting = []
        signed, self._signed = self._signed, []
        try:
            if waiting or signed:
                receiver.send([*waiting, *signed])
        except OSError:
            self._signed = [*signed, *self._signed]
            raise
        if waiting:
            audit_log.sealing.note_sent(seq)

    def _is_time(self, name: str, every: timedelta, now: datetime) -> bool:
        if not clock.is_due(self._last.get(name), every, now=now):
            return False
        self._last[name] = now
        return True

    def _try(self, name: str, work: Callable[..., None], now: datetime) -> None:
        """A fault is told when it begins and when it is over, not every two seconds."""
        try:
            work(now=now)
        except Exception as trouble:
            if (said := describe(trouble)) != self._troubles.get(name):
                note.error("the audit log: can't %s: %s", name, said, exc_info=not isinstance(trouble, OSError))
            self._troubles[name] = said
            if name != "tidy":  # it waits for locks, and whoever signs in waits behind it
                self._last.pop(name, None)  # tried again in the next turn
            if not sql.is_away(trouble):
                return
            with contextlib.suppress(Exception):
                close_old_connections()
        else:
            if self._troubles.pop(name, None):
                note.info("the audit log: can %s again", name)
