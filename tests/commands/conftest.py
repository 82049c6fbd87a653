import pytest

from tests.support.installation import Installation


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Installation:
    """An installation with tables. Shared: a test makes its own people, and leaves no setting behind."""
    installation = Installation(tmp_path_factory.mktemp("installation"))
    done = installation.massar("migrate")
    assert done.returncode == 0, done.stderr
    return installation


@pytest.fixture
def empty(tmp_path) -> Installation:
    """An installation without a database."""
    return Installation(tmp_path)
