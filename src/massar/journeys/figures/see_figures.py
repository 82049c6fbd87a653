"""The figures of a branch, for agents of that branch: of itself, and of the units just below it.

Of fewer than SMALL people nothing is told but that they are few: a share of three says what one of them did. All other
numbers are rounded to multiples of BASE, sums too, each by itself, so no difference of two of them (everybody without
the pupils, an academy without its directorates, yesterday and today) says how many are hidden: the standard rounding of
the British statistics of higher education (HESA: https://www.hesa.ac.uk/about/regulation/data-protection/rounding-and-
suppression-anonymise-statistics), where shares of fewer than 22.5 people and averages of up to 7 are left out as well.
Secondary suppression in each table (Hundepool et al., Statistical Disclosure Control, 2012, ch. 4) is not enough: the
tables overlap."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from massar.core import local_time
from massar.domain.figures import api as figures
from massar.domain.figures.api import DayFacts, FigureFacts, RunFacts
from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.journeys.desk.agents import Agent

BASE = 5
SMALL = 13  # the least that is rounded to 15: below a threshold that cuts through a multiple, differences tell more
LEAST_FOR_MEDIAN = 10  # rounded: of eight recoveries
LEAST_FOR_SHARE = 25  # rounded: 22.5 people
THOUSANDTHS = 1000  # of the currency
HISTORY = timedelta(days=90)
Kinds = people.units.Kind
UnitFacts = people.units.UnitFacts
KINDS = {
    "": figures.EVERYBODY,
    "staff": people.Kind.STAFF,
    "pupil": people.Kind.PUPIL,
    "guardian": people.Kind.GUARDIAN,
}


class BranchFigures(NamedTuple):
    """A unit's numbers, rounded; cost: in whole units of the currency. few: fewer than SMALL people; then all the rest
    is 0. median: of the recoveries, where these are eight or more."""

    unit: UnitFacts
    people: int = 0
    few: bool = False
    activated: int = 0
    one: int = 0
    two: int = 0
    recoveries: int = 0
    median: int | None = None
    emails: int = 0
    texts: int = 0
    segments: int = 0
    cost: int = 0

    @property
    def never(self) -> int:
        return self.people - self.activated

    def share(self, number: int) -> float | None:
        """Percent of the people; None where they are too few to tell it."""
        return 100 * number / self.people if self.people >= LEAST_FOR_SHARE else None


class FiguresSeen(NamedTuple):
    """own: of the unit; rows: of those just below. path: from the highest unit that the agent may see down to here.
    history: of directorates and above, oldest first."""

    own: BranchFigures
    rows: list[BranchFigures]
    path: list[UnitFacts]
    history: list[DayFacts]
    run: RunFacts


def look(agent: Agent, *, code: str, kind: str, now: datetime) -> FiguresSeen | None:
    """What the agent may see of that branch; '': of the agent's own. None: nothing there."""
    today = local_time.local(now).date()
    unit = people.units.by_code(code) if code else _first(agent, today)
    path = _path(agent, unit) if unit and unit.open_on(today) and unit.kind < Kinds.CLASS else []
    if not path or kind not in KINDS:
        return None
    unit = path[-1]
    below = [one for one in people.units.children(unit.id, on=today) if one.kind < Kinds.CLASS]
    found = figures.store.of_units([unit.id, *(one.id for one in below)], belongs_as=int(KINDS[kind]))
    rows = [told(one, found.get(one.id)) for one in below]
    history = figures.store.history(unit.id, since=today - HISTORY) if not kind else []
    own = told(unit, found.get(unit.id))
    return FiguresSeen(own, rows, path, [_day_told(one) for one in history if _has_share(one)], figures.store.run())


def sees_any(agent: Agent) -> bool:
    """Whether there are figures for this agent: who only teaches has a class, which has none."""
    return agent.person.operates or any(_kind_of(held.role) < Kinds.CLASS for held in agent.roles)


def _kind_of(role: str) -> Kinds:
    return rights.AT[rights.Role(role)]


def _first(agent: Agent, today: date) -> UnitFacts | None:
    """Where the agent begins: at the highest branch."""
    if agent.person.operates:
        tops = [one for one in people.units.tops() if one.kind == Kinds.MINISTRY and one.open_on(today)]
        return tops[0] if tops else None
    held = sorted(agent.roles, key=lambda one: _kind_of(one.role))
    return people.units.by_id(held[0].unit_id) if held else None


def _path(agent: Agent, unit: UnitFacts) -> list[UnitFacts]:
    """From the highest unit that the agent may see down to this one; nothing where it is outside."""
    way = people.units.way_up(unit.id)
    if agent.person.operates:
        return way[::-1]
    mine = {held.unit_id for held in agent.roles if _kind_of(held.role) < Kinds.CLASS}
    places = [place for place, one in enumerate(way) if one.id in mine]
    return way[max(places) :: -1] if places else []


def told(unit: UnitFacts, one: FigureFacts | None) -> BranchFigures:
    """What may be told of a unit's count."""
    if one is None or one.people < SMALL:
        return BranchFigures(unit, few=one is not None)
    recoveries = rounded(one.recoveries)
    return BranchFigures(
        unit, rounded(one.people), False, rounded(one.activated), rounded(one.one), rounded(one.two), recoveries,
        one.median if recoveries >= LEAST_FOR_MEDIAN else None, rounded(one.emails), rounded(one.texts),
        rounded(one.segments), rounded(one.cost // THOUSANDTHS),
    )  # fmt: skip


def rounded(number: int) -> int:
    """To the nearest multiple of BASE, which is odd: nothing lies between two of them."""
    return (number + BASE // 2) // BASE * BASE


def _has_share(one: DayFacts) -> bool:
    return rounded(one.people) >= LEAST_FOR_SHARE


def _day_told(one: DayFacts) -> DayFacts:
    return DayFacts(one.day, *map(rounded, one[1:]))
