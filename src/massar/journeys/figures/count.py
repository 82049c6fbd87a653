"""Counting the figures of every branch: by a worker now and then, so that no page counts anybody.

A count reads whole tables once. It comes again after a quarter of an hour, or fifty times as long as it took: a
fiftieth of one core at most, whatever the size of the country. In a season it rests. A worker that counts holds a lease
of some minutes, and keeps it from step to step: where it dies, another one counts soon."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from statistics import median_low
from typing import NamedTuple

from massar.core import local_time
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.figures import api as figures
from massar.domain.figures.api import FigureFacts
from massar.domain.people import api as people
from massar.journeys import personal_data, season

EVERY = timedelta(minutes=15)
SHARE = 50  # a count rests for so many times as long as it took
WINDOW = timedelta(days=30)
Kinds = people.units.Kind
Key = tuple[int, int]  # unit, kind of belonging or EVERYBODY


class _Sum(NamedTuple):
    """What is added up the tree."""

    people: int = 0
    activated: int = 0
    one: int = 0
    two: int = 0
    emails: int = 0
    texts: int = 0
    segments: int = 0
    cost: int = 0

    def plus(self, other: "_Sum") -> "_Sum":
        return _Sum(*map(sum, zip(self, other, strict=True)))


def turn(*, tick: Callable[[], datetime]) -> bool:
    """Count if it is due and nobody else does; whether it was."""
    now = tick()
    if season.current(now).until or not figures.store.claim(now=now):
        return False
    count(now=now, beat=lambda: figures.store.go_on(now=tick()))
    took = tick() - now
    figures.store.schedule(seconds=took.total_seconds(), due_at=tick() + max(EVERY, SHARE * took))
    return True


def window() -> timedelta:
    """The days of which recoveries and messages are counted: no more than are kept."""
    kept = {one.name: one.kept_days() for one in personal_data.TABLE}
    return min(WINDOW, *(timedelta(days=kept[name]) for name in ("messages", "temporary_passwords")))


def count(*, now: datetime, beat: Callable[[], None] = lambda: None) -> None:
    """Count everybody, and put it in the place of the last count. beat: called before each step."""
    today, since = local_time.local(now).date(), now - window()
    above = _Above(people.counting.places(on=today))
    main, params = people.counting.MAIN, people.counting.main_params(today)
    sums: dict[Key, _Sum] = defaultdict(_Sum)
    taken: dict[Key, list[int]] = defaultdict(list)
    for unit, kind, *counted in people.counting.by_unit(passwords=credentials.passwords.TABLE, on=today, now=now):
        for key in above.keys(unit, kind):
            sums[key] = sums[key].plus(_Sum(*counted))
    beat()
    for unit, kind, channel, number, segments, cost in delivery.metrics.tally_by_unit(
        belonging=main, params=params, since=since
    ):
        sent = (
            _Sum(emails=number, cost=cost) if channel == "email" else _Sum(texts=number, segments=segments, cost=cost)
        )
        for key in above.keys(unit, kind):
            sums[key] = sums[key].plus(sent)
    beat()
    for unit, kind, seconds in credentials.temporary.recoveries(belonging=main, params=params, since=since):
        for key in above.keys(unit, kind):
            taken[key].append(seconds)
    beat()
    found = [_figure(key, one, taken.get(key, [])) for key, one in sums.items() if one.people]
    whole = (one for one in found if one.belongs_as == figures.EVERYBODY)
    days = [one for one in whole if above.kinds[one.unit_id] <= Kinds.DIRECTORATE]
    figures.store.replace(found, days, day=today, now=now)


def _figure(key: Key, one: _Sum, taken: list[int]) -> FigureFacts:
    return FigureFacts(
        *key, people=one.people, activated=one.activated, one=one.one, two=one.two, recoveries=len(taken),
        median=median_low(taken) if taken else None, emails=one.emails, texts=one.texts, segments=one.segments,
        cost=one.cost,
    )  # fmt: skip


class _Above:
    """The way up from each unit. Classes have no row of their own: their people are those of the establishment."""

    def __init__(self, places: list[people.counting.UnitPlace]) -> None:
        self.kinds = {one.id: one.kind for one in places}
        self._parents = {one.id: one.parent_id for one in places}
        self._ways: dict[int, tuple[int, ...]] = {}

    def keys(self, unit: int, kind: int) -> Iterator[Key]:
        for one in self._way(unit):
            yield one, kind
            yield one, figures.EVERYBODY

    def _way(self, unit: int) -> tuple[int, ...]:
        way = self._ways.get(unit)
        if way is None:
            found, at, seen = list[int](), unit, set[int]()
            while at in self.kinds and at not in seen:
                seen.add(at)
                if self.kinds[at] != Kinds.CLASS:
                    found.append(at)
                at = self._parents[at] or 0
            way = self._ways[unit] = tuple(found)
        return way
