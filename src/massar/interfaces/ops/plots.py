"""Plots as plain geometry: the template draws them as SVG, with the same values in a table beside each.

Nothing in a drawing is text, so it may be stretched to any width. Time runs as the page is read: in Arabic the newest
is at the left, as the last column of a table is. The style sheet mirrors the drawing; labels and tables mirror by
themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from massar.journeys.messages.watch_messages import STEP, metrics

WIDTH, HEIGHT = 600, 150
LABELS = 4  # clock times under a plot, besides the first
HALF_AN_HOUR = 6  # steps
Tally = metrics.Tally
Value = float | None


@dataclass(frozen=True)
class Line:
    """One series. `name`: an id of the catalogues, or a sign that is the same everywhere. `look`: a class of the
    style."""

    name: str
    look: str
    values: Sequence[Value]

    def path(self, top: float) -> str:
        """Where there is no value the line is broken; a value alone is a dot."""
        points = [(_x(n, len(self.values)), v) for n, v in enumerate(self.values)]
        return "".join(_stroke(run, top) for run in _runs(points))

    def area(self, top: float) -> str:
        """The same, closed along the ground."""
        points = [(_x(n, len(self.values)), v) for n, v in enumerate(self.values)]
        return "".join(f"{_stroke(run, top)}V{HEIGHT}H{run[0][0]:.1f}Z" for run in _runs(points) if len(run) > 1)


@dataclass(frozen=True)
class Plot:
    """`id`: of its words in the catalogues, `desk.plot.<id>`. `digits`: after the comma, in the table and at the axis.

    `filled`: it shows amounts, of which 0 is nothing; elsewhere nothing is None, and 0 may be the worst there is.
    """

    id: str
    top: float
    lines: tuple[Line, ...]
    starts: Sequence[datetime]
    digits: int
    filled: bool = False

    @property
    def peak(self) -> float:
        return max((value for line in self.lines for value in line.values if value is not None), default=0)

    @property
    def empty(self) -> bool:
        return not any(self._is_there(value) for line in self.lines for value in line.values)

    @property
    def times(self) -> list[datetime]:
        """The moments under the plot, evenly spaced: its beginning … its end."""
        first, last = self.starts[0], self.starts[-1] + STEP
        return [first + (last - first) * n / LABELS for n in range(LABELS + 1)]

    @property
    def rows(self) -> list[tuple[datetime, list[Value]]]:
        """For the table, newest first, without the steps in which there was nothing."""
        listed = ((at, [line.values[n] for line in self.lines]) for n, at in enumerate(self.starts))
        return [row for row in reversed(list(listed)) if any(map(self._is_there, row[1]))]

    def _is_there(self, value: Value) -> bool:
        return bool(value) if self.filled else value is not None


def of(steps: list[tuple[datetime, Tally]]) -> list[Plot]:
    """The four plots of a period."""
    starts, tallies = [at for at, _ in steps], [tally for _, tally in steps]

    def line(name: str, look: str, value: Callable[[Tally], Value]) -> Line:
        return Line(name, look, [value(tally) for tally in tallies])

    flow = (
        line("desk.sent", "one", lambda t: t.sent),
        line("desk.delivered", "two", lambda t: t.delivered),
        line("desk.late", "three", lambda t: t.late),
    )
    waits = tuple(
        Line(name, look, [tally.waits[n] if tally.waits else None for tally in tallies])
        for n, (name, look) in enumerate((("p50", "one"), ("p95", "two"), ("p99", "three")))
    )
    cost = (line("desk.cost", "one", lambda t: t.cost / 1000),)
    used = (Line("desk.used", "one", _used(tallies)),)
    return [
        Plot("flow", _top(flow, 2), flow, starts, 0, filled=True),
        Plot("waits", _top(waits, 0.1), waits, starts, 2),
        Plot("cost", _top(cost, 0.1), cost, starts, 2, filled=True),
        Plot("conversion", 100, used, starts, 0),
    ]


def _used(tallies: list[Tally]) -> list[Value]:
    """Out of a hundred, of what was sent in the half hour until then: single steps of a quiet day would only jump."""
    shares = []
    for n in range(len(tallies)):
        half_hour = metrics.add_up(tallies[max(0, n + 1 - HALF_AN_HOUR) : n + 1])
        shares.append(None if half_hour.conversion is None else 100 * half_hour.conversion)
    return shares


def _top(lines: tuple[Line, ...], least: float) -> float:
    """The end of the axis: 1, 2 or 4 times a power of ten, whose half is easily read too."""
    peak = max((value for line in lines for value in line.values if value is not None), default=0)
    tops = (factor * 10.0**power for power in range(-1, 9) for factor in (1, 2, 4))
    return next(top for top in tops if top >= max(peak, least))


def _x(number: int, count: int) -> float:
    return (number + 0.5) * WIDTH / count


def _runs(points: list[tuple[float, Value]]) -> list[list[tuple[float, float]]]:
    """The points with values, cut where one has none."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, value in points:
        if value is None:
            runs.append([])
        else:
            runs[-1].append((x, value))
    return [run for run in runs if run]


def _stroke(run: list[tuple[float, float]], top: float) -> str:
    """A level stretch is one line, however long."""
    kept = [
        point for n, point in enumerate(run) if n in (0, len(run) - 1) or not run[n - 1][1] == point[1] == run[n + 1][1]
    ]
    drawn = [f"{x:.1f} {HEIGHT - HEIGHT * value / top:.1f}" for x, value in kept]
    return f"M{drawn[0]}" + ("".join(f"L{point}" for point in drawn[1:]) or "h.01")
