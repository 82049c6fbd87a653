"""The geometry of plots: what is drawn where, where a line breaks, and how the axis ends."""

from datetime import UTC, datetime, timedelta

import pytest

from massar.interfaces.ops import plots
from massar.journeys.messages.watch_messages import STEP

START = datetime(2026, 2, 15, 1, 0, tzinfo=UTC)
Tally = plots.Tally


def drawn(*tallies: Tally) -> dict[str, plots.Plot]:
    return {plot.id: plot for plot in plots.of([(START + n * STEP, one) for n, one in enumerate(tallies)])}


def test_a_line_goes_through_its_values():
    line = plots.Line("desk.sent", "one", [0, 50, 100])
    assert line.path(100) == "M100.0 150.0L300.0 75.0L500.0 0.0"
    assert line.path(100, area=True) == "M100.0 150.0L300.0 75.0L500.0 0.0V150H100.0Z"


def test_it_breaks_where_there_is_none_and_a_value_alone_is_a_dot():
    line = plots.Line("p50", "one", [4, None, None, 2, 2, 2])
    assert line.path(4) == "M50.0 0.0h.01M350.0 75.0L550.0 75.0", "a level stretch is one line"
    assert line.path(4, area=True) == "M350.0 75.0L550.0 75.0V150H350.0Z"
    assert plots.Line("p50", "one", [None]).path(1) == ""


@pytest.mark.parametrize(
    ("sent", "top"), [(0, 2), (1, 2), (2, 2), (3, 4), (5, 10), (11, 20), (40, 40), (41, 100), (5_000, 10_000)]
)
def test_the_axis_ends_at_a_round_number(sent, top):
    assert drawn(Tally(sent=sent))["flow"].top == top


def test_what_is_nothing_and_what_is_zero():
    assert all(plot.empty for plot in drawn(Tally(), Tally()).values())
    unused = drawn(Tally(), Tally(sent=2, secrets=2))
    assert not unused["conversion"].empty and unused["conversion"].lines[0].values == [None, 0]
    assert unused["conversion"].rows == [(START + STEP, [0])]
    assert unused["cost"].empty and unused["waits"].empty


def test_use_is_counted_over_the_half_hour_until_then():
    bad, good = Tally(secrets=1), Tally(secrets=1, used=1)
    shares = drawn(bad, *[good] * 6)["conversion"].lines[0].values
    assert shares == pytest.approx([0, 50, 200 / 3, 75, 80, 500 / 6, 100])


def test_times_are_spread_from_the_beginning_to_the_end():
    times = drawn(*[Tally()] * 12)["flow"].times
    assert times == [START + n * timedelta(minutes=15) for n in range(5)]


def test_three_lines_can_be_told_apart_without_colour():
    for plot in drawn(Tally()).values():
        assert len({line.look for line in plot.lines}) == len(plot.lines) <= 3
