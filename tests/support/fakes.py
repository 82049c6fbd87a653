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
)

ANSWERS = {
    "gone": NotTransmitted("nobody there"),
    "not_now": Rejected("busy", permanent=False),
    "throttled": Rejected("http 429", permanent=False, busy=True),
    "configuration_error": Rejected("who are you", permanent=False, configuration_error=True),
    "refused": Rejected("no such recipient", permanent=True),
}


class BehavingProvider(Provider):
    """Ends in 0001: refused for good; 0002: it arrives, but no answer comes; 0003: slow.

    `mood` overrides the number: one of ANSWERS, `silent` or empty.
    """

    def __init__(self, channel: str, *, slow: float = 0.2, name: str = ""):
        self.name, self.channel = name or f"behaving-{channel}", channel
        self.longest = timedelta(seconds=max(1.0, 2 * slow))
        self.mood = ""
        self.received: list[OutboundMessage] = []
        self._slow = slow
        self._lock = threading.Lock()

    def send(self, message, *, valid_for):
        ending = message.to.partition("@")[0][-4:]
        mood = self.mood or {"0001": "refused", "0002": "silent", "0003": "slow"}.get(ending, "")
        if mood in ANSWERS:
            return ANSWERS[mood]
        if mood == "slow":
            time.sleep(self._slow)
        with self._lock:
            self.received.append(message)
        return OutcomeUnknown("no answer in time") if mood == "silent" else Accepted(f"ref-{len(self.received)}")

    def check(self) -> list[str]:
        return ["Nobody there."] if self.mood == "gone" else []
