"""oidcc-formpost-basic-certification-test-plan: the modules of the basic plan, each answered by a form.

The suite runs the same modules with response_mode=form_post; so does this file.
"""

from __future__ import annotations

import pytest

from tests.sso.conformance import test_basic
from tests.sso.relying_party import RelyingParty, Surfer

MODULES = {name: test for name, test in vars(test_basic).items() if name.startswith("test_oidcc_")}
globals().update(MODULES)


@pytest.fixture(autouse=True)
def answers_by_form(monkeypatch: pytest.MonkeyPatch):
    """Every request asks for it, and no answer may come by an address."""
    plain, arrived = RelyingParty.ask, Surfer.arrived.fget

    def by_form(self: Surfer):
        found = arrived(self)
        assert found is None or found.status == 200, "by a form, never by the address"
        return found

    monkeypatch.setattr(
        RelyingParty, "ask", lambda self, **changed: plain(self, **{"response_mode": "form_post", **changed})
    )
    monkeypatch.setattr(Surfer, "arrived", property(by_form))


def test_every_module_of_the_basic_plan_is_here():
    assert len(MODULES) == 38
