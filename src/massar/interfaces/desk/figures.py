"""The figures of a branch: a table with bars, how they came about, and the same as a file."""

import io
from collections.abc import Iterator, Sequence
from functools import partial

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from massar.core.sheets import api as sheets
from massar.domain.figures.api import DayFacts
from massar.interfaces.base import numbers, page
from massar.interfaces.base.jinja import t
from massar.interfaces.base.request import Request
from massar.interfaces.desk.guard import figures_only
from massar.journeys.desk.agents import Agent
from massar.journeys.figures import count, see_figures
from massar.journeys.figures.see_figures import BranchFigures, FiguresSeen

WIDTH, HEIGHT = 600, 150  # of the drawing
LINES = ("activated", "one", "two")
COLUMNS = (
    "code", "unit", "people", "activated", "never", "one", "two", "recoveries", "median", "emails", "texts", "segments",
    "cost",
)  # fmt: skip


@require_safe
@figures_only
def figures(request: Request, agent: Agent) -> HttpResponse:
    seen, kind = _seen(request, agent)
    return page.render(
        request, "desk/figures.html", seen=seen, kind=kind, kinds=tuple(see_figures.KINDS), small=see_figures.SMALL,
        base=see_figures.BASE, number=partial(numbers.number, request.language), days=count.window().days,
        paths=_paths(seen.history),
    )  # fmt: skip


@require_safe
@figures_only
def export(request: Request, agent: Agent, kind: str) -> HttpResponse:
    """The table as a file that no spreadsheet is harmed by: the branch itself first."""
    if kind not in ("csv", "xlsx"):
        raise Http404
    seen, _ = _seen(request, agent)
    header = [t(f"figures.{column}") for column in COLUMNS]
    if kind == "xlsx":
        file = io.BytesIO()
        sheets.write_xlsx(
            file, header, _cells(seen, request.language), name="massar", right_to_left=request.language == "ar"
        )
        content = file.getvalue()
    else:
        text = io.StringIO(newline="")
        sheets.write_csv(text, header, _cells(seen, request.language))
        content = text.getvalue().encode("utf-8-sig")
    return page.file(content, f"massar-{seen.own.unit.code}.{kind}")


def _seen(request: Request, agent: Agent) -> tuple[FiguresSeen, str]:
    kind = request.GET.get("as", "")
    seen = see_figures.look(agent, code=request.GET.get("unit", "")[:32], kind=kind, now=request.now)
    if seen is None:
        raise Http404
    return seen, kind


def _cells(seen: FiguresSeen, language: str) -> Iterator[Sequence[str]]:
    for row in (seen.own, *seen.rows):
        yield row.unit.code, row.unit.name(language), *_numbers(row)


def _numbers(row: BranchFigures) -> list[str]:
    """As digits alone, for programs; of few people nothing but that."""
    if row.few:
        return [f"< {see_figures.SMALL}", *[""] * 10]
    counts = (row.people, row.activated, row.never, row.one, row.two, row.recoveries)
    median = "" if row.median is None else str(row.median)
    return [*map(str, counts), median, *map(str, (row.emails, row.texts, row.segments, row.cost))]


def _paths(history: Sequence[DayFacts]) -> dict[str, str]:
    """Of each line its way through the drawing: shares of the people, 0 to 100 percent, oldest first."""
    if len(history) < 2:
        return {}
    step = WIDTH / (len(history) - 1)
    found = {}
    for name in LINES:
        points = [(n * step, getattr(one, name) / one.people) for n, one in enumerate(history)]
        found[name] = "M" + "L".join(f"{x:.1f} {HEIGHT - HEIGHT * share:.1f}" for x, share in points)
    return found
