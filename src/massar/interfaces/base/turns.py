"""Who waits for a turn at the hash in this process: in which order, and who is sent away instead of waiting long.

A process makes one hash at a time. Requests that may ask for one wait here without a thread, few threads take them from
here, and all other requests pass beside (`rsgi.py`). So a rush makes nobody wait but those who wait for a hash, and
these until ANSWERED_WITHIN at most: the line is as long as what is served in time, by the pace measured here.

Who goes first (docs/adr/0086-a-rush-is-bounded.md):

    one network holds no more than its share of the line   → what it sends beyond that stands behind everybody else
    who was sent away before and comes back with a ticket  → in the order in which they first came
    a known device, or a page behind the sign-in           → a few places of one person's devices at a time
    everybody else                                         → as they come"""

import itertools
import threading
import time
from bisect import insort
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ANSWERED_WITHIN = 2.6  # seconds, of which the turn itself takes some; what jitters beside it must end within three
SHORTEST_WAIT = 0.5  # seconds, however slow turns are
THREADS = 4  # one hashes, the others read before it and write after it
FEWEST, MOST = 8, 1000  # places, however slow or fast this machine is
USUAL_PACE = 0.04  # seconds a request, until it is measured
FOLLOWS = 0.05  # the part of each new measurement in the pace
SHARE = 8  # one network holds an eighth of the line
OF_ONE_PERSON = 3  # places that one person's known devices hold at a time: a signed cookie can be copied


@dataclass(eq=False)
class PlaceInLine:
    """One request in the line. network: it counts against that one's share. person: whose known device sent it; 0: none
    that is known. inside: it was posted behind the sign-in, where whoever is not in costs no hash; but anybody may post
    there, so it comes before no ticket. since: when it was first sent away, if it was (seconds of any clock that all
    nodes share)."""

    call: Any
    network: str = ""
    person: int = 0
    inside: bool = False
    since: float | None = None
    came: float = 0
    order: tuple[bool, int, float, int] = (False, 0, 0, 0)


class Turns:
    """The line of one process. clock: seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.pace = USUAL_PACE
        self._clock, self._numbers = clock, itertools.count()
        self._changed = threading.Condition()
        self._line: list[PlaceInLine] = []
        self._held: Counter[str | int] = Counter()  # places, of each network and each person
        self._idle = 0  # threads that wait for somebody to come
        self._ended: float | None = None  # when the last turn ended, if others waited then

    def __len__(self) -> int:
        return len(self._line)

    @property
    def is_free(self) -> bool:
        """Whether somebody who comes now has a turn at once: then it does not matter who it is."""
        return self._idle > len(self._line)

    @property
    def longest_wait(self) -> float:
        """Seconds for which anybody stands in the line. A turn takes as long as those of all threads together, and
        twice that where it is unlucky."""
        return max(SHORTEST_WAIT, ANSWERED_WITHIN - 2 * THREADS * self.pace)

    @property
    def longest(self) -> int:
        """How many are served meanwhile."""
        return min(MOST, max(FEWEST, int(self.longest_wait / self.pace)))

    def join(self, place: PlaceInLine) -> PlaceInLine | None:
        """Stand in the line. Returns who has to leave it for that, who came perhaps."""
        with self._changed:
            crowds = self._held[place.network] >= self.longest // SHARE
            known = place.person and self._held[place.person] < OF_ONE_PERSON
            rank = (0 if known else 1) if place.since is not None else 2 if known or place.inside else 3
            place.order = (crowds, rank, place.since or 0, next(self._numbers))
            place.came = self._clock()
            insort(self._line, place, key=_order)
            self._held.update((place.network, place.person))
            if len(self._line) > self.longest:
                return self._remove(-1)
            self._changed.notify()
        return None

    def take(self) -> PlaceInLine:
        """Wait until it is somebody's turn."""
        with self._changed:
            self._idle += 1
            while not self._line:
                self._changed.wait()
            self._idle -= 1
            return self._remove(0)

    def end(self) -> None:
        """A turn is over. While others wait, the time between two such ends is the pace."""
        with self._changed:
            now = self._clock()
            if self._ended is not None:
                self.pace += (now - self._ended - self.pace) * FOLLOWS
            self._ended = now if self._line else None

    def leave(self, place: PlaceInLine) -> bool:
        """Who waited has gone. Whether the place was still in the line."""
        with self._changed:
            if place not in self._line:
                return False
            self._remove(self._line.index(place))
        return True

    def late(self) -> list[PlaceInLine]:
        """Take those out of the line who have waited as long as anybody shall."""
        with self._changed:
            until = self._clock() - self.longest_wait
            found = [place for place in self._line if place.came <= until]
            for place in found:
                self._remove(self._line.index(place))
        return found

    def _remove(self, index: int) -> PlaceInLine:
        place = self._line.pop(index)
        for key in (place.network, place.person):
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]
        return place


def _order(place: PlaceInLine) -> tuple[bool, int, float, int]:
    return place.order
