"""The list of guards keeps up with the sources; `make guards` removes each and runs its test."""

import re

from tests.guards.listed import ROOT, guards

ATTACKS = (ROOT / "docs" / "security" / "attack-cases.md").read_text("utf-8")


def test_each_guard_stands_once_and_the_file_can_be_read_without_it():
    assert len(guards()) >= 120
    for guard in guards():
        compile(guard.without(guard.path.read_text("utf-8")), guard.file, "exec")


def test_each_guard_names_modules_that_exist_and_a_case_that_is_listed():
    for guard in guards():
        assert [one for one in guard.arguments if one.endswith(".py") and not (ROOT / one).is_file()] == [], guard.name
        promise = guard.case.startswith(("promise ", "decision "))
        assert promise or re.search(rf"^\| [\d, –]*\b{guard.case}\b", ATTACKS, re.MULTILINE), guard
    names = [(guard.file, guard.name) for guard in guards()]
    assert len(set(names)) == len(names)
