"""Nodes with keys of their own beside one database, one after the other in the test's process."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from unittest import mock

from django.conf import settings
from django.test import override_settings

from massar.core import encryption
from massar.core.keyring import api as keyring

KEYS = {name: bytes([number]) * 32 for number, name in enumerate(("k1", "k2", "k3"), 1)}


@contextlib.contextmanager
def node(*names: str, **bytes_of: bytes) -> Iterator[None]:
    """What the block does, a process does that holds these keys and has just started. bytes_of: other keys by name."""
    known = {**KEYS, **dict(settings.MASSAR.data_keys)}
    keys = (*((name, known[name]) for name in names), *bytes_of.items())
    with override_settings(MASSAR=replace(settings.MASSAR, data_keys=keys)), alone():
        keyring.state.follow()
        yield


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """The block is a process that has just started: it knows nothing of keys, and nothing of what it learns stays."""
    with (
        mock.patch.object(encryption, "_ruled_by", []),
        mock.patch.object(keyring.state, "_view", []),
        mock.patch.object(encryption, "unopened", {}),
    ):
        yield


def look() -> str:
    """The node looks at the database's word now, as it does by itself every two seconds; what troubles it."""
    return keyring.state.look().trouble
