"""Argon2id through libsodium, one hash at a time per process (decision 14).

Concurrent hashes on one core slow each other (caches), so a queue admits one; known devices pass first, the queue is
bounded, and who would wait too long is told to come back (503 and Retry-After).
"""

import heapq
import itertools
import threading
from functools import lru_cache

from django.conf import settings
from nacl import exceptions, pwhash


class Busy(Exception):
    """The queue before the hash is full, or the wait was too long."""


class HashQueue:
    """Admits one caller at a time; lower rank first, then first come first served. `timeout`: seconds."""

    def __init__(self, longest: int = 60, timeout: float = 3.0):
        self._longest, self._timeout = longest, timeout
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, int, threading.Event]] = []
        self._numbers = itertools.count()
        self._taken = False

    def acquire(self, *, known: bool) -> None:
        """Wait for the turn. Raises Busy when the queue is full or the time is over."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            if len(self._waiting) >= self._longest * (2 if known else 1):
                raise Busy
            mine = (0 if known else 1, next(self._numbers), threading.Event())
            heapq.heappush(self._waiting, mine)
        if mine[2].wait(self._timeout):
            return
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                heapq.heapify(self._waiting)
                raise Busy
        self.release()  # the turn came at the last moment: pass it on
        raise Busy

    def release(self) -> None:
        with self._lock:
            if self._waiting:
                heapq.heappop(self._waiting)[2].set()
            else:
                self._taken = False


_QUEUE = HashQueue()


def hash_password(password: str) -> str:
    """Return the `$argon2id$` string of a password under the configured parameters. Raises Busy."""
    cost = settings.MASSAR.argon2
    _QUEUE.acquire(known=True)
    try:
        return pwhash.argon2id.str(password.encode(), opslimit=cost.passes, memlimit=cost.memory_kib * 1024).decode()
    finally:
        _QUEUE.release()


def verify(password: str, phc: str, *, known: bool = True) -> bool:
    """Whether the password belongs to the `$argon2id$` string. Always costs one hash. Raises Busy."""
    _QUEUE.acquire(known=known)
    try:
        return pwhash.verify(phc.encode(), password.encode())
    except exceptions.InvalidkeyError:
        return False
    finally:
        _QUEUE.release()


def needs_rehash(phc: str) -> bool:
    """Whether the string was made under other parameters than today's."""
    cost = settings.MASSAR.argon2
    return f"$m={cost.memory_kib},t={cost.passes},p=1$" not in phc


@lru_cache(maxsize=4)
def _decoy(memory_kib: int, passes: int) -> str:
    return pwhash.argon2id.str(b"nobody has this password", opslimit=passes, memlimit=memory_kib * 1024).decode()


def decoy() -> str:
    """A string that fits no input anybody types, under today's parameters: the unknown account's hash."""
    return _decoy(settings.MASSAR.argon2.memory_kib, settings.MASSAR.argon2.passes)
