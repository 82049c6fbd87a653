"""The tree belongs to whoever clones it: no path of one machine, no registry address, packages locked."""

import re
from contextlib import suppress
from pathlib import Path

import pytest

from tests.house.laws import ROOT, files_of_the_tree, name_of

HOME_OF_SOMEBODY = re.compile(r"(?:^|[^\w.])/(?:home|Users)/\w+/|(?:^|[^\w.])/[r]oot/")
# Put together here, so that this file does not hold what it looks for.
REGISTRY_HOST = re.compile(r"\b(?:pypi|pythonhosted|registry\.npmjs)" + r"\.org\b")
REGISTRY_OPTION = re.compile(r"(?<![\w-])--(?:extra-)?index-" + r"""url|"resolved":\s*"http|registry\s*=\s*["']?http""")
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
LOCKED = re.compile(r"^[a-z0-9._-]+(?:\[[a-z0-9,_-]+\])?==\S+", re.IGNORECASE)


@pytest.fixture(scope="module")
def tree() -> list[tuple[Path, str]]:
    """The texts of the tree; pictures and fonts left out."""
    read = []
    for path in files_of_the_tree():
        with suppress(UnicodeDecodeError):
            read.append((path, path.read_text("utf-8")))
    assert len(read) > 20, "the tree was not found"
    return read


def places(tree: list[tuple[Path, str]], pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name_of(path)}:{number}"
        for path, text in tree
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_path_of_one_machine(tree: list[tuple[Path, str]]):
    own = re.compile(rf"(?<![\w.}}/]){re.escape(str(ROOT))}/")
    assert places(tree, own) == []
    assert [place for place in places(tree, HOME_OF_SOMEBODY) if not place.startswith("tests/house/")] == []


def test_no_address_of_a_package_registry(tree: list[tuple[Path, str]]):
    assert places(tree, REGISTRY_HOST) == []
    assert places(tree, REGISTRY_OPTION) == []
    assert [path.name for path, _ in tree if path.name in ("uv.lock", "poetry.lock", "Pipfile.lock")] == []


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_requirement_is_locked_with_hashes(path: Path):
    text = path.read_text("utf-8").replace("\\\n", " ")
    requirements = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert requirements, "an empty lock locks nothing"
    assert {path.name for path in LOCKS} >= {"runtime.txt", "demo.txt", "dev.txt"}
    assert [line[:60] for line in requirements if not LOCKED.match(line)] == []
    assert [line[:60] for line in requirements if "--hash=sha256:" not in line] == []
    assert "://" not in text
