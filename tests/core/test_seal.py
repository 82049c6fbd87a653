"""Sealing and tagging."""

from __future__ import annotations

import pytest

from massar.core.encryption import Keyring, SealBroken

OLD, NEW = ("old", b"1" * 32), ("new", b"2" * 32)


def test_what_was_sealed_opens_and_looks_like_nothing():
    ring = Keyring((OLD,))
    box = ring.seal("قناة secret".encode(), place="here")
    assert ring.open(box, place="here").decode() == "قناة secret"
    assert b"secret" not in box
    assert ring.seal(b"x", place="here") != ring.seal(b"x", place="here"), "a nonce of its own each time"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda b: b[:-1],
        lambda b: b[:-1] + bytes([b[-1] ^ 1]),
        lambda b: b"",
        lambda b: b"\x02" + b[1:],
        lambda b: b[:2] + b"xxx" + b[5:],
        lambda b: b"\x01\xff" + b[2:],
    ],
)
def test_a_changed_value_does_not_open(spoil):
    ring = Keyring((OLD,))
    box = ring.seal(b"a value that is long enough", place="here")
    with pytest.raises(SealBroken):
        ring.open(spoil(box), place="here")


def test_the_newest_key_seals_and_every_key_opens():
    box = Keyring((OLD,)).seal(b"x", place="p")
    both = Keyring((NEW, OLD))
    assert both.open(box, place="p") == b"x"
    assert both.seal(b"x", place="p")[2:5] == b"new"
    with pytest.raises(SealBroken):
        Keyring((NEW,)).open(box, place="p")


def test_tags_follow_a_change_of_keys_and_keep_parts_apart():
    old, both = Keyring((OLD,)), Keyring((NEW, OLD))
    tag = old.tag("phone", "ab", "c")
    assert both.matches(tag, "phone", "ab", "c") and tag in both.tags("phone", "ab", "c")
    assert not both.matches(tag, "phone", "a", "bc"), "parts are length-prefixed"
    assert not both.matches(tag, "other", "ab", "c"), "each purpose has a key of its own"
    assert not both.matches("ÿ" * 64, "phone", "ab", "c"), "text that is not ASCII is wrong, not a fault"
    assert not both.matches("", "phone", "ab", "c")


def test_a_keyring_needs_a_key():
    with pytest.raises(ValueError, match="at least one key"):
        Keyring(())
