"""A provider that hands over to a list, with faults dialled by the end of the number or of the local part."""

import threading
import time
from datetime import timedelta

from massar.domain.delivery import provider

ANSWERS = {
    "gone": provider.NotTransmitted("nobody there"),
    "not_now": provider.Rejected("busy", permanent=False),
    "throttled": provider.Rejected("http 429", permanent=False, busy=True),
    "configuration_error": provider.Rejected("who are you", permanent=False, configuration_error=True),
    "refused": provider.Rejected("no such recipient", permanent=True),
}


class BehavingProvider(provider.Provider):
    """Ends in 0001: refused for good; 0002: it arrives, but no answer comes; 0003: slow.

    `mood` overrides the number: one of ANSWERS, `silent` or empty.
    """

    def __init__(self, channel: str, *, slow: float = 0.2, name: str = ""):
        self.name, self.channel = name or f"behaving-{channel}", channel
        self.longest = timedelta(seconds=max(1.0, 2 * slow))
        self.mood = ""
        self.received: list[provider.OutboundMessage] = []
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
        if mood == "silent":
            return provider.OutcomeUnknown("no answer in time")
        return provider.Accepted(f"ref-{len(self.received)}")

    def check(self) -> list[str]:
        return ["Nobody there."] if self.mood == "gone" else []
