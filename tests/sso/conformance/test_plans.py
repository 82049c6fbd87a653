"""Every module of the plans has a test of its name, and no test bears a name that no plan has."""

from __future__ import annotations

import re
from pathlib import Path

from tests.sso.conformance.plans import PLANS

NAMED = re.compile(r"^def test_(oidcc_\w+)\(", re.MULTILINE)


def test_every_module_of_the_plans_is_played_once():
    modules = [name.replace("-", "_") for names in PLANS.values() for name in names]
    played = [n for p in sorted(Path(__file__).parent.glob("test_*.py")) for n in NAMED.findall(p.read_text("utf-8"))]
    assert sorted(played) == sorted(modules)
    assert [len(names) for names in PLANS.values()] == [38, 1, 11, 2]
