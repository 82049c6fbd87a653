"""What a worker does with lists that agents asked for: one at a time, into a file without a name, kept in pieces.

claimed → judged anew, by the roles that the agent holds now → rows, a thousand at a time → kept, all of it or nothing.
Where a worker dies, the next one begins anew."""

import tempfile
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from massar.core import local_time
from massar.domain.people import api as people
from massar.domain.people.api import exports
from massar.journeys.desk import exports as desk_exports
from massar.journeys.people import branch_list

MOST_TURNS = 5  # of one list: one that ends its worker each time is made no more


class Speak(Protocol):
    """Gives the words of a list, in its language."""

    def __call__(
        self, one: exports.ExportFacts, unit: people.units.UnitFacts, *, now: datetime
    ) -> branch_list.ListWords: ...


class _Elsewhere(Exception):
    """Another worker has it, or it was ended."""


def turn(*, tick: Callable[[], datetime], speak: Speak, pause: Callable[[], None]) -> bool:
    """Make one list, if one waits; whether one did. pause: between two parts of it, so that others come by."""
    one = exports.claim(now=tick())
    if one is None:
        return False
    scope = _scope(one, tick())
    if scope is None or one.turn > MOST_TURNS:
        exports.fail(one, "fault" if scope else "role", now=tick())
        return True
    progress, words = _Progress(one, tick, pause), speak(one, scope.unit, now=tick())
    with tempfile.TemporaryFile() as file:  # it has no name: kill -9 leaves nothing of it
        rows = branch_list.rows(scope, words, now=tick(), tell=progress.add)
        try:
            written = branch_list.write(file, one.ending, rows, words)
        except _Elsewhere:
            return True
        file.seek(0)
        exports.keep(one, file, done=written, now=tick())
    return True


class _Progress:
    def __init__(self, one: exports.ExportFacts, tick: Callable[[], datetime], pause: Callable[[], None]) -> None:
        self._one, self._tick, self._pause, self._done = one, tick, pause, 0

    def add(self, rows: int) -> None:
        self._done += rows
        if not exports.go_on(self._one, done=self._done, now=self._tick()):
            raise _Elsewhere
        self._pause()


def _scope(one: exports.ExportFacts, now: datetime) -> branch_list.ListScope | None:
    """Whom the agent may take now; None where the role is gone, or its holder."""
    agent = people.directory.by_id(one.asked_by or 0, now=now)
    if agent is None or not agent.active:
        return None
    held = people.roles.holding(agent.id, on=local_time.local(now).date())
    found = desk_exports.still(one, held, now=now)
    return found[0] if found else None
