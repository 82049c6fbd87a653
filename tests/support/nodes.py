"""Nodes with keys of their own beside one database, one after the other in the test's process."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

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
    """Nothing of this process is known before, or stays after the block."""
    kept = list(encryption._ruled_by), list(keyring.state._view), dict(encryption.unopened)
    for one in (encryption._ruled_by, keyring.state._view, encryption.unopened):
        one.clear()
    try:
        yield
    finally:
        for one in (encryption._ruled_by, keyring.state._view, encryption.unopened):
            one.clear()
        encryption._ruled_by.extend(kept[0])
        keyring.state._view.extend(kept[1])
        encryption.unopened.update(kept[2])


def look() -> str:
    """The node looks at the database's word now, as it does by itself every two seconds; what troubles it."""
    return keyring.state.look().trouble
