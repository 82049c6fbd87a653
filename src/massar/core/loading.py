"""Loading what a process needs until it ends."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """While modules load nothing is garbage: the collector walked through all of them a hundred times, an eighth of a
    start. Nor is it later, so what was loaded stays out of its rounds."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
