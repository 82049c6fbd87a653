"""One product for all of these tests, with every site of theirs registered, and the servers beside it."""

from pathlib import Path

import pytest

from tests.servers import account as product
from tests.servers import sites
from tests.servers.machine import words_of_all
from tests.servers.surfer import Surfer


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Where these tests are not wanted they are not read either: what they import is installed for them alone."""
    return True if "not servers" in config.option.markexpr else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs real servers."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("servers")


@pytest.fixture(scope="session")
def layout() -> sites.Layout:
    """Which site listens where, with which secrets."""
    return sites.lay_out()


@pytest.fixture(scope="session")
def account(tmp_path_factory, layout):
    with product.running_account(tmp_path_factory.mktemp("account"), layout.port("account"), layout.registry()) as it:
        yield it


@pytest.fixture(autouse=True)
def the_servers_words():
    """The ends of all logs; pytest shows them where a test failed."""
    yield
    print(words_of_all())


@pytest.fixture
def surfer() -> Surfer:
    return Surfer()
