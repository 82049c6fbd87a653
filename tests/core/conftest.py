"""Fixtures of core's tests."""

import pytest

from tests.support.trail import Trail


@pytest.fixture
def trail(settings, tmp_path) -> Trail:
    """The audit log's keeper, with a folder of checkpoints of its own."""
    return Trail(settings, tmp_path / "checkpoints")
