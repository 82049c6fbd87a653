"""Sends a real message through one carrier and prints each step, so that an operator sees where it stops.

    massar send-test CARRIER TO [--language fr] [--long] [--wait SECONDS]

It goes past the queue, the breakers and the budgets. Nothing about it is kept. A long text shows whether a carrier cuts
what does not fit into one SMS: where it says how many it made, they are compared, else the phone shows its last line.
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
LINES = 8  # of a long text: four SMS in Arabic


def run(options) -> int:
    try:
        roster = from_settings()
    except delivery.CarrierSettingError as mistake:
        return _stop(str(mistake))
    carrier = roster.named(options.carrier)
    if carrier is None or carrier.channel not in ("email", "sms"):
        names = ", ".join(c.name for c in roster.all() if c.channel in ("email", "sms")) or "none"
        return _stop(f"There is no carrier {options.carrier!r}. Configured: {names}.")
    if options.long and carrier.channel != "sms":
        return _stop("--long is for SMS: a letter is never cut.")
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
        self.needed, self.ends = 0, ""  # SMS that the text needs, and its last line
        self.names: set[str] = set()

    def run(self) -> int:
        _say(f"carrier   {self.carrier.name} ({self.carrier.channel})")
        message = self._written()
        if not self._reaches():
            return 1
        self.started = time.monotonic()
        result = self.carrier.send(message, valid_for=VALID_FOR)
        if isinstance(result, delivery.Accepted):
            self.names = {*result.parts, result.reference} - {""}
        good = self._tell(result) and self._compare(result)
        if good and result.receipt and self.options.wait:
            good = self._await_receipt(message.message_id, result)
        if hasattr(self.carrier, "close"):
            self.carrier.close()
        return 0 if good else 1

    def _written(self) -> delivery.Outgoing:
        language = self.options.language or ("ar" if self.options.long else "fr")
        values = {"when": clock.now()} | ({"lines": LINES} if self.options.long else {})
        words = delivery.wording.render("trial", language=language, channel=self.carrier.channel, values=values)
        if self.carrier.channel == "sms":
            size = delivery.measure(words.text)
            self.needed, self.ends = size.segments, words.text.splitlines()[-1]
            _say(f"text      {size.units} units, {size.encoding}, {size.segments} segment(s)")
        for line in words.text.splitlines():
            _say(f"          {line}")
        return delivery.Outgoing(
            message_id=ids.short_token(),
            channel=self.carrier.channel,
            to=self.to,
            language=language,
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
        left_alone = getattr(self.carrier, "left_alone", "")
        _say(f"reach     {left_alone or f'ok, {_ms(started)}: connected, certificate and sign-in accepted'}")
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
        others = self.names and not delivery.receipts.alike(receipt.reference, self.names)
        if others or (receipt.to and receipt.to != self.to):
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

    def _compare(self, accepted: delivery.Accepted) -> bool:
        """Whether the carrier made as many SMS as the text needs, where it says so."""
        made = accepted.segments or len(accepted.parts)
        if not made:
            if self.needed > 1:
                _say(f"segments  {self.needed} are needed; this carrier does not say how many it made")
                _say(f"          the message is whole if the phone shows its last line: {self.ends}")
            return True
        if made < self.needed:
            _say(f"CUT       the text needs {self.needed} segments, the carrier made {made}: the rest is lost")
            return False
        more = ": it costs more than we reckon" if made > self.needed else ""
        _say(f"segments  {self.needed} are needed, the carrier made {made}{more}")
        return True

    def _await_receipt(self, uid: str, accepted: delivery.Accepted) -> bool:
        _say(f"receipt   waiting for it, {self.options.wait} s at most (Ctrl-C to stop)")
        waiting = set(accepted.parts or (accepted.reference,))
        while waiting and time.monotonic() - self.started < self.options.wait:
            found = self._next_receipt(uid, waiting)
            if found and found.state == delivery.UNDERWAY:
                _say(f"          {_ms(self.started)}: on its way {found.code}".rstrip())
            elif found and found.state == delivery.DELIVERED:
                named = {name for name in waiting if delivery.receipts.alike(found.reference, [name])}
                waiting = waiting - named if named else set()  # one without a name of its own is about all of it
                left = f", {len(waiting)} segment(s) are awaited" if waiting else ""
                _say(f"delivered {_ms(self.started)} {found.code}".rstrip() + left)
            elif found:
                _say(f"FAILED    {_ms(self.started)} {found.code}".rstrip())
                return False
        if waiting:
            _say("receipt   none came" if len(waiting) == 1 else f"receipt   none came of {len(waiting)} segments")
        return not waiting

    def _next_receipt(self, uid: str, names: set[str]) -> delivery.Receipt | None:
        """Over this very line, or, for carriers that call back, from what the web server has stored."""
        try:
            found = self.receipts.get(timeout=0.25)
            return found if delivery.receipts.alike(found.reference, names) else None
        except queue.Empty:
            return delivery.receipts.take_stray(self.carrier.name, uid=uid, references=names)


def _ms(started: float) -> str:
    return f"{(time.monotonic() - started) * 1000:.0f} ms"


def _say(line: str) -> None:
    print(line, flush=True)


def _stop(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2
