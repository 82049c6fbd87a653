"""Fixtures for every test: a clock that stands still on an awkward night, and which database is under us."""

import gc
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import hypothesis
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.db import connection
from django.test import TransactionTestCase
from django.test import client as django_client

from massar.core import clock as product_clock
from massar.core import database_trouble
from massar.domain.limits import challenges
from massar.interfaces.base.request import Request
from massar.journeys import season
from tests import cast as people_of_the_cast
from tests.support import faults, nodes, statements
from tests.support.kept import Rows, few_rsa_keys
from tests.support.visitor import Post
from tests.support.wire import Wire

django_client.ClientHandler = Wire  # every test client goes in by the product's own WSGI callable
django_client.WSGIRequest = Request  # and what it and the request factory make is the product's class of request

challenges.ROUNDS, challenges.STEPS = 1, (1, 3)  # what a phone works on for a second, a test solves at once

# How long an example takes is no promise: machines differ.
EXAMPLES = int(os.environ.get("MASSAR_TEST_EXAMPLES", "100"))
hypothesis.settings.register_profile("massar", deadline=None, max_examples=EXAMPLES)
hypothesis.settings.load_profile("massar")

# In the night to 15 February 2026 clocks in Africa/Casablanca went from 02:59 (+01) back to 02:00 (+00), for Ramadan,
# by every table since IANA 2018g; since 20 September 2026 they stand at +00 (2026c). An SMS that is sent now, at 02:55
# local time, lives ten minutes, across the change: until "02:05".
AWKWARD_MOMENT = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)


DATABASE_FIXTURES = {"db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback"}


def pytest_configure(config: pytest.Config) -> None:
    gc.disable()  # until all is loaded
    if os.environ.get("MASSAR_TEST_STATEMENTS"):
        statements.record()


def pytest_collection_finish() -> None:
    """What was loaded stays to the end: the collector need not walk through it again and again."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    if file := os.environ.get("MASSAR_TEST_STATEMENTS"):
        statements.write(Path(file))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The second run, on PostgreSQL, is for what touches the database: nothing else could end differently.

    Of journeys and sign-on it takes what is marked `both_databases`: whole files of races, promises, costs, lists and
    figures, and every order of the machines; of the other stories as many tests as it needs to reach every statement
    (tests/support/statements.py), cheap ones, and of each story at least one.
    """
    if not os.environ.get("MASSAR_TEST_DATABASE_URL"):
        return
    kept = [item for item in items if touches_the_database(item) and is_for_both(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def is_for_both(item: pytest.Item) -> bool:
    return item.path.parent.name in ("core", "domain", "crash") or item.get_closest_marker("both_databases") is not None


def touches_the_database(item: pytest.Item) -> bool:
    """By pytest-django's mark, or by its fixtures (asked for directly or through another fixture)."""
    marked = item.get_closest_marker("django_db") is not None
    return marked or bool(DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())))


class FrozenClock:
    """Stands in for `massar.core.clock.now`: gives the same moment until the test moves it."""

    def __init__(self, moment: datetime = AWKWARD_MOMENT):
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **duration: float) -> datetime:
        """Move on, as `clock.advance(minutes=11)`; returns the new moment."""
        self.moment += timedelta(**duration)
        return self.moment

    def set(self, moment: datetime) -> datetime:
        if moment.tzinfo is None:
            raise ValueError("the product knows no naive time")
        self.moment = moment
        return moment


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FrozenClock:
    """The product's clock, frozen on the awkward moment. Times are aware, in UTC."""
    frozen = FrozenClock()
    monkeypatch.setattr(product_clock, "now", frozen)
    return frozen


@pytest.fixture
def vendor() -> str:
    """`sqlite` or `postgresql`: the database of this run."""
    return connection.vendor


@pytest.fixture
def post(clock, db) -> Post:
    """The worker with providers that keep what they receive, driven by the frozen clock."""
    return Post(clock)


_CAST: dict[datetime, Rows] = {}


@pytest.fixture
def cast(clock, db):
    """The whole cast has accounts. Only the first test of a run adds them by the journey; the others get its rows."""
    kept = _CAST.get(clock())
    if kept:
        kept.write()
    else:
        _CAST[clock()] = Rows(lambda: people_of_the_cast.enter(now=clock()))
    return people_of_the_cast


@pytest.fixture(scope="session", autouse=True)
def what_was_committed_goes_by_rows():
    """Django's TRUNCATE makes PostgreSQL a new file for each table and index, and the audit log refuses its DELETE."""
    with mock.patch.object(TransactionTestCase, "_fixture_teardown", staticmethod(faults.empty)):
        yield


@pytest.fixture(autouse=True)
def nothing_of_the_process_is_left():
    """What a process has met of its database lasts a minute, and what it has read of its keys as long as it runs: each
    would be the next test's."""
    with nodes.alone():
        yield
    database_trouble.end()
    season.forget()


@pytest.fixture(scope="session", autouse=True)
def rsa_keys():
    """A key of 3072 bits takes a tenth of a second, and a hundred tests begin without any."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rsa, "generate_private_key", few_rsa_keys())
        yield
