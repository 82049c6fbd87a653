"""Laws about lines of source: time, secrets, connections, HTTP, addresses, imports inside functions, words in code."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from tests.house import laws
from tests.house.laws import PRODUCT, ROOT, name_of, python_files

PROVIDERS_AND_PROGRAMS = (
    "massar.providers",
    "massar.interfaces.demo.receiver",  # the demo's phone and mailbox: real servers on loopback
    "massar.interfaces.commands",  # finds a free port, asks whether the product answers
)
HTTP = tuple(f"django.{part}" for part in ("http", "forms", "shortcuts", "views", "urls", "template", "middleware"))
DATABASE_CLOCK = re.compile(r"\bCURRENT_TIMESTAMP\b|\bNOW\(\)|\bclock_timestamp\(\)|'now'")
ARABIC_LETTER = re.compile("[\u0621-\u064a]")
ARABIC_IN_ARABIC = "العربية"  # a language is offered in its own words, which no catalogue translates
TEMPLATE_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
PAGES_SOURCE = [PRODUCT / "interfaces" / name for name in ("web", "desk", "ops")]
# The page of last resort is shown when even the catalogues can't be read: it carries its own words.
LAST_RESORT = "errors/plain.html"
CHECKED_FOR_WORDS = [
    *[path for folder in (*PAGES_SOURCE, PRODUCT / "journeys") for path in python_files(folder)],
    *sorted(path for folder in PAGES_SOURCE for path in folder.rglob("*.html") if not str(path).endswith(LAST_RESORT)),
]


@pytest.mark.parametrize(("group", "allowed"), [
    (laws.ASKS_THE_TIME, ("massar.core.clock",)),
    # Demo people are no secrets: the same seed makes the same country.
    (laws.DRAWS_RANDOM, ("massar.core.ids", "massar.journeys.people.demo_country")),
    (laws.OPENS_CONNECTIONS, PROVIDERS_AND_PROGRAMS),
], ids=["the time", "secrets", "connections"])  # fmt: skip
def test_only_one_place_asks_for(group, allowed):
    assert laws.breaches(group, allowed=allowed) == []


@pytest.mark.parametrize("floor", ["journeys", "domain", "core"])
def test_lower_floors_know_nothing_of_http(floor):
    assert python_files(PRODUCT / floor) and laws.breaches(HTTP, below=PRODUCT / floor) == []


def constants(path: Path) -> list[ast.Constant]:
    tree = laws.nodes(path.read_text("utf-8"))
    return [node for node in tree if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def test_the_database_is_not_asked_the_time_either():
    for path in python_files():
        assert [one.value for one in constants(path) if DATABASE_CLOCK.search(one.value)] == [], name_of(path)
        calls = (node for node in laws.nodes(path.read_text("utf-8")) if isinstance(node, ast.Call))
        assert not {k.arg for call in calls for k in call.keywords} & {"auto_now", "auto_now_add"}, name_of(path)


def beginnings(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    """The first part of each address of the product."""
    for one in patterns:
        text = str(one.pattern)
        if isinstance(one, URLResolver) and not text:
            yield from beginnings(one.url_patterns)
        elif text:
            yield text.partition("/")[0]


def test_no_address_of_a_page_is_written_below_the_interfaces():
    known = set(beginnings(get_resolver().url_patterns))
    assert {"sign-in", "recovery", "contacts", "saml", "receipts", "gate"} <= known
    address = re.compile(rf"/(?:{'|'.join(map(re.escape, known))})(?:/|$)")
    found = [
        f"{name_of(path)}:{one.lineno} {one.value!r}"
        for below in ("journeys", "domain", "core", "providers")
        for path in python_files(PRODUCT / below)
        for one in constants(path)
        if address.match(one.value)
    ]
    assert found == []


@pytest.mark.parametrize("folder", ["src", "tests", "bench"])
def test_no_import_stands_inside_a_function(folder):
    files = python_files(ROOT / folder)
    found = {name_of(path): laws.imports_inside_functions(path.read_text("utf-8")) for path in files}
    assert found and {name: lines for name, lines in found.items() if lines} == {}


def words_of(path: Path) -> list[str]:
    text = path.read_text("utf-8")
    if path.suffix == ".html":
        return TEMPLATE_COMMENT.sub("", text).splitlines()
    # What the code works with, without docstrings.
    alone = {id(node.value) for node in laws.nodes(text) if isinstance(node, ast.Expr)}
    return [one.value for one in constants(path) if id(one) not in alone]


def test_words_people_read_are_not_in_pages_or_journeys():
    """Every page speaks Arabic first: an Arabic letter here is a sentence that belongs in a catalogue."""
    words = [(name_of(path), words) for path in CHECKED_FOR_WORDS for words in words_of(path)]
    found = [(file, text) for file, text in words if ARABIC_LETTER.search(text) and text != ARABIC_IN_ARABIC]
    assert found == [], "move these words to the catalogues in src/massar/locale/"


@pytest.mark.parametrize(("source", "group", "seen"), [
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
])  # fmt: skip
def test_the_reader_sees_what_it_should(source: str, group: tuple[str, ...], seen: bool):
    assert any(laws.within(name, group) for name, _ in laws.names_used(source)) is seen


def test_the_reader_sees_an_import_inside_a_function():
    assert laws.imports_inside_functions("import a\ndef f():\n    if 1:\n        import b\n") == [4]


SECRET = re.compile(r"(client_)?secret|(refresh_)?token|password|cookie|trusted_devices|recovery_browser|phc")


def classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    for path in python_files():
        for node in laws.nodes(path.read_text("utf-8"))[0].body:
            if isinstance(node, ast.ClassDef):
                yield path, node


def test_no_representation_shows_a_secret():
    """What holds one may stand in a traceback or a line of the log: its field says repr=False, or its whole class."""
    shown = []
    for path, one in classes():
        heads = " ".join(map(ast.unparse, [*one.decorator_list, *one.bases]))
        if ("dataclass" in heads or "NamedTuple" in heads) and "repr=False" not in heads:
            fields = [field for field in one.body if isinstance(field, ast.AnnAssign)]
            named = [field for field in fields if SECRET.fullmatch(ast.unparse(field.target))]
            open_ = [field for field in named if "repr=False" not in ast.unparse(field)]
            shown += [f"{name_of(path)}:{field.lineno}" for field in open_]
    assert shown == []


def test_one_name_is_one_class():
    found = Counter(one.name for _, one in classes() if not one.name.startswith("_"))
    # Django looks for these by their names.
    assert {name for name, times in found.items() if times > 1} <= {"DatabaseWrapper", "Migration"}
