"""Whom a list has named so far, however long it is."""

import hashlib
from array import array


class SeenNames:
    """In 16 to 32 bytes each: a table of 64-bit digests with open addressing. Two of ten million are one by mistake
    once in 370 000 lists, and then a row is refused, not lost."""

    def __init__(self) -> None:
        self._table, self._count = array("Q", bytes(8 * 1024)), 0

    def add(self, word: str) -> bool:
        """Whether it was not there."""
        if 2 * self._count >= len(self._table):
            self._grow()
        mark = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest()) or 1
        fresh = self._put(mark)
        self._count += fresh
        return fresh

    def _put(self, mark: int) -> bool:
        table, last = self._table, len(self._table) - 1
        place = mark & last
        while table[place]:
            if table[place] == mark:
                return False
            place = (place + 1) & last
        table[place] = mark
        return True

    def _grow(self) -> None:
        old, self._table = self._table, array("Q", bytes(16 * len(self._table)))
        for mark in old:
            if mark:
                self._put(mark)
