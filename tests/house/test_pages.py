"""What pages are made of: nothing inline, nothing foreign; contrast in both themes, mirroring, signs beside words."""

import re
from pathlib import Path

import pytest

from tests.house.catalogues import INTERFACES, TEMPLATES
from tests.house.laws import name_of

WEB = INTERFACES / "web"
CSS = WEB / "static" / "massar" / "css"
ASSETS = sorted(path for kind in ("css", "js") for path in INTERFACES.glob(f"**/static/**/*.{kind}"))
PARTS = WEB / "templates" / "base" / "parts.html"

# -- the content security policy, before a browser sees a page. HTML of e-mails is no page (domain/delivery)

ELSEWHERE = r"""\s*["'(]*\s*(?:https?:)?//"""
TEMPLATE_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
TEMPLATE_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
BREACHES = {
    "a style element": r"<style\b",
    "a style attribute": r"""\sstyle\s*=\s*["']?""",
    "an event handler": r"""\son[a-z]+\s*=\s*["']""",
    "a script without src": r"<script\b(?![^>]*\bsrc\s*=)",
    "a javascript: address": r"javascript:",
    "a sign that French has a narrow space before": r"x\)?[:;!?](?=[\s<]|$)",  # x: what code stood there
    "a data: address": r"""(?:src|href|action)\s*=\s*["']data:""",
    "an asset from elsewhere": r"(?:src|srcset|poster)\s*=" + ELSEWHERE,
    "a style sheet from elsewhere": r"<link\b[^>]*href\s*=" + ELSEWHERE,
}
ASSET_FROM_ELSEWHERE = re.compile(r"(?:url\(|@import|\bimport|\bfrom|fetch\()" + ELSEWHERE, re.IGNORECASE)


def breaches(template: str) -> list[str]:
    """What in a template's own text would break the policy; its code and comments are taken out first."""
    text = TEMPLATE_CODE.sub("x", TEMPLATE_COMMENT.sub("", template))
    return [name for name, pattern in BREACHES.items() if re.search(pattern, text, re.IGNORECASE)]


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_template_holds_nothing_inline(path: Path):
    assert breaches(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", ASSETS, ids=name_of)
def test_an_asset_fetches_nothing_from_elsewhere(path: Path):
    assert ASSET_FROM_ELSEWHERE.findall(path.read_text("utf-8")) == []


@pytest.mark.parametrize(("template", "expected"), [
    ("<p style='color:red'>", ["a style attribute"]),
    ('<button onclick="go()">', ["an event handler"]),
    ("<script>alert(1)</script>", ["a script without src"]),
    ('<script type="module" src="{{ static("a.js") }}"></script>', []),
    ('<img src="//cdn.example/x.png">', ["an asset from elsewhere"]),
    ("{# <style> #}<p>{{ t('x.style=y') }}</p>", []),
    ('<a href="https://example.ma/">', []),
    ("<span>{{ t('step.done') }}: </span>", ["a sign that French has a narrow space before"]),
])  # fmt: skip
def test_the_reader_sees_what_it_should(template: str, expected: list[str]):
    assert len(TEMPLATES) > 10 and breaches(template) == expected


# -- the look, as far as numbers can judge it

TEXT, CONTROL = 4.5, 3.0  # WCAG 2.2, 1.4.3 and 1.4.11
GROUNDS = ("ground", "surface", "brand-soft")
TONES = ("info", "success", "warning", "danger")
# (what is drawn, what it is drawn on, the ratio it needs)
PAIRS = [
    *[("ink", ground, TEXT) for ground in (*GROUNDS, *(f"{tone}-soft" for tone in TONES))],
    *[("quiet", ground, TEXT) for ground in ("ground", "surface")],
    *[(brand, ground, TEXT) for brand in ("brand", "brand-hover") for ground in GROUNDS],
    *[(f"on-{colour}", f"{colour}{state}", TEXT) for colour in ("brand", "danger") for state in ("", "-hover")],
    ("danger", "surface", TEXT), ("danger", "danger-soft", TEXT),
    *[("edge", ground, CONTROL) for ground in ("ground", "surface")],
    *[("focus", ground, CONTROL) for ground in (*GROUNDS, "danger-soft", "warning-soft")],
    *[(tone, ground, CONTROL) for tone in TONES for ground in (f"{tone}-soft", "surface")],
]  # fmt: skip
SIDES = re.compile(
    r"(?<![-\w])(?:(?:margin|padding|border|inset)-(?:left|right|top|bottom)\b|(?:left|right)\s*:"
    r"|(?:text-align|float|clear)\s*:\s*(?:left|right)\b"
    r"|border-(?:top|bottom)-(?:left|right)-radius)"
)


def tokens() -> tuple[dict[str, str], dict[str, str]]:
    """Custom properties of the base: the light theme's, and those that the dark one has of its own."""
    css = (CSS / "base.css").read_text("utf-8")
    light, dark = re.findall(r":root\s*\{(.*?)\}", css, re.DOTALL)[:2]
    return tuple(dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})\b", theme)) for theme in (light, dark))


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
def test_contrast(theme: str):
    light, dark = tokens()
    colours = light if theme == "light" else light | dark
    weak = [(drawn, ground) for drawn, ground, least in PAIRS if contrast(colours[drawn], colours[ground]) < least]
    assert weak == [] and set(light) == set(dark), "every colour has a dark sister"


