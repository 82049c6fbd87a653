"""Tables: the same text on the screen and in docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- tables: begin (python -m bench.run --write) -->", "<!-- tables: end -->"


def table(title: str, heads: list[str], rows: Iterable[Iterable[str]], note: str = "") -> str:
    """A Markdown table with aligned columns, under its title; `note` stands below."""
    lines = [heads, *[list(row) for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]

    def shown(cells: list[str]) -> str:
        padded = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    text = "\n".join([f"### {title}", "", shown(lines[0]), rule, *map(shown, lines[1:])])
    return f"{text}\n\n{note}\n" if note else f"{text}\n"


def per_second(value: float) -> str:
    return f"{value:.1f}" if value < 200 else f"{value:.0f}"


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}" if seconds < 0.1 else f"{seconds * 1000:.0f}"


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def kb(size: int) -> str:
    return f"{size / 1000:.1f}"


def quantile(values: list[float], share: float) -> float:
    """The value below which that share lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def middle(values: Iterable[float]) -> float:
    return median(values)


def write(text: str) -> None:
    """Puts the tables between their marks; the words around them stay."""
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{PAGE.name} has no place for the tables: {BEGIN} … {END}")
    PAGE.write_text(f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}", "utf-8")
