"""A process that ends when its parent does, however that one ended."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None  # loaded here: not between fork and exec


def end_with_parent(parent: int) -> None:
    """Send this process SIGTERM when `parent`, or the thread of it that made this one, ends. Linux only."""
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was already gone
        os.kill(os.getpid(), signal.SIGTERM)
