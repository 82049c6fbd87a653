"""The suite's two clients."""

from __future__ import annotations

import pytest

from tests.sso.relying_party import SECOND, SUITE, RelyingParty, party


@pytest.fixture
def rp(registered, clock) -> RelyingParty:
    return party(clock, SUITE)


@pytest.fixture
def second(registered, clock) -> RelyingParty:
    return party(clock, SECOND)
