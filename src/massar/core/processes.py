"""How a process begins and ends: loading what it needs, and ending when its parent does, however that one ended."""

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None  # loaded here: not between fork and exec


def end_with_parent(parent: int) -> None:
    """Send this process SIGTERM when `parent`, or the thread of it that made this one, ends. Linux only."""
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was already gone
        os.kill(os.getpid(), signal.SIGTERM)


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
