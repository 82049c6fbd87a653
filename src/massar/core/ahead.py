"""Work that waits for the database, beside work that makes what comes next."""

import contextlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
# Seconds after which whoever makes the next must let go, once the database has answered: Python's own 5 ms, waited
# after each statement, would leave the database idle for longer than it works.
_LET_GO = 0.0002


def one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items; while the caller has one, the next is made in a thread of its own. What making one raises, the
    caller gets in its place. Nothing of `items` may ask the database: connections belong to threads."""
    end: list[T] = []
    with _letting_go(), ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:

        def coming() -> list[T]:
            return next(([item] for item in items), end)

        made = pool.submit(coming)
        while got := made.result():
            made = pool.submit(coming)
            yield got[0]


@contextlib.contextmanager
def _letting_go() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_LET_GO)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
