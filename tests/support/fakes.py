"""A provider that hands over to a list, with faults dialled by the end of the number or of the local part."""

import threading
import time
from datetime import timedelta

from massar.domain.delivery.provider import (
    Accepted,
    NotTransmitted,
    OutboundMessage,
    OutcomeUnknown,
    Provider,
    Rejected,
    Result,
)


class BehavingProvider(Provider):
    """Ends in 0001: refused for good; 0002: it arrives, but no answer comes; 0003: slow.

    `mood` overrides the number: `refused`, `not_now`, `configuration_error`, `silent`, `gone` or empty.
    """

    def __init__(self, channel: str, *, slow: float = 0.2):
        self.name = f"behaving-{channel}"
        self.channel = channel
        self.longest = timedelta(seconds=max(1.0, 2 * slow))
        self.mood = ""
        self.received: list[OutboundMessage] = []
        self._slow = slow
        self._lock = threading.Lock()

    def send(self, message: OutboundMessage, *, valid_for: timedelta) -> Result:
        mood = self.mood or {"0001": "refused", "0002": "silent", "0003": "slow"}.get(_ending(message.to), "")
        if mood == "gone":
            return NotTransmitted("nobody there")
        if mood == "not_now":
            return Rejected("busy", permanent=False)
        if mood == "configuration_error":
            return Rejected("who are you", permanent=False, configuration_error=True)
        if mood == "refused":
            return Rejected("no such recipient", permanent=True)
        if mood == "slow":
            time.sleep(self._slow)
        with self._lock:
            self.received.append(message)
        return OutcomeUnknown("no answer in time") if mood == "silent" else Accepted(f"ref-{len(self.received)}")

    def check(self) -> list[str]:
        return ["Nobody there."] if self.mood == "gone" else []


def _ending(to: str) -> str:
    return to.partition("@")[0][-4:]
