from collections.abc import Iterator

import pytest

from tests.house import laws


@pytest.fixture(scope="package", autouse=True)
def nothing_read_stays() -> Iterator[None]:
    """The syntax trees of all files are some hundred megabytes, and nobody after these tests reads them."""
    yield
    laws.nodes.cache_clear()
