"""The table of controls is whole, names what exists, and the page is made from it."""

import ast
import re
from functools import cache
from pathlib import Path

from tests.controls import page, sbom, table
from tests.house.laws import PRODUCT, ROOT

NAMED = re.compile(r"`([\w.-]+(?:/[\w.-]+)*/?)`")
FILE = re.compile(r"/|\.(?:py|md|toml|txt)$")
COUNTED = re.compile(r"\b(?:passed|failed|skipped|not run)\b")


@cache
def functions_of(path: Path) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {n.name for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, functions)}


def without_results(text: str) -> list[str]:
    return [COUNTED.sub("-", line) for line in text.splitlines() if not line.startswith("Results of ")]


def test_every_control_of_both_levels_stands_once():
    _, controls = table.read()
    ids = table.ids_of_the_standard()
    assert len(ids) == len(set(ids)) == 253  # 70 and 183: ASVS 5.0.0
    assert sorted(control.id for control in controls) == sorted(ids)


def test_each_says_one_thing_in_few_words():
    for control in table.read()[1]:
        said = [bool(control.how), bool(control.not_met), bool(control.not_applicable)]
        assert said.count(True) == 1, control.id
        assert control.how or not control.tests, f"{control.id} is not met and names tests"
        assert control.how == "" or control.tests or NAMED.search(control.how), f"{control.id} shows nothing"
        assert 0 < len(control.what.split()) <= 15, control.id


def test_every_named_test_exists():
    for name in page.named_tests(table.read()[1]):
        path, _, test = name.partition("::")
        assert test in functions_of(ROOT / "tests" / path), name


def test_every_named_file_exists():
    for control in table.read()[1]:
        for named in NAMED.findall(control.how + control.not_met):
            if FILE.search(named) and not named.startswith("/"):
                assert (ROOT / named).exists() or (PRODUCT / named).exists(), f"{control.id}: {named}"


def test_the_page_is_what_the_table_says_and_nothing_failed():
    written = table.PAGE.read_text("utf-8")
    assert without_results(written) == without_results(page.page(*table.read(), {})), "make controls"
    assert re.search(r"^Results of \d+ tests: \d+ passed\.$", written, re.MULTILINE), "what failed is no page to keep"


def test_a_result_is_the_worst_of_its_cases(tmp_path: Path):
    report = tmp_path / "report.xml"
    report.write_text(
        "<testsuites><testsuite>"
        '<testcase classname="tests.core.test_a" name="test_b[1]"/>'
        '<testcase classname="tests.core.test_a" name="test_b[2]"><failure/></testcase>'
        '<testcase classname="tests.core.test_a" name="test_c"><skipped/></testcase>'
        '<testcase classname="tests.core.test_a" name="test_d[3]"><skipped/></testcase>'
        '<testcase classname="tests.core.test_a" name="test_d[4]"/>'
        "</testsuite></testsuites>"
    )
    found = page.results([report])
    assert {name[-6:]: said for name, said in found.items()} == {
        "test_b": "failed", "test_c": "skipped", "test_d": "passed",
    }  # fmt: skip


def test_the_bill_names_every_package_of_the_lock(tmp_path: Path):
    lock = sbom.RUNTIME.read_text("utf-8")
    pinned = dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", lock, re.MULTILINE))
    named = {package.name: package.version for package in sbom.packages(sbom.RUNTIME)}
    assert len(named) > 20 and named["django"] == pinned["django"]
    assert named.items() <= pinned.items()
    small = tmp_path / "lock.txt"
    small.write_text(
        "A.b[x]==1.0 \\\n    --hash=sha256:00\n    # via c\nc==2 ; sys_platform == 'plan9' \\\n    --hash=sha256:11\n"
    )
    assert [c["purl"] for c in sbom.bill(sbom.packages(small))["components"]] == ["pkg:pypi/a-b@1.0"]