@pytest.mark.parametrize("path", [path for path in ASSETS if path.suffix == ".css"], ids=lambda path: path.name)
def test_style_mirrors_by_itself(path: Path):
    """Logical properties only: nothing is bound to the left or the right of the screen."""
    assert SIDES.findall(re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)) == []


@pytest.mark.parametrize("rule", ["a{left: 0}", "a{margin-right:1px}", "a{text-align: right}", "a{float:left}"])
def test_the_reader_finds_a_bound_side(rule: str):
    assert SIDES.search(rule)
    assert not SIDES.search("a{inset-inline-start:0; text-align:start; margin-inline-end:1px; color:#fff}")


def test_the_wishes_of_the_reader_are_heard_and_arabic_letters_stay_joined():
    """Spacing breaks the joins of Arabic letters; only codes and secrets, which are Latin, may have it."""
    css = (CSS / "base.css").read_text("utf-8")
    for wish in ("prefers-color-scheme: dark", "forced-colors: active", "prefers-reduced-motion"):
        assert f"({wish}" in css
    harmful = re.compile(r"letter-spacing|italic|text-align: justify")
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", css)
    assert {selector.strip() for selector, body in rules if harmful.search(body)} <= {".code input", ".secret bdi"}


def test_a_notice_has_a_sign_and_a_word():
    """And is made by the one part: a page that wrote its own coloured box could forget the sign or the word."""
    macro = re.search(r"macro notice\(.*?endmacro", PARTS.read_text("utf-8"), re.DOTALL).group()
    assert "icon(kind)" in macro and "t('notice.' ~ kind)" in macro
    pages = set((WEB / "templates").glob("**/*.html")) - {PARTS}
    assert [path.name for path in pages if 'class="notice' in path.read_text("utf-8")] == []


def test_the_mark_is_small_and_fonts_wait_for_the_words():
    """Every face swaps in when it is here, and the sheet that names them is the last thing of the page."""
    mark = re.search(r"macro mark\(\).*?(<svg.*?</svg>)", PARTS.read_text("utf-8"), re.DOTALL).group(1)
    assert len(mark.encode()) <= 600
    faces = (CSS / "fonts.css").read_text("utf-8")
    assert faces.count("font-display: swap") == faces.count("@font-face {") == 4
    base = (WEB / "templates" / "base" / "base.html").read_text("utf-8")
    assert base.index("css/fonts.css") > base.index("</footer>")
