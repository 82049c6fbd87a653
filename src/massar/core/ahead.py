"""Work that waits for the database, beside work that makes what comes next."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items; while the caller has one, the next is made in a thread of its own. What making one raises, the
    caller gets in its place. Nothing of `items` may ask the database: connections belong to threads."""
    end: list[T] = []
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:

        def coming() -> list[T]:
            return next(([item] for item in items), end)

        made = pool.submit(coming)
        while got := made.result():
            made = pool.submit(coming)
            yield got[0]
