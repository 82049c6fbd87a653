"""The suite's two clients, and a browser."""

from __future__ import annotations

import pytest

from tests.sso.relying_party import SECOND, SUITE, RelyingParty, Surfer, party, register


@pytest.fixture(autouse=True)
def registered(cast, settings):
    """The sites of these tests. Keys are made anew in each test's database, so none may be remembered."""
    register(settings)


@pytest.fixture
def rp(clock) -> RelyingParty:
    return party(clock, SUITE)


@pytest.fixture
def second(clock) -> RelyingParty:
    return party(clock, SECOND)


@pytest.fixture
def browser() -> Surfer:
    return Surfer()
