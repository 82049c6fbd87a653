"""The documents say what the code does: state pictures, settings, budgets, commands, links, decisions."""

from __future__ import annotations

import ast
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest

from massar.config import reference
from massar.config.environment import Settings, load
from massar.core.settings import SettingsError, settings_of
from massar.domain.credentials import models as credentials
from massar.domain.credentials import temporary
from massar.domain.delivery import models as delivery
from massar.domain.delivery import outbox
from massar.domain.limits import rate_limits
from massar.domain.limits.gcra import RateLimit
from massar.domain.people import contacts
from massar.domain.people import models as people
from massar.interfaces.base import cookies
from tests.house.laws import ROOT, SOURCE
from tests.house.tree import commands_of_the_code, files_of_the_tree

JOURNEYS = ROOT / "docs" / "journeys"
ADR = ROOT / "docs" / "adr"
SETTINGS = ROOT / "docs" / "operate" / "settings.md"
PACKAGE = SOURCE / "massar"
REQUIRED = "required"
LARGEST_PICTURE = 120 * 1024
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
TOP_FOLDERS = ("src", "tests", "docs", "bench", "requirements")
FLOORS = ("config", "interfaces", "journeys", "providers", "domain", "core")
TREE_PATH = re.compile(rf"`((?:{'|'.join(TOP_FOLDERS + FLOORS)})/[\w./-]*)`")

PICTURES = [
    ("recovery.md", temporary.MOVES, credentials.TemporaryPassword),
    ("contacts.md", contacts.MOVES, people.Contact),
    ("messages.md", outbox.MOVES, delivery.Message),
]


def documents() -> list[Path]:
    return [path for path in files_of_the_tree() if path.suffix == ".md"]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def rows(text: str) -> list[list[str]]:
    """The cells of every table row whose first cell begins with something in backticks."""
    return [[c.strip() for c in line.strip("| ").split(" | ")] for line in text.splitlines() if line.startswith("| `")]


def bare(cell: str) -> str:
    return cell.strip("`")


# -- state pictures


def arrows(text: str) -> set[tuple[str, str]]:
    """(from, to) of every arrow of the page's state picture."""
    picture = re.search(r"```mermaid\nstateDiagram-v2\n(.*?)```", text, re.DOTALL)
    assert picture, "no state picture"
    return set(re.findall(r"^\s*(\[\*\]|\w+) --> (\[\*\]|\w+)", picture[1], re.MULTILINE))


def arrows_of_table(moves: dict, first: str) -> set[tuple[str, str]]:
    inside = {(str(one), str(other)) for one, others in moves.items() for other in others}
    ends = {(str(one), "[*]") for one, others in moves.items() if not others}
    return inside | ends | {("[*]", str(first))}


@pytest.mark.parametrize(("page", "moves", "model"), PICTURES, ids=[p[0] for p in PICTURES])
def test_a_state_picture_shows_the_moves_of_the_code(page: str, moves: dict, model: type):
    first = model._meta.get_field("state").default
    assert arrows((JOURNEYS / page).read_text("utf-8")) == arrows_of_table(moves, first)


@pytest.mark.parametrize(("page", "moves", "model"), PICTURES, ids=[p[0] for p in PICTURES])
def test_a_table_of_moves_knows_every_state(page: str, moves: dict, model: type):
    assert {str(state) for state in moves} == set(model.State.values)


def test_every_journey_has_a_page_with_a_picture():
    pages = {path.name for path in JOURNEYS.glob("*.md")} - {"README.md"}
    assert {page for page, _, _ in PICTURES} < pages
    for page in pages:
        assert arrows((JOURNEYS / page).read_text("utf-8")), page
        assert f"({page})" in (JOURNEYS / "README.md").read_text("utf-8"), f"{page} is not in the index"


def test_the_reader_sees_a_missing_arrow():
    picture = "```mermaid\nstateDiagram-v2\n    [*] --> one\n    one --> two : why\n    two --> [*]\n```"
    assert arrows(picture) == arrows_of_table({"one": {"two"}, "two": set()}, "one")
    assert arrows(picture) != arrows_of_table({"one": {"two"}, "two": {"one"}}, "one")


# -- the map


def test_the_map_names_every_folder():
    shown = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    packages = {path.parent.name for path in PACKAGE.rglob("__init__.py")} - {"massar", "migrations"}
    pages = {path.name for path in (PACKAGE / "interfaces" / "web").iterdir()}  # one folder for each page
    missing = sorted(name for name in packages - pages if f"`{name}/`" not in shown and f"/{name}/`" not in shown)
    assert missing == []


# -- settings


def variables_of_the_code() -> set[str]:
    return set(settings_of(Settings))


def documented() -> dict[str, str]:
    """Variable -> its documented default."""
    return {bare(cells[0]): bare(cells[1]) for cells in rows(SETTINGS.read_text("utf-8"))}


def test_the_page_of_settings_is_what_the_classes_say():
    """`make settings` writes it anew."""
    assert SETTINGS.read_text("utf-8") == reference.page()


def test_required_settings_are_those_that_production_misses():
    with pytest.raises(SettingsError) as refused:
        load({"MASSAR_MODE": "production"})
    missed = {m.partition(" ")[0] for m in refused.value.mistakes if " is missing: " in m}
    assert missed == {name for name, default in documented().items() if default == REQUIRED and name.isupper()}


