"""Plots as plain geometry: the template draws them as SVG, with the same values in a table beside each.

Nothing in a drawing is text, so it may be stretched to any width. Time runs as the page is read: in Arabic the newest
is at the left, as the last column of a table is. The style sheet mirrors the drawing; labels and tables mirror by
themselves."""

from collections.abc import Sequence
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

    def path(self, top: float, *, area: bool = False) -> str:
        """Where there is no value the line is broken; a value alone is a dot. `area`: closed along the ground."""
        runs: list[list[tuple[float, float]]] = [[]]
        for n, value in enumerate(self.values):
            if value is None:
                runs.append([])
            else:
                runs[-1].append(((n + 0.5) * WIDTH / len(self.values), value))
        if area:
            return "".join(f"{_stroke(run, top)}V{HEIGHT}H{run[0][0]:.1f}Z" for run in runs if len(run) > 1)
        return "".join(_stroke(run, top) for run in runs if run)


@dataclass(frozen=True)
class Plot:
    """`id`: of its words in the catalogues, `desk.plot.<id>`. `digits`: after the comma, in the table and at the axis.
    `least`: the axis is no shorter. `filled`: it shows amounts, of which 0 is nothing; elsewhere nothing is None, and 0
    may be the worst there is."""

    id: str
    least: float
    lines: tuple[Line, ...]
    starts: Sequence[datetime]
    digits: int
    filled: bool = False

    @property
    def peak(self) -> float:
        return max((value for line in self.lines for value in line.values if value is not None), default=0)

    @property
    def top(self) -> float:
        """The end of the axis: 1, 2 or 4 times a power of ten, whose half is easily read too."""
        tops = (factor * 10.0**power for power in range(-1, 9) for factor in (1, 2, 4))
        return next(top for top in tops if top >= max(self.peak, self.least))

    @property
    def times(self) -> list[datetime]:
        """The moments under the plot, evenly spaced: its beginning … its end."""
        first, last = self.starts[0], self.starts[-1] + STEP
        return [first + (last - first) * n / LABELS for n in range(LABELS + 1)]

    @property
    def rows(self) -> list[tuple[datetime, list[Value]]]:
        """For the table, newest first, without the steps in which there was nothing."""
        listed = [(at, [line.values[n] for line in self.lines]) for n, at in enumerate(self.starts)]
        return [row for row in reversed(listed) if any(v if self.filled else v is not None for v in row[1])]

    @property
    def empty(self) -> bool:
        return not self.rows


def of(steps: list[tuple[datetime, Tally]]) -> list[Plot]:
    starts, tallies = [at for at, _ in steps], [tally for _, tally in steps]
    flow = (
        Line("desk.sent", "one", [tally.sent for tally in tallies]),
        Line("desk.delivered", "two", [tally.delivered for tally in tallies]),
        Line("desk.late", "three", [tally.late for tally in tallies]),
    )
    waits = tuple(
        Line(name, look, [tally.waits[n] if tally.waits else None for tally in tallies])
        for n, (name, look) in enumerate((("p50", "one"), ("p95", "two"), ("p99", "three")))
    )
    cost = Line("desk.cost", "one", [tally.cost / 1000 for tally in tallies])
    # Of what was sent in the half hour until then: single steps of a quiet day would only jump.
    half_hours = [metrics.add_up(tallies[max(0, n - HALF_AN_HOUR) : n]) for n in range(1, len(tallies) + 1)]
    shares = [None if one.conversion is None else 100 * one.conversion for one in half_hours]
    return [
        Plot("flow", 2, flow, starts, 0, filled=True),
        Plot("waits", 0.1, waits, starts, 2),
        Plot("cost", 0.1, (cost,), starts, 2, filled=True),
        Plot("conversion", 100, (Line("desk.used", "one", shares),), starts, 0),
    ]


def _stroke(run: list[tuple[float, float]], top: float) -> str:
    """A level stretch is one line, however long."""
    last = len(run) - 1
    kept = [point for n, point in enumerate(run) if n in (0, last) or not run[n - 1][1] == point[1] == run[n + 1][1]]
    drawn = [f"{x:.1f} {HEIGHT - HEIGHT * value / top:.1f}" for x, value in kept]
    return f"M{drawn[0]}" + ("".join(f"L{point}" for point in drawn[1:]) or "h.01")
