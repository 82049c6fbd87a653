"""The floors and rooms: who may import whom."""

import os
import re
import subprocess
import sys

import pytest

from tests.house import laws

# A room is a package that others enter by its api module only.
ROOM = re.compile(r"^(massar\.domain\.[a-z_]+|massar\.core\.audit)(?:\.([A-Za-z_]+))?")

# What providers know of the room `delivery`: its contract with them and pure functions. Its api would load the tables.
OF_PROVIDERS = ("provider", "bounce_words", "receipts_address", "return_path", "sms_text")

TESTS = laws.ROOT / "tests"


def side_doors(source: str, module: str) -> list[str]:
    """Names that `module` takes from a room other than its own, past that room's api."""
    found = set()
    for name, _line in laws.names_used(source, module):
        match = ROOM.match(name)
        if not match or laws.within(module, (match[1],)):
            continue
        of_settings = ("massar.domain.sites.registry", "massar.domain.factors.required")
        if name.startswith(of_settings) and module.startswith("massar.config"):
            continue  # settings are read before models can be: these are data and touch none
        if match[1] == "massar.domain.delivery" and match[2] in OF_PROVIDERS and module.startswith("massar.providers."):
            continue
        if match[2] not in ("api", None):
            found.add(name)
    return sorted(found)


def test_the_import_contracts_hold():
    """In a process of its own: the program sets up logging anew, and would shut the loggers of all tests after it."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    environment = {**os.environ, "PYTHONPATH": str(laws.SOURCE)}
    done = subprocess.run([sys.executable, "-c", code], cwd=laws.ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("floor", ["domain", "interfaces"])
def test_every_neighbour_stands_under_its_contract(floor: str):
    """A room or interface that the contract in pyproject.toml does not list could import its neighbours."""
    contracts = (laws.ROOT / "pyproject.toml").read_text("utf-8")
    listed = set(re.findall(rf'"massar\.{floor}\.([a-z_]+)"', contracts))
    neighbours = {init.parent.name for init in (laws.PRODUCT / floor).glob("*/__init__.py")}
    assert neighbours and neighbours <= listed


def test_a_room_is_entered_by_its_api():
    found = {laws.name_of(p): side_doors(p.read_text("utf-8"), laws.module_name(p)) for p in laws.python_files()}
    assert {name: doors for name, doors in found.items() if doors} == {}


@pytest.mark.parametrize(("source", "found"), [
    ("from massar.domain.people.models import Person", ["massar.domain.people.models.Person"]),
    ("import massar.domain.people.directory", ["massar.domain.people.directory"]),
    ("from massar.domain.people import directory as d", ["massar.domain.people.directory"]),
    ("from ...domain.people import contacts", ["massar.domain.people.contacts"]),
    ("from massar.domain.people import api as people\npeople.Person", []),
    ("from massar.domain.people.api import Person", []),
    ("from massar.core import clock", []),
])  # fmt: skip
def test_the_reader_sees_a_side_door(source: str, found: list[str]):
    assert side_doors(source, "massar.journeys.account.sign_in") == found
    assert side_doors(source, "massar.domain.people.api") == [], "a room may use its own modules"


def imported_tests(source: str, module: str) -> set[str]:
    """Modules of tests that `module` imports something from."""
    names = (name for name, _line in laws.names_used(source, module) if name.startswith("tests."))
    return {found[0] for name in names if (found := re.match(r"(?:\w+\.)*?test_\w+", name))}


def test_no_test_module_is_imported():
    """What two of them need is a helper: it belongs into tests/support, or into a module beside them (its README)."""
    found, paths = {}, laws.python_files(TESTS)
    known = {part.removesuffix(".py") for path in paths for part in path.relative_to(TESTS).parts}
    for path in paths:
        if known.isdisjoint(re.findall(r"\btest_\w+", path.read_text("utf-8"))):
            continue  # it names none of them
        module = laws.name_of(path.with_suffix("")).replace(os.sep, ".")
        if taken := imported_tests(path.read_text("utf-8"), module):
            found[module] = taken
    assert found == {}


def test_statements_are_captured_by_the_kit_alone():
    """Django's own capture is empty once the next request has come, and two empty lists are equal."""
    own = re.compile("CaptureQueriesContext[(]|[.]captured_queries|[.]queries_log")
    assert [path.name for path in laws.python_files(TESTS) if own.search(path.read_text("utf-8"))] == []


def test_the_page_of_the_kit_names_its_modules():
    page = (TESTS / "support" / "README.md").read_text("utf-8")
    named = {name for row in re.findall(r"^\| (`.+?`) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named == {path.stem for path in laws.python_files(TESTS / "support")} - {"__init__"}


@pytest.mark.parametrize(("source", "found"), [
    ("from tests.domain.test_names import NAMES", {"tests.domain.test_names"}),
    ("from tests.domain import test_names", {"tests.domain.test_names"}),
    ("import tests.domain.test_names as names", {"tests.domain.test_names"}),
    ("from .test_names import NAMES", {"tests.domain.test_names"}),
    ("from ..core.test_text import fold", {"tests.core.test_text"}),
    ("from tests.support.visitor import Visitor", set()),
    ("from django.test import Client", set()),
])  # fmt: skip
def test_the_reader_sees_an_imported_test(source: str, found: set[str]):
    assert imported_tests(source, "tests.domain.test_limits") == found
