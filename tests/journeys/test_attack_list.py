"""The page of attack cases and the tests stay together."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "security" / "attack-cases.md"
ROW = re.compile(r"^\| ([\d, –]+) \|(.*)\|$", re.MULTILINE)
NAMED = re.compile(r"def test_atk_((?:\d{3}_)+)")


def cases() -> dict[str, str]:
    """Row text by case number; a row may name several, or a range."""
    found = {}
    for numbers, text in ROW.findall(PAGE.read_text("utf-8")):
        for part in numbers.replace(" ", "").split(","):
            first, _, last = part.partition("–")
            for number in range(int(first), int(last or first) + 1):
                assert f"{number:03d}" not in found, f"case {number:03d} stands twice"
                found[f"{number:03d}"] = text
    return found


def played() -> dict[str, set[str]]:
    """Case number -> modules that have a test of that number."""
    found: dict[str, set[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for numbers in NAMED.findall(path.read_text("utf-8")):
            for number in numbers.strip("_").split("_"):
                found.setdefault(number, set()).add(path.relative_to(TESTS).as_posix())
    return found


def test_every_numbered_test_stands_on_the_page_under_its_number():
    listed = cases()
    for number, modules in played().items():
        assert number in listed, f"case {number} is played in {modules} and not listed"
        missing = {m for m in modules if m not in listed[number]}
        assert not missing, f"case {number}: the page does not name {missing}"


def test_every_module_the_page_names_exists():
    named = set(re.findall(r"[a-z]+/test_\w+\.py", PAGE.read_text("utf-8")))
    assert len(named) > 10
    assert [m for m in sorted(named) if not (TESTS / m).is_file()] == []


def test_every_case_is_played_or_says_when():
    for number, text in cases().items():
        assert ".py" in text or "later" in text or "make bench" in text, number
