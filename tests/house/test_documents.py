"""The documents say what the code does: state pictures, settings, limits, commands, alarms, links, decisions."""

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
from massar.domain.delivery.alarms import TABLE, ActiveAlarm, Alarm
from massar.domain.desk import cases
from massar.domain.desk.models import Case
from massar.domain.factors import held
from massar.domain.factors.models import Factor
from massar.domain.limits import rate_limits
from massar.domain.limits.gcra import RateLimit
from massar.domain.people import contacts
from massar.domain.people import models as people
from massar.interfaces.base import cookies
from tests.house.catalogues import catalogue, sentences
from tests.house.laws import PRODUCT, ROOT, files_of_the_tree, name_of, python_files
from tests.support.installation import COMMANDS

DOCS = ROOT / "docs"
JOURNEYS, OPERATE, ADR = DOCS / "journeys", DOCS / "operate", DOCS / "adr"
LARGEST_PICTURE = 60 * 1024
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
PLACES = "src|tests|docs|bench|requirements|config|interfaces|journeys|providers|domain|core"
TREE_PATH = re.compile(rf"`((?:{PLACES})/[\w./-]*)`")
PICTURES = [
    ("recovery.md", temporary.MOVES, credentials.TemporaryPassword),
    ("contacts.md", contacts.MOVES, people.Contact),
    ("messages.md", outbox.MOVES, delivery.Message),
    ("second-step.md", held.MOVES, Factor),
    ("desk-cases.md", cases.MOVES, Case),
]
NO_BREAK = "\u00a0"
QUESTIONS = ("What people notice.", "What to look at.", "What to do.", "When it ends.")


def read(path: Path | str) -> str:
    return (ROOT / path).read_text("utf-8")


