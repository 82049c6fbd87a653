"""Pages obey the content security policy before a browser sees them: nothing inline, nothing foreign."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.laws import ROOT, SOURCE

# HTML of e-mails is no page: mail programs drop style sheets, so it is styled in place (domain/delivery).
INTERFACES = SOURCE / "massar" / "interfaces"
TEMPLATES = sorted(INTERFACES.glob("**/templates/**/*.html"))
ASSETS = sorted(path for kind in ("css", "js") for path in INTERFACES.glob(f"**/static/**/*.{kind}"))

ELSEWHERE = r"""\s*["'(]*\s*(?:https?:)?//"""

TEMPLATE_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
TEMPLATE_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
BREACHES = {
    "a style element": re.compile(r"<style\b", re.IGNORECASE),
    "a style attribute": re.compile(r"""\sstyle\s*=\s*["']?""", re.IGNORECASE),
    "an event handler": re.compile(r"""\son[a-z]+\s*=\s*["']""", re.IGNORECASE),
    "a script without src": re.compile(r"<script\b(?![^>]*\bsrc\s*=)", re.IGNORECASE),
    "a javascript: address": re.compile(r"javascript:", re.IGNORECASE),
    "a data: address": re.compile(r"""(?:src|href|action)\s*=\s*["']data:""", re.IGNORECASE),
    "an asset from elsewhere": re.compile(r"(?:src|srcset|poster)\s*=" + ELSEWHERE, re.IGNORECASE),
    "a style sheet from elsewhere": re.compile(r"<link\b[^>]*href\s*=" + ELSEWHERE, re.IGNORECASE),
}
ASSET_FROM_ELSEWHERE = re.compile(r"(?:url\(|@import|\bimport|\bfrom|fetch\()" + ELSEWHERE, re.IGNORECASE)


def breaches(template: str) -> list[str]:
    """What in a template's own text would break the policy; its code and comments are taken out first."""
    text = TEMPLATE_CODE.sub("x", TEMPLATE_COMMENT.sub("", template))
    return [name for name, pattern in BREACHES.items() if pattern.search(text)]


def test_there_are_templates_to_check():
    assert TEMPLATES, "no template was found: the test looks in the wrong place"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_holds_nothing_inline(path: Path):
    assert breaches(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", ASSETS, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_asset_fetches_nothing_from_elsewhere(path: Path):
    assert ASSET_FROM_ELSEWHERE.findall(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<p style='color:red'>", ["a style attribute"]),
        ('<button onclick="go()">', ["an event handler"]),
        ("<script>alert(1)</script>", ["a script without src"]),
        ('<script type="module" src="{{ static("a.js") }}"></script>', []),
        ('<img src="//cdn.example/x.png">', ["an asset from elsewhere"]),
        ("{# <style> #}<p>{{ t('x.style=y') }}</p>", []),
        ('<a href="https://example.ma/">', []),
    ],
)
def test_the_reader_sees_what_it_should(template: str, expected: list[str]):
    assert breaches(template) == expected