def test_documents_name_no_setting_that_does_not_exist():
    known = variables_of_the_code()
    for path in documents():
        named = set(re.findall(r"\bMASSAR_[A-Z0-9_]*[A-Z0-9]\b", path.read_text("utf-8")))
        # What the tests are told is no setting of the product.
        assert {n for n in named - known if not n.startswith("MASSAR_TEST_")} == set(), name_of(path)


# -- budgets, cookies, commands


def spoken(pause: timedelta) -> str:
    """`90 s`, `0.45 s`, `6 min`, `2 h 24 min`."""
    if pause < timedelta(minutes=1) or pause % timedelta(minutes=1):
        return f"{pause.total_seconds():g} s"
    hours, minutes = divmod(pause // timedelta(minutes=1), 60)
    return " ".join(filter(None, (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "")))


def test_every_budget_is_documented_as_it_is():
    limits = [value for value in vars(rate_limits).values() if isinstance(value, RateLimit)]
    said = {bare(cells[0]): cells[1:3] for cells in rows((ROOT / "SECURITY.md").read_text("utf-8"))}
    assert said == {one.name: [str(one.burst), spoken(one.refill)] for one in limits}


def test_every_cookie_is_documented():
    shorts = {value.short for value in vars(cookies).values() if isinstance(value, cookies.Cookie)}
    said = {bare(cells[0]) for cells in rows((JOURNEYS / "sessions.md").read_text("utf-8"))}
    assert said == shorts | {"csrf"}


def test_every_command_is_documented():
    text = (ROOT / "docs" / "operate" / "run.md").read_text("utf-8")
    assert {bare(cells[0]).removeprefix("massar ") for cells in rows(text)} == commands_of_the_code()


def code_of(text: str) -> str:
    """What a reader would type: code blocks and words in backticks."""
    return "\n".join([*FENCE.findall(text), *re.findall(r"`[^`\n]+`", text)])


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_commands_and_targets_in_documents_exist(path: Path):
    code = code_of(path.read_text("utf-8"))
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = set(re.findall(r"(?:^|[` ])make ([a-z][a-z-]*)", code, re.MULTILINE))
    assert asked <= targets, asked - targets
    typed = set(re.findall(r"(?:^|`)massar ([a-z-]+)", code, re.MULTILINE))
    assert typed <= commands_of_the_code(), typed - commands_of_the_code()


def test_the_readme_begins_with_two_commands():
    text = (ROOT / "README.md").read_text("utf-8")
    assert FENCE.findall(text)[0] == "```\nmake demo\nmake test\n```"


def test_every_answer_to_a_recovery_is_documented():
    tree = ast.parse((PACKAGE / "journeys" / "account" / "recover_password.py").read_text("utf-8"))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "_Judged"]
    answers = {call.args[1].value for call in calls}
    page = (JOURNEYS / "recovery.md").read_text("utf-8")
    assert "sent" in answers
    assert {answer for answer in answers if f"`{answer}`" not in page} == set()


# -- links, paths, pictures


def anchors(path: Path) -> set[str]:
    """The names under which the headings of a page can be linked to."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_links_lead_somewhere(path: Path):
    for link in LINK.findall(FENCE.sub("", path.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        to, _, anchor = unquote(link).partition("#")
        target = (path.parent / to).resolve() if to else path
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_paths_in_documents_exist(path: Path):
    for written in TREE_PATH.findall(path.read_text("utf-8")):
        places = (ROOT / written, PACKAGE / written)
        assert any(place.exists() for place in places), f"{written} does not exist"


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_tests_named_in_documents_exist(path: Path):
    for file, name in re.findall(r"(tests/[\w/]+\.py)::(\w+)", path.read_text("utf-8")):
        assert (ROOT / file).exists() and f"def {name}(" in (ROOT / file).read_text("utf-8"), f"{file}::{name}"


def test_pictures_are_small():
    pictures = sorted((ROOT / "docs" / "images").glob("*.webp"))
    assert pictures, "no pictures"
    assert [p.name for p in pictures if p.stat().st_size > LARGEST_PICTURE] == []
    shown = (ROOT / "README.md").read_text("utf-8")
    assert [p.name for p in pictures if p.name not in shown] == [], "a picture that nobody shows"


# -- decisions


def decisions() -> list[Path]:
    return [path for path in sorted(ADR.glob("*.md")) if path.name != "README.md"]


def test_no_two_decisions_have_one_number():
    numbers = [path.name[:4] for path in decisions()]
    assert numbers
    assert len(set(numbers)) == len(numbers)


def test_every_decision_has_its_number_its_parts_and_a_place_in_the_index():
    index = (ADR / "README.md").read_text("utf-8")
    for path in decisions():
        number = int(path.name[:4])
        text = path.read_text("utf-8")
        assert text.startswith(f"# {number}. "), path.name
        assert [part for part in ("**Context.**", "**Decision.**", "**Consequences.**") if part not in text] == [], (
            path.name
        )
        assert f"[{number}]({path.name})" in index, f"{path.name} is not in the index"


def test_every_dependency_is_argued():
    lines = (ROOT / "requirements" / "runtime.in").read_text("utf-8").splitlines()
    needed = {re.match(r"[\w.-]+", line)[0].lower() for line in lines if line and line[0].isalpha()}
    argued = {bare(cells[0]) for cells in rows((ADR / "0002-dependencies.md").read_text("utf-8"))}
    assert argued == needed


def test_the_licence_is_the_one_that_is_named():
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in text and "Version 2.0, January 2004" in text
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text("utf-8")
