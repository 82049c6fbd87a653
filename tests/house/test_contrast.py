"""The look, as far as numbers can judge it: contrast in both themes, mirroring, signs beside words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.laws import SOURCE

WEB = SOURCE / "massar" / "interfaces" / "web"
CSS = WEB / "static" / "massar" / "css"
SHEETS = sorted((SOURCE / "massar" / "interfaces").glob("**/static/**/*.css"))
PARTS = WEB / "templates" / "base" / "parts.html"

TEXT, CONTROL = 4.5, 3.0  # WCAG 2.2, 1.4.3 and 1.4.11
# (what is drawn, what it is drawn on, the ratio it needs)
PAIRS = [
    *[("ink", ground, TEXT) for ground in (
        "ground", "surface", "brand-soft", "info-soft", "success-soft", "warning-soft", "danger-soft")],
    *[("quiet", ground, TEXT) for ground in ("ground", "surface")],
    *[("brand", ground, TEXT) for ground in ("ground", "surface", "brand-soft")],
    *[("brand-hover", ground, TEXT) for ground in ("ground", "surface", "brand-soft")],
    ("on-brand", "brand", TEXT), ("on-brand", "brand-hover", TEXT),
    ("on-danger", "danger", TEXT), ("on-danger", "danger-hover", TEXT),
    ("danger", "surface", TEXT), ("danger", "danger-soft", TEXT),
    *[("edge", ground, CONTROL) for ground in ("ground", "surface")],
    *[("focus", ground, CONTROL) for ground in (
        "ground", "surface", "brand-soft", "danger-soft", "warning-soft")],
    *[(tone, f"{tone}-soft", CONTROL) for tone in ("info", "success", "warning", "danger")],
    *[(tone, "surface", CONTROL) for tone in ("info", "success", "warning", "danger")],
]  # fmt: skip
SIDES = re.compile(
    r"(?<![-\w])(?:(?:margin|padding|border|inset)-(?:left|right|top|bottom)\b|(?:left|right)\s*:"
    r"|(?:text-align|float|clear)\s*:\s*(?:left|right)\b"
    r"|border-(?:top|bottom)-(?:left|right)-radius)"
)


def tokens(theme: str) -> dict[str, str]:
    """Custom properties of the base in `light` or `dark`; the dark ones stand upon the light ones."""
    css = (CSS / "base.css").read_text("utf-8")
    light, dark = re.findall(r":root\s*\{(.*?)\}", css, re.DOTALL)[:2]
    read = dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})\b", light))
    return read | dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})\b", dark)) if theme == "dark" else read


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, 0 to 1 (WCAG 2.2)."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """1 to 21 (WCAG 2.2)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_itself():
    assert round(contrast("#000000", "#ffffff"), 1) == 21
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("drawn", "ground", "least"), PAIRS)
def test_contrast(theme: str, drawn: str, ground: str, least: float):
    colours = tokens(theme)
    assert contrast(colours[drawn], colours[ground]) >= least


def test_every_colour_has_a_dark_sister():
    css = (CSS / "base.css").read_text("utf-8")
    light, dark = re.findall(r":root\s*\{(.*?)\}", css, re.DOTALL)[:2]
    assert set(re.findall(r"--([\w-]+):\s*#", light)) == set(re.findall(r"--([\w-]+):\s*#", dark))


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.name)
def test_style_mirrors_by_itself(path: Path):
    """Logical properties only: nothing is bound to the left or the right of the screen."""
    assert SIDES.findall(re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)) == []


BOUND = ["a{left: 0}", "a{margin-right:1px}", "a{text-align: right}", "a{float:left}"]


@pytest.mark.parametrize("rule", BOUND)
def test_the_reader_finds_a_bound_side(rule: str):
    assert SIDES.search(rule)
    assert not SIDES.search("a{inset-inline-start:0; text-align:start; margin-inline-end:1px; color:#fff}")


WISHES = ["prefers-color-scheme: dark", "forced-colors: active", "prefers-reduced-motion"]


@pytest.mark.parametrize("wish", WISHES)
def test_the_wishes_of_the_reader_are_heard(wish: str):
    assert f"({wish}" in (CSS / "base.css").read_text("utf-8")


def test_arabic_letters_are_never_spaced_or_slanted():
    """Spacing breaks the joins of Arabic letters; only codes and secrets, which are Latin, may have it."""
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", (CSS / "base.css").read_text("utf-8"))
    harmful = re.compile(r"letter-spacing|italic|text-align: justify")
    spaced = {selector.strip() for selector, body in rules if harmful.search(body)}
    assert spaced <= {".code input", ".secret bdi"}


def test_a_notice_has_a_sign_and_a_word():
    macro = re.search(r"macro notice\(.*?endmacro", PARTS.read_text("utf-8"), re.DOTALL).group()
    assert "icon(kind)" in macro
    assert "t('notice.' ~ kind)" in macro


def test_notices_are_made_by_the_one_part():
    """A page that wrote its own coloured box could forget the sign or the word."""
    pages = set((WEB / "templates").glob("**/*.html")) - {PARTS}
    assert [path.name for path in pages if 'class="notice' in path.read_text("utf-8")] == []


def test_the_mark_is_small():
    mark = re.search(r"macro mark\(\).*?(<svg.*?</svg>)", PARTS.read_text("utf-8"), re.DOTALL).group(1)
    assert len(mark.encode()) <= 600


def test_fonts_wait_for_the_words():
    """Every face swaps in when it is here, and the sheet that names them is the last thing of the page."""
    faces = (CSS / "fonts.css").read_text("utf-8")
    assert faces.count("font-display: swap") == faces.count("@font-face {") == 4
    base = (WEB / "templates" / "base" / "base.html").read_text("utf-8")
    assert base.index("css/fonts.css") > base.index("</footer>")
