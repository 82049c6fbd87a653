"""The suite's two clients."""

import pytest

from tests.sso.relying_party import SECOND, SUITE, RelyingParty, party


@pytest.fixture
def rp(registered, clock) -> RelyingParty:
    return party(clock, SUITE)


@pytest.fixture
def second(registered, clock) -> RelyingParty:
    return party(clock, SECOND)
