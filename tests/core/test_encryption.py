"""Encrypt, decrypt, index and sign."""

import pytest

from massar.core.encryption import DecryptionFailed, Keyring

OLD, NEW = ("old", b"1" * 32), ("new", b"2" * 32)


def test_what_was_encrypted_is_decrypted_and_looks_like_nothing():
    ring = Keyring((OLD,))
    encrypted = ring.encrypt("قناة secret".encode(), associated_data="here")
    assert ring.decrypt(encrypted, associated_data="here").decode() == "قناة secret"
    assert b"secret" not in encrypted
    assert ring.encrypt(b"x", associated_data="here") != ring.encrypt(b"x", associated_data="here"), "by its nonce"


@pytest.mark.parametrize("spoil", [
    lambda b: b[:-1], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b"", lambda b: b"\x02" + b[1:],
    lambda b: b[:2] + b"xxx" + b[5:], lambda b: b"\x01\xff" + b[2:],
])  # fmt: skip
def test_a_changed_value_is_not_decrypted(spoil):
    ring = Keyring((OLD,))
    encrypted = ring.encrypt(b"a value that is long enough", associated_data="here")
    with pytest.raises(DecryptionFailed):
        ring.decrypt(spoil(encrypted), associated_data="here")


def test_the_newest_key_encrypts_and_every_key_decrypts():
    encrypted = Keyring((OLD,)).encrypt(b"x", associated_data="p")
    both = Keyring((NEW, OLD))
    assert both.decrypt(encrypted, associated_data="p") == b"x"
    assert both.encrypt(b"x", associated_data="p")[2:5] == b"new"
    with pytest.raises(DecryptionFailed):
        Keyring((NEW,)).decrypt(encrypted, associated_data="p")
    with pytest.raises(ValueError, match="at least one key"):
        Keyring(())


def test_indexes_follow_a_change_of_keys_and_keep_parts_apart():
    old, both = Keyring((OLD,)), Keyring((NEW, OLD))
    index = old.blind_index("phone", "ab", "c")
    assert both.verify(index, "phone", "ab", "c") and index in both.blind_indexes("phone", "ab", "c")
    assert not both.verify(index, "phone", "a", "bc"), "parts are length-prefixed"
    assert not both.verify(index, "other", "ab", "c"), "each purpose has a key of its own"
    assert not both.verify("ÿ" * 64, "phone", "ab", "c"), "text that is not ASCII is wrong, not a fault"
    assert not both.verify("", "phone", "ab", "c")
