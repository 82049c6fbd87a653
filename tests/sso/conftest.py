"""What every test of sites may use: registered sites, a browser, people who have signed in, and the real time."""

from datetime import UTC, datetime

import pytest

from massar.domain.sites import keys
from tests.cast import JAMAL, YOUSSEF
from tests.sso import saml_site
from tests.sso.relying_party import MACHINE, STRICT, RelyingParty, Surfer, party, register
from tests.support.visitor import Visitor


@pytest.fixture(autouse=True)
def no_key_is_remembered() -> None:
    """Keys are made anew in each test's database; the last test's were rolled back."""
    keys.forget_opened()


@pytest.fixture
def registered(cast, settings) -> None:
    """The sites of `relying_party.py`. A module with others overrides this."""
    register(settings)


@pytest.fixture
def saml_sites(monkeypatch) -> None:
    """The sites of `saml_site.py`."""
    saml_site.register(monkeypatch)


@pytest.fixture
def rp(registered, clock) -> RelyingParty:
    return party(clock, STRICT)


@pytest.fixture
def machine(registered, clock) -> RelyingParty:
    return party(clock, MACHINE)


@pytest.fixture
def browser(registered) -> Surfer:
    return Surfer()


@pytest.fixture
def youssef(cast) -> Visitor:
    return Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)


@pytest.fixture
def jamal(cast) -> Visitor:
    return Visitor().sign_in(JAMAL.login, JAMAL.password)


@pytest.fixture
def real_time(clock) -> None:
    """Libraries ask the system for the time."""
    clock.set(datetime.now(UTC).replace(microsecond=0))
