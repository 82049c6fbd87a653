"""One message on its way through an SMSC: its segments, when it must leave, and what became of it."""

import time
from concurrent.futures import Future
from datetime import timedelta

from massar.domain.delivery.provider import Accepted, NotTransmitted, OutcomeUnknown, Rejected, Result
from massar.providers.smpp import pdu
from massar.providers.smpp.session import Session

NOT_IN_TIME = NotTransmitted("its turn did not come in time")
TOO_LATE = NotTransmitted("too late")


class Submission:
    """One message on its way. Times are of `time.monotonic`, which is the clock of asyncio's loops too."""

    def __init__(self, to: pdu.Address, segments: list[pdu.Content], *, valid_for: timedelta, patience: float):
        self.future: Future[Result] = Future()
        self.future.set_running_or_notify_cancel()  # from here on nobody can take it back
        self.to, self.segments = to, segments
        now = time.monotonic()
        self.leave_by, self.worthless_at = now + patience, now + valid_for.total_seconds()
        self.written = 0
        self.session: Session | None = None  # all segments leave by one
        self._results: dict[int, Result] = {}

    def late(self, now: float) -> NotTransmitted | None:
        if now > self.worthless_at - 1:  # the shortest validity that can be written is a second
            return TOO_LATE
        return NOT_IN_TIME if now > self.leave_by else None

    def spoilt(self) -> bool:
        """Whether a segment is known not to arrive: then the others would be of no use."""
        return any(not isinstance(result, Accepted) for result in self._results.values())

    def answered(self, place: int, result: Result) -> None:
        self._results[place] = result
        if len(self._results) == len(self.segments):
            self.future.set_result(_whole([self._results[n] for n in range(len(self.segments))]))

    def give_up(self, why: Rejected | NotTransmitted) -> None:
        """What was not written will not be."""
        for place in range(self.written, len(self.segments)):
            self.answered(place, why)
        self.written = len(self.segments)


def _whole(results: list[Result]) -> Result:
    """One result for all segments: a message that lacks one is not read by anybody."""
    refused = [result for result in results if isinstance(result, Rejected)]
    if refused:
        return min(refused, key=lambda result: result.busy)
    for kind in (NotTransmitted, OutcomeUnknown):
        found = next((result for result in results if isinstance(result, kind)), None)
        if found:
            return found
    if len(results) == 1:
        return results[0]
    names = tuple(result.reference for result in results if isinstance(result, Accepted))
    return Accepted(names[0], names, receipt=all(names))