def rows(text: str) -> list[list[str]]:
    """The cells of every table row whose first cell begins with something in backticks; the first one bare."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return [[cells[0].strip().strip("`"), *map(str.strip, cells[1:])] for cells in lines]


DOCUMENTS = [path for path in files_of_the_tree() if path.suffix == ".md"]
each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)


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
    assert arrows(read(JOURNEYS / page)) == arrows_of_table(moves, first)
    assert {str(state) for state in moves} == set(model.State.values)


def test_every_journey_has_a_page_with_a_picture():
    pages = {path.name for path in JOURNEYS.glob("*.md")} - {"README.md"}
    assert {page for page, _, _ in PICTURES} < pages
    for page in pages:
        assert arrows(read(JOURNEYS / page)), page
        assert f"({page})" in read(JOURNEYS / "README.md"), f"{page} is not in the index"


def test_the_reader_sees_a_missing_arrow():
    picture = "```mermaid\nstateDiagram-v2\n    [*] --> one\n    one --> two : why\n    two --> [*]\n```"
    assert arrows(picture) == arrows_of_table({"one": {"two"}, "two": set()}, "one")
    assert arrows(picture) != arrows_of_table({"one": {"two"}, "two": {"one"}}, "one")


def test_the_map_names_every_folder():
    shown = read("ARCHITECTURE.md")
    packages = {path.parent.name for path in PRODUCT.rglob("__init__.py")} - {"massar", "migrations"}
    assert sorted(name for name in packages if f"`{name}/`" not in shown and f"/{name}/`" not in shown) == []


# -- settings, limits, cookies, commands


def test_the_page_of_settings_is_what_the_classes_say():
    """`make settings` writes it anew."""
    page = read(OPERATE / "settings.md")
    assert page == reference.page()
    with pytest.raises(SettingsError) as refused:
        load({"MASSAR_MODE": "production"})
    missed = {m.partition(" ")[0] for m in refused.value.mistakes if " is missing: " in m}
    assert missed == {name for name, default, *_ in rows(page) if default.strip("`") == "required" and name.isupper()}


def spoken(pause: timedelta) -> str:
    """`90 s`, `0.45 s`, `6 min`, `2 h 24 min`."""
    if pause < timedelta(minutes=1) or pause % timedelta(minutes=1):
        return f"{pause.total_seconds():g} s"
    hours, minutes = divmod(pause // timedelta(minutes=1), 60)
    return " ".join(filter(None, (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "")))


def test_every_limit_is_documented_as_it_is():
    limits = [value for value in vars(rate_limits).values() if isinstance(value, RateLimit)]
    said = {name: cells[:2] for name, *cells in rows(read("SECURITY.md"))}
    assert said == {one.name: [str(one.burst), spoken(one.refill)] for one in limits}


def test_every_cookie_is_documented_and_comes_from_the_one_table():
    writers = {path.name for path in python_files(PRODUCT) if "set_cookie(" in read(path)}
    assert writers == {"cookies.py", "gate.py"}, "a gated site's cookie is not the account's"
    shorts = {value.short for value in vars(cookies).values() if isinstance(value, cookies.Cookie)}
    assert {cells[0] for cells in rows(read(JOURNEYS / "sessions.md"))} == shorts | {"csrf"}


def test_every_command_is_documented():
    documented = {cells[0].removeprefix("massar ") for cells in rows(read(OPERATE / "run.md"))}
    assert documented == set(COMMANDS)


@each_document
def test_commands_targets_and_settings_in_documents_exist(path: Path):
    text = read(path)
    code = "\n".join([*FENCE.findall(text), *re.findall(r"`[^`\n]+`", text)])  # what a reader would type
    targets = set(re.findall(r"^([a-z][a-z-]*):", read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:^|[` ])make ([a-z][a-z-]*)", code, re.MULTILINE)) - targets == set()
    assert set(re.findall(r"(?:^|`)massar ([a-z-]+)", code, re.MULTILINE)) - set(COMMANDS) == set()
    named = set(re.findall(r"\bMASSAR_[A-Z0-9_]*[A-Z0-9]\b", text)) - set(settings_of(Settings))
    assert {name for name in named if not name.startswith("MASSAR_TEST_")} == set(), "but what tests are told"


def test_the_readme_begins_with_two_commands():
    assert FENCE.findall(read("README.md"))[0] == "```\nmake demo\nmake test\n```"


def test_every_answer_to_a_recovery_is_documented():
    tree = ast.parse(read(PRODUCT / "journeys" / "account" / "recover_password.py"))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "_Judged"]
    answers, page = {call.args[1].value for call in calls}, read(JOURNEYS / "recovery.md")
    assert "sent" in answers and {answer for answer in answers if f"`{answer}`" not in page} == set()


# -- alarms: a runbook page that answers five questions, words in three languages, its limit


@pytest.mark.parametrize("alarm", TABLE, ids=lambda alarm: alarm.id)
def test_an_alarm_has_its_runbook_page(alarm: Alarm):
    text = read(ActiveAlarm(alarm.id, ()).page)
    assert f"Alarm `{alarm.id}`." in text, "what it means"
    assert [question for question in QUESTIONS if f"**{question}**" not in text] == []
    looked_at = set(re.findall(r"^massar ([a-z]+)", text, re.MULTILINE))
    assert looked_at and looked_at <= set(COMMANDS), "commands to look with"


def test_the_list_of_alarms_is_that_of_the_code():
    """A page that waits for its alarm has its words already."""
    page = read(OPERATE / "messages.md")
    listed = re.findall(r"^\| \[([a-z0-9-]+)\]\(alarms/\1\.md\) \| ([^|]+) \|", page, re.MULTILINE)
    assert listed == [(alarm.id, f"{alarm.limit} {alarm.unit}") for alarm in TABLE]
    words = {id.removeprefix("alarm.").replace("_", "-") for id in catalogue("en") if re.fullmatch(r"alarm\.\w+", id)}
    assert {path.stem for path in (OPERATE / "alarms").glob("*.md")} == words >= {alarm.id for alarm in TABLE}


# -- links, paths, pictures


def anchors(path: Path) -> set[str]:
    """The names under which the headings of a page can be linked to."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", read(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_links_paths_and_tests_in_documents_exist(path: Path):
    text = read(path)
    for link in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        to, _, anchor = unquote(link).partition("#")
        target = (path.parent / to).resolve() if to else path
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"
    for written in TREE_PATH.findall(text):
        assert (ROOT / written).exists() or (PRODUCT / written).exists(), f"{written} does not exist"
    for file, name in re.findall(r"(tests/[\w/]+\.py)::(\w+)", text):
        assert (ROOT / file).exists() and f"def {name}(" in read(file), f"{file}::{name}"


def test_pictures_are_small():
    pictures = sorted((DOCS / "images").glob("*.webp"))
    assert pictures and [p.name for p in pictures if p.stat().st_size > LARGEST_PICTURE] == []
    shown = "".join(map(read, DOCUMENTS))
    assert [p.name for p in pictures if p.name not in shown] == [], "a picture that nobody shows"


@pytest.mark.parametrize("page", ["help-desk.md", "people.md"])
def test_buttons_in_the_pages_of_agents_and_operators_are_named_as_they_are(page: str):
    words = {str(text).replace(NO_BREAK, " ") for message in catalogue("fr").values() for text in sentences(message)}
    named = {" ".join(name.split()) for name in re.findall(r"« (.+?) »", read(OPERATE / page), re.DOTALL)}
    assert len(named) > 5 and named - words == set()


# -- decisions


def test_every_decision_has_its_number_its_parts_and_a_place_in_the_index():
    pages = [path for path in sorted(ADR.glob("*.md")) if path.name != "README.md"]
    assert pages and len({path.name[:4] for path in pages}) == len(pages), "no two have one number"
    for path in pages:
        number, text = int(path.name[:4]), read(path)
        assert text.startswith(f"# {number}. "), path.name
        missing = [part for part in ("**Context.**", "**Decision.**", "**Consequences.**") if part not in text]
        assert missing == [], path.name
        assert read(ADR / "README.md").count(f"[{number}]({path.name})") == 1, f"{path.name} stands once in the index"


def test_every_dependency_is_argued():
    lines = read("requirements/runtime.in").splitlines()
    needed = {re.match(r"[\w.-]+", line)[0].lower() for line in lines if line and line[0].isalpha()}
    assert {cells[0] for cells in rows(read(ADR / "0002-dependencies.md"))} == needed


def test_the_licence_is_the_one_that_is_named():
    assert "Apache License" in read("LICENSE") and "Version 2.0, January 2004" in read("LICENSE")
    assert 'license = "Apache-2.0"' in read("pyproject.toml")
