"""Sends a real message through one provider and prints each step, so that an operator sees where it stops.

It goes past the queue, the breakers and the budgets. Nothing about it is kept. A long text shows whether a provider
cuts what does not fit into one SMS: where it says how many it made, they are compared, else the phone shows
the end."""

import argparse
import queue
import sys
import time
from concurrent.futures import Future
from datetime import timedelta

from django.conf import settings

from massar.core import clock, ids, phone, text
from massar.domain.delivery import api as delivery
from massar.interfaces.commands.providers import from_settings

VALID_FOR = timedelta(minutes=10)
BIND_PATIENCE = 15.0  # seconds
LINES = 8  # of a long text: four SMS in Arabic


def run(options: argparse.Namespace) -> int:
    try:
        registry = from_settings()
    except delivery.ProviderSettingError as mistake:
        return _stop(str(mistake))
    provider = registry.named(options.provider)
    if provider is None:
        names = ", ".join(c.name for c in registry.all()) or "none"
        return _stop(f"There is no provider {options.provider!r}. Configured: {names}.")
    if options.long and provider.channel != "sms":
        return _stop("--long is for SMS: a letter is never cut.")
    to = _destination(provider.channel, options.to)
    if to is None:
        return _stop(f"{options.to!r} is no destination that {provider.name} ({provider.channel}) could write to.")
    return _Trial(provider, to, options).run()


def _destination(channel: str, typed: str) -> str | None:
    if channel == "email":
        return text.email(typed)
    try:
        return phone.mobile(typed, settings.MASSAR.phone_countries, settings.MASSAR.mobile_ranges)
    except phone.BadPhone:
        return None


class _Trial:
    def __init__(self, provider: delivery.Provider, to: str, options: argparse.Namespace):
        self.provider, self.to, self.options = provider, to, options
        self.receipts: queue.SimpleQueue[delivery.Receipt] = queue.SimpleQueue()
        self.started = time.monotonic()
        self.needed, self.ends = 0, ""  # SMS that the text needs, and its last line
        self.names: set[str] = set()

    def run(self) -> int:
        _say(f"provider   {self.provider.name} ({self.provider.channel})")
        message = self._written()
        if not self._reaches():
            return 1
        self.started = time.monotonic()
        result = self.provider.send(message, valid_for=VALID_FOR)
        self._tell(result)
        good = False
        if isinstance(result, delivery.Accepted):
            self.names = {*result.parts, result.reference} - {""}
            awaited = result.receipt and self.options.wait
            good = self._compare(result) and (not awaited or self._await_receipt(message.message_id, result))
        self.provider.close()
        return 0 if good else 1

    def _written(self) -> delivery.OutboundMessage:
        channel, language = self.provider.channel, self.options.language or ("ar" if self.options.long else "fr")
        values = {"when": clock.now()} | ({"lines": LINES} if self.options.long else {})
        words = delivery.wording.render("trial", language=language, channel=channel, values=values)
        lines = words.text.splitlines()
        if channel == "sms":
            size = delivery.measure(words.text)
            self.needed, self.ends = size.segments, lines[-1]
            _say(f"text      {size.units} units, {size.encoding}, {size.segments} segment(s)")
        for line in lines:
            _say(f"          {line}")
        id = ids.short_token()
        return delivery.OutboundMessage(id, channel, self.to, language, words.subject, words.text, words.html)

    def _reaches(self) -> bool:
        """Before the message: an operator wants to know whether it is the line or the message."""
        provider, started = self.provider, time.monotonic()
        found = provider.check()
        for sentence in found:
            _say(f"reach     FAILED: {sentence}")
        if found:
            return False
        fine = f"ok, {_ms(started)}: connected, certificate and sign-in accepted"
        _say(f"reach     {provider.left_alone or fine}")
        if not isinstance(provider, delivery.Pipelined):
            return True
        started = time.monotonic()
        provider.open(self._took)
        while not provider.room() and time.monotonic() - started < BIND_PATIENCE:
            time.sleep(0.02)
        if not provider.room():
            _say("bind      FAILED: no bind; perhaps workers hold all that the contract allows")
            provider.close()
            return False
        _say(f"bind      ok, {_ms(started)}")
        return True

    def _took(self, receipt: delivery.Receipt) -> Future[None]:
        """Receipts of other messages come over this bind too: they are left for the worker, whom repeats reach."""
        answer: Future[None] = Future()
        others = self.names and not delivery.receipts.alike(receipt.reference, self.names)
        if others or (receipt.to and receipt.to != self.to):
            answer.set_exception(LookupError("not of this trial"))
        else:
            self.receipts.put(receipt)
            answer.set_result(None)
        return answer

    def _tell(self, result: delivery.Result) -> None:
        match result:
            case delivery.Accepted(reference=reference, parts=parts):
                names = ", ".join(parts) or reference or "(no name given)"
                _say(f"accepted  {_ms(self.started)}, the provider calls it {names}")
            case delivery.Rejected():
                why = "this destination will not be served" if result.permanent else "for now; later it may work"
                if result.configuration_error:
                    why = "our account or setting is at fault"
                elif result.busy:
                    why = "busy, later it may work"
                _say(f"REFUSED   {_ms(self.started)}: {result.code} ({why})")
            case delivery.OutcomeUnknown(why=why):
                _say(f"UNSURE    {_ms(self.started)}: it left us, and then: {why}. It may arrive.")
            case delivery.NotTransmitted(why=why):
                _say(f"NOT SENT  {_ms(self.started)}: {why}")

    def _compare(self, accepted: delivery.Accepted) -> bool:
        made = accepted.segments or len(accepted.parts)
        if not made:
            if self.needed > 1:
                _say(f"segments  {self.needed} are needed; this provider does not say how many it made")
                _say(f"          the message is whole if the phone shows its last line: {self.ends}")
            return True
        if made < self.needed:
            _say(f"CUT       the text needs {self.needed} segments, the provider made {made}: the rest is lost")
            return False
        more = ": it costs more than we reckon" if made > self.needed else ""
        _say(f"segments  {self.needed} are needed, the provider made {made}{more}")
        return True

    def _await_receipt(self, uid: str, accepted: delivery.Accepted) -> bool:
        _say(f"receipt   waiting for it, {self.options.wait} s at most (Ctrl-C to stop)")
        waiting = set(accepted.parts or (accepted.reference,))
        while waiting and time.monotonic() - self.started < self.options.wait:
            found: delivery.Receipt | None
            try:  # over this very line, or, for providers that call back, from what the web server has stored
                found = self.receipts.get(timeout=0.25)
                found = found if delivery.receipts.alike(found.reference, waiting) else None
            except queue.Empty:
                found = delivery.receipts.take_unmatched(self.provider.name, uid=uid, references=waiting)
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


def _ms(started: float) -> str:
    return f"{(time.monotonic() - started) * 1000:.0f} ms"


def _say(line: str) -> None:
    print(line, flush=True)


def _stop(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2
