"""Waiting for what another thread, process or server does."""

import time
from collections.abc import Callable

DEADLINE = 10.0


def until(condition: Callable[[], object], seconds: float = DEADLINE, why: str = "it did not come to that") -> object:
    """What `condition` gives once it is true; a failure when it is not in time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, why
        time.sleep(0.005)
    return found
