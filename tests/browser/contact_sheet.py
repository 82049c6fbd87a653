"""All screenshots together: build/contact-sheet.html, by page, and one picture for each language."""

from __future__ import annotations

import html
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw

THUMB_WIDTH = {360: 150, 1280: 330}
THUMB_HEIGHT = 340
GAP = 12
CAPTION = 18
ROW_HEIGHT = THUMB_HEIGHT + CAPTION + GAP
SHEET_WIDTH = 2080  # two pages with all their views side by side
GROUND, INK = "#e7e7e3", "#1d2a26"
LANGUAGE_ORDER = ["ar", "fr", "en"]
HEAD = """<!doctype html><meta charset="utf-8"><title>Contact sheet</title>
<style>body{font:14px sans-serif;background:#e7e7e3;margin:24px}section{display:flex;gap:12px;flex-wrap:wrap;
align-items:flex-start}figure{margin:0}img{border:1px solid #bbb;display:block}img.w360{width:200px}
img.w1280{width:440px}h2{margin:24px 0 8px}</style><h1>Contact sheet</h1>
"""


def _parts(path: Path) -> tuple[str, str, int, str]:
    """`asked-ar-360-dark.png` -> page, language, width, theme."""
    name, language, width, theme = path.stem.rsplit("-", 3)
    return name, language, int(width), theme


def _rank(path: Path) -> tuple:
    name, language, width, theme = _parts(path)
    return name.endswith("-plain"), name, LANGUAGE_ORDER.index(language), width, theme != "light"


def _pages(folder: Path) -> list[tuple[str, list[Path]]]:
    pictures = sorted(folder.glob("*-*-*-*.png"), key=_rank)
    return [(name, list(group)) for name, group in groupby(pictures, key=lambda path: _parts(path)[0])]


def make(folder: Path, target: Path) -> None:
    """Write `contact-sheet.html` and `contact-sheet-ar.png` (fr, en) into `target`, as far as there are pictures."""
    pages = _pages(folder)
    if not pages:
        return
    _write_html(pages, target / "contact-sheet.html")
    for language in LANGUAGE_ORDER:
        _write_png(pages, language, target / f"contact-sheet-{language}.png")


def _write_html(pages: list[tuple[str, list[Path]]], path: Path) -> None:
    parts = [HEAD]
    for name, pictures in pages:
        parts.append(f"<h2>{html.escape(name)}</h2><section>")
        for picture in pictures:
            address = html.escape(picture.relative_to(path.parent).as_posix())
            image = f'<img class="w{_parts(picture)[2]}" loading="lazy" src="{address}" alt="">'
            caption = f"<figcaption>{html.escape(picture.stem)}</figcaption>"
            parts.append(f'<figure><a href="{address}">{image}</a>{caption}</figure>')
        parts.append("</section>")
    path.write_text("\n".join(parts), "utf-8")


def _write_png(pages: list[tuple[str, list[Path]]], language: str, path: Path) -> None:
    """One language on one picture: pages beside each other until the row is full, each under its name."""
    cells = [(name, [_thumb(p) for p in pictures if _parts(p)[1] == language]) for name, pictures in pages]
    placed, left, top = [], GAP, GAP
    for name, thumbs in cells:
        if not thumbs:
            continue
        width = sum(thumb.width + GAP for thumb in thumbs) + GAP
        if left > GAP and left + width > SHEET_WIDTH:
            left, top = GAP, top + ROW_HEIGHT
        placed.append((name, thumbs, left, top))
        left += width
    if placed:
        _paste(placed, top + ROW_HEIGHT).save(path, optimize=True)


def _paste(placed: list[tuple[str, list[Image.Image], int, int]], height: int) -> Image.Image:
    sheet = Image.new("RGB", (SHEET_WIDTH, height), GROUND)
    draw = ImageDraw.Draw(sheet)
    for name, thumbs, left, top in placed:
        draw.text((left, top), name, fill=INK)
        for thumb in thumbs:
            sheet.paste(thumb, (left, top + CAPTION))
            left += thumb.width + GAP
    return sheet


def _thumb(picture: Path) -> Image.Image:
    """Scaled to its column and cut at the foot: a long page shows its head."""
    with Image.open(picture) as image:
        width = THUMB_WIDTH[_parts(picture)[2]]
        small = image.convert("RGB").resize((width, max(1, round(image.height * width / image.width))))
    return small.crop((0, 0, width, min(small.height, THUMB_HEIGHT)))
