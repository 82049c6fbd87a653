"""Laws about single lines of source: time, secrets, connections, imports inside functions, words in code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house import laws

PROVIDERS_AND_PROGRAMS = (
    "massar.providers",
    "massar.interfaces.demo.receiver",  # the demo's phone and mailbox: real servers on loopback
    "massar.interfaces.commands",  # finds a free port, asks whether the product answers
)
DATABASE_CLOCK = re.compile(r"\bCURRENT_TIMESTAMP\b|\bNOW\(\)|\bclock_timestamp\(\)|'now'")
ARABIC_LETTER = re.compile("[\u0621-\u064a]")
ARABIC_IN_ARABIC = "العربية"  # a language is offered in its own words, which no catalogue translates
TEMPLATE_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
PAGES_SOURCE = [laws.SOURCE / "massar" / "interfaces" / name for name in ("web", "ops")]
# The page of last resort is shown when even the catalogues can't be read: it carries its own words.
LAST_RESORT = "errors/plain.html"
CHECKED_FOR_WORDS = [
    *[path for folder in PAGES_SOURCE for path in laws.python_files(folder)],
    *laws.python_files(laws.SOURCE / "massar" / "journeys"),
    *sorted(
        path for folder in PAGES_SOURCE for path in folder.rglob("*.html") if not path.as_posix().endswith(LAST_RESORT)
    ),
]


def listed(found: list[laws.Found]) -> str:
    return "\n".join(str(place) for place in found)


def test_only_the_clock_asks_the_time():
    found = laws.breaches(laws.ASKS_THE_TIME, allowed=("massar.core.clock",))
    assert not found, listed(found)


def test_only_ids_draws_secrets():
    found = laws.breaches(laws.DRAWS_RANDOM, allowed=("massar.core.ids",))
    assert not found, listed(found)


def test_only_providers_and_programs_open_connections():
    found = laws.breaches(laws.OPENS_CONNECTIONS, allowed=PROVIDERS_AND_PROGRAMS)
    assert not found, listed(found)


@pytest.mark.parametrize("path", laws.python_files(), ids=laws.module_name)
def test_the_database_is_not_asked_the_time_either(path: Path):
    tree = ast.parse(path.read_text("utf-8"))
    texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    assert [text for text in texts if DATABASE_CLOCK.search(text)] == []
    keywords = {k.arg for n in ast.walk(tree) if isinstance(n, ast.Call) for k in n.keywords}
    assert not keywords & {"auto_now", "auto_now_add"}


@pytest.mark.parametrize(
    "path",
    [*laws.python_files(), *laws.python_files(laws.ROOT / "tests"), *laws.python_files(laws.ROOT / "bench")],
    ids=lambda path: str(path.relative_to(laws.ROOT)),
)
def test_no_import_stands_inside_a_function(path: Path):
    assert laws.imports_inside_functions(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", CHECKED_FOR_WORDS, ids=lambda path: str(path.relative_to(laws.SOURCE)))
def test_words_people_read_are_not_in_pages_or_journeys(path: Path):
    """Every page speaks Arabic first: an Arabic letter here is a sentence that belongs in a catalogue."""
    words = words_of_a_page(path) if path.suffix == ".html" else words_of_code(path)
    found = [text for text in words if ARABIC_LETTER.search(text) and text != ARABIC_IN_ARABIC]
    assert found == [], "move these words to the catalogues in src/massar/locale/"


def words_of_a_page(path: Path) -> list[str]:
    return TEMPLATE_COMMENT.sub("", path.read_text("utf-8")).splitlines()


def words_of_code(path: Path) -> list[str]:
    """Texts that the code works with: string constants, without docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in alone)
    return [node.value for node in constants if isinstance(node.value, str)]


@pytest.mark.parametrize(
    ("source", "group", "seen"),
    [
        ("from datetime import datetime as d\nd.now()", laws.ASKS_THE_TIME, True),
        ("import datetime\nf = datetime.datetime.utcnow", laws.ASKS_THE_TIME, True),
        ("from django.utils import timezone\ntimezone.now()", laws.ASKS_THE_TIME, True),
        ("import time\ntime.monotonic()", laws.ASKS_THE_TIME, False),
        ("from massar.core import clock\nclock.now()", laws.ASKS_THE_TIME, False),
        ("import os as system\nsystem.urandom(4)", laws.DRAWS_RANDOM, True),
        ("from random import choice", laws.DRAWS_RANDOM, True),
        ("import os\nos.environ", laws.DRAWS_RANDOM, False),
        ("import http.client\nhttp.client.HTTPConnection", laws.OPENS_CONNECTIONS, True),
        ("from http import HTTPStatus", laws.OPENS_CONNECTIONS, False),
        ("import smtplib", laws.OPENS_CONNECTIONS, True),
        ("# import smtplib", laws.OPENS_CONNECTIONS, False),
    ],
)
def test_the_reader_sees_what_it_should(source: str, group: frozenset[str], seen: bool):
    assert any(laws.within(name, group) for name, _ in laws.names_used(source)) is seen


def test_the_reader_sees_an_import_inside_a_function():
    assert laws.imports_inside_functions("import a\ndef f():\n    if 1:\n        import b\n") == [4]
