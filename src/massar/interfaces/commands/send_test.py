"""Sends a real message through one carrier and prints each step, so that an operator sees where it stops.

    massar send-test CARRIER TO [--language fr] [--wait SECONDS]

It goes past the queue, the breakers and the budgets. Nothing about it is kept.
"""

from __future__ import annotations

import queue
import sys
import time
from concurrent.futures import Future
from datetime import timedelta

from django.conf import settings

from massar.core import clock, ids, phone, text
from massar.domain.delivery import api as delivery
from massar.interfaces.commands.carriers import from_settings

VALID_FOR = timedelta(minutes=10)
BIND_PATIENCE = 15.0  # seconds


def run(options) -> int:
    try:
        roster = from_settings()
    except delivery.CarrierSettingError as mistake:
        return _stop(str(mistake))
    carrier = roster.named(options.carrier)
    if carrier is None or carrier.channel not in ("email", "sms"):
        names = ", ".join(c.name for c in roster.all() if c.channel in ("email", "sms")) or "none"
        return _stop(f"There is no carrier {options.carrier!r}. Configured: {names}.")
    to = _destination(carrier.channel, options.to)
    if to is None:
        return _stop(f"{options.to!r} is no destination that {carrier.name} ({carrier.channel}) could write to.")
    return _Trial(carrier, to, options).run()


def _destination(channel: str, typed: str) -> str | None:
    if channel == "email":
        return text.email(typed)
    try:
        return phone.mobile(typed, settings.MASSAR.phone_countries, settings.MASSAR.mobile_ranges)
    except phone.BadPhone:
        return None


class _Trial:
    """One message, from the words to the receipt."""

    def __init__(self, carrier: delivery.Carrier, to: str, options):
        self.carrier, self.to, self.options = carrier, to, options
        self.receipts: queue.SimpleQueue[delivery.Receipt] = queue.SimpleQueue()
        self.started = time.monotonic()

    def run(self) -> int:
        _say(f"carrier   {self.carrier.name} ({self.carrier.channel})")
        message = self._written()
        if not self._reaches():
            return 1
        self.started = time.monotonic()
        result = self.carrier.send(message, valid_for=VALID_FOR)
        good = self._tell(result)
        if good and result.receipt and self.options.wait:
            good = self._await_receipt(message.message_id, result)
        if hasattr(self.carrier, "close"):
            self.carrier.close()
        return 0 if good else 1

    def _written(self) -> delivery.Outgoing:
        words = delivery.wording.render(
            "trial", language=self.options.language, channel=self.carrier.channel, values={"when": clock.now()}
        )
        size = delivery.measure(words.text)
        if self.carrier.channel == "sms":
            _say(f"text      {size.units} units, {size.encoding}, {size.segments} segment(s)")
        for line in words.text.splitlines():
            _say(f"          {line}")
        return delivery.Outgoing(
            message_id=ids.short_token(),
            channel=self.carrier.channel,
            to=self.to,
            language=self.options.language,
            subject=words.subject,
            text=words.text,
            html=words.html,
        )

    def _reaches(self) -> bool:
        """Before the message: an operator wants to know whether it is the line or the message."""
        started, found = time.monotonic(), self.carrier.check()
        for sentence in found:
            _say(f"reach     FAILED: {sentence}")
        if found:
            return False
        _say(f"reach     ok, {_ms(started)}: connected, certificate and sign-in accepted")
        return not hasattr(self.carrier, "open") or self._binds()

    def _binds(self) -> bool:
        started = time.monotonic()
        self.carrier.open(self._took)
        while not self.carrier.room() and time.monotonic() - started < BIND_PATIENCE:
            time.sleep(0.02)
        if not self.carrier.room():
            _say("bind      FAILED: no bind; perhaps workers hold all that the contract allows")
            self.carrier.close()
            return False
        _say(f"bind      ok, {_ms(started)}")
        return True

    def _took(self, receipt: delivery.Receipt) -> Future:
        """Receipts of other messages come over this bind too: they are left for the worker, which repeats will reach."""
        answer: Future = Future()
        if receipt.to and receipt.to != self.to:
            answer.set_exception(LookupError("not of this trial"))
        else:
            self.receipts.put(receipt)
            answer.set_result(None)
        return answer

    def _tell(self, result: delivery.Result) -> bool:
        match result:
            case delivery.Accepted(reference=reference, parts=parts):
                names = ", ".join(parts) or reference or "(no name given)"
                _say(f"accepted  {_ms(self.started)}, the carrier calls it {names}")
                return True
            case delivery.Refused(code=code, permanent=permanent, ours=ours, busy=busy):
                why = "our account or setting is at fault" if ours else "busy, later it may work" if busy else ""
                why = why or ("this destination will not be served" if permanent else "for now; later it may work")
                _say(f"REFUSED   {_ms(self.started)}: {code} ({why})")
            case delivery.Unsure(why=why):
                _say(f"UNSURE    {_ms(self.started)}: it left us, and then: {why}. It may arrive.")
            case delivery.NotSent(why=why):
                _say(f"NOT SENT  {_ms(self.started)}: {why}")
        return False

    def _await_receipt(self, uid: str, accepted: delivery.Accepted) -> bool:
        _say(f"receipt   waiting for it, {self.options.wait} s at most (Ctrl-C to stop)")
        names = set(accepted.parts or (accepted.reference,))
        while time.monotonic() - self.started < self.options.wait:
            found = self._next_receipt(uid, names)
            if found and found.state != delivery.UNDERWAY:
                good = found.state == delivery.DELIVERED
                _say(f"{'delivered' if good else 'FAILED   '} {_ms(self.started)} {found.code}".rstrip())
                return good
            if found:
                _say(f"          {_ms(self.started)}: on its way {found.code}".rstrip())
        _say("receipt   none came")
        return False

    def _next_receipt(self, uid: str, names: set[str]) -> delivery.Receipt | None:
        """Over this very line, or, for carriers that call back, from what the web server has stored."""
        try:
            found = self.receipts.get(timeout=0.25)
            return found if found.reference in names else None
        except queue.Empty:
            return delivery.receipts.take_stray(self.carrier.name, uid=uid, references=names)


def _ms(started: float) -> str:
    return f"{(time.monotonic() - started) * 1000:.0f} ms"


def _say(line: str) -> None:
    print(line, flush=True)


def _stop(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2
