"""All screenshots on one sheet: build/contact-sheet.html (full size, by page) and build/contact-sheet.png."""

from __future__ import annotations

import html
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw

THUMB_WIDTH = {360: 150, 1280: 330}
THUMB_HEIGHT = 340
GAP = 12
CAPTION = 18
GROUND, INK = "#e7e7e3", "#1d2a26"
LANGUAGES = ("ar", "fr", "en")
HEAD = """<!doctype html><meta charset="utf-8"><title>Contact sheet</title>
<style>body{font:14px sans-serif;background:#e7e7e3;margin:24px}section{display:flex;gap:12px;flex-wrap:wrap;
align-items:flex-start}figure{margin:0}img{border:1px solid #bbb;display:block}img.w360{width:200px}
img.w1280{width:440px}h2{margin:24px 0 8px}</style><h1>Contact sheet</h1>
"""


def _parts(path: Path) -> tuple[str, int, int, str]:
    """`asked-ar-360-dark.png` -> page, rank of the language, width, theme: the order on the sheet."""
    name, language, width, theme = path.stem.rsplit("-", 3)
    return name, LANGUAGES.index(language), int(width), theme


def _pages(folder: Path) -> list[tuple[str, list[Path]]]:
    pictures = sorted(folder.glob("*-*-*-*.png"), key=_parts)
    return [(name, list(group)) for name, group in groupby(pictures, key=lambda path: _parts(path)[0])]


def make(folder: Path, target: Path) -> None:
    """Write `contact-sheet.html` and `.png` into `target`; nothing if `folder` holds no picture."""
    pages = _pages(folder)
    if not pages:
        return
    _write_html(pages, target / "contact-sheet.html")
    _write_png(pages, target / "contact-sheet.png")


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


def _write_png(pages: list[tuple[str, list[Path]]], path: Path) -> None:
    rows = [(name, [_thumb(picture) for picture in pictures]) for name, pictures in pages]
    width = max(sum(thumb.width + GAP for thumb in thumbs) for _, thumbs in rows) + GAP
    sheet = Image.new("RGB", (width, len(rows) * (THUMB_HEIGHT + CAPTION + GAP) + GAP), GROUND)
    draw = ImageDraw.Draw(sheet)
    top = GAP
    for name, thumbs in rows:
        draw.text((GAP, top), name, fill=INK)
        left = GAP
        for thumb in thumbs:
            sheet.paste(thumb, (left, top + CAPTION))
            left += thumb.width + GAP
        top += THUMB_HEIGHT + CAPTION + GAP
    sheet.save(path, optimize=True)


def _thumb(picture: Path) -> Image.Image:
    """Scaled to its column and cut at the foot: a long page shows its head."""
    with Image.open(picture) as image:
        width = THUMB_WIDTH[_parts(picture)[2]]
        small = image.convert("RGB").resize((width, max(1, round(image.height * width / image.width))))
    return small.crop((0, 0, width, min(small.height, THUMB_HEIGHT)))
