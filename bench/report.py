"""Tables: the same text on the screen and in a page of docs/."""

from collections.abc import Iterable
from pathlib import Path
from statistics import median

from bench.load import Found

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
MARKS = ("<!-- tables: begin (python -m bench.run --write) -->", "<!-- tables: end -->")


def table(title: str, heads: list[str], rows: Iterable[Iterable[str]], note: str = "") -> str:
    """A Markdown table with aligned columns, under its title; `note` stands below."""
    lines = [heads, *[list(row) for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]

    def shown(cells: list[str]) -> str:
        first, *rest = zip(cells, widths, strict=True)
        return "| " + " | ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]) + " |"

    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    text = "\n".join([f"### {title}", "", shown(lines[0]), rule, *map(shown, lines[1:])])
    return f"{text}\n\n{note}\n" if note else f"{text}\n"


def per_second(value: float) -> str:
    return f"{value:.1f}" if value < 200 else f"{value:.0f}"


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}" if seconds < 0.1 else f"{seconds * 1000:.0f}"


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def quantiles(times: Iterable[float]) -> list[str]:
    """p50 and p99 (nearest rank), in ms."""
    ordered = sorted(times)
    return [ms(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) for share in (0.5, 0.99)]


RATES = ["per second", "per CPU-second", "p50 ms", "p99 ms"]


def per_cpu(runs: list[Found]) -> float:
    return median(len(run["times"]) / run["cpu"] for run in runs)


def rates(runs: list[Found]) -> list[str]:
    """What stands under RATES."""
    each = median(len(run["times"]) / run["seconds"] for run in runs)
    return [per_second(each), per_second(per_cpu(runs)), *quantiles(t for run in runs for t in run["times"])]


def write(text: str, page: Path = PAGE, marks: tuple[str, str] = MARKS) -> None:
    """Puts the text between the marks of the page; the words around them stay."""
    begin, end = marks
    before, _, rest = page.read_text("utf-8").partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise SystemExit(f"{page.name} has no place for the figures: {begin} … {end}")
    page.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", "utf-8")
